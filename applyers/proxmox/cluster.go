package proxmox

import (
	"crypto/sha256"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// cluster is one site's API, and what the last look at the whole site learnt of it.
type cluster struct {
	*pve.Client
	site *desired.Site
	// rights are the token's.
	rights pve.Rights
	// tokenSum tells the token that is used from others.
	tokenSum [sha256.Size]byte
}

// helpWith says what to grant where an error is a missing right; "" otherwise.
func (c *cluster) helpWith(err error) string {
	path, privilege, ok := pve.DeniedPath(err)
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(privilege, "|")
	return c.grant(path, first)
}

// grant is the command that gives the token privileges at a path.
func (c *cluster) grant(path string, privileges ...string) string {
	return pve.Granter{Rights: c.rights, Token: c.TokenName()}.Grant(path, privileges...)
}
