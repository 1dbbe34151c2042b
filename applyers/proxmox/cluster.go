package proxmox

import (
	"strings"

	"berth/desired"
)

// cluster is one site's API, and what the last look at the whole site learnt of it.
type cluster struct {
	*client
	site *desired.Site
	// rights are the token's.
	rights rights
}

// helpWith says what to grant where an error is a missing right; "" otherwise.
func (c *cluster) helpWith(err error) string {
	path, privilege, ok := deniedPath(err)
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(privilege, "|")
	return c.grant(path, first)
}

// grant is the command that gives the token privileges at a path.
func (c *cluster) grant(path string, privileges ...string) string {
	return granter{rights: c.rights, token: c.tokenName()}.grant(path, privileges...)
}
