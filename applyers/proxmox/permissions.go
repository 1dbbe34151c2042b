package proxmox

import (
	"fmt"
	"strings"
)

// grant is the command that gives a token a role at a path.
func grant(path, token, role string) string {
	return fmt.Sprintf("pveum acl modify %s --tokens '%s' --roles %s", path, token, role)
}

// roleFor is the smallest of Proxmox's own roles that holds a privilege.
func roleFor(privilege string) string {
	switch {
	case strings.HasPrefix(privilege, "Datastore.Audit"):
		return "PVEAuditor"
	case strings.HasPrefix(privilege, "Datastore.AllocateSpace"):
		return "PVEDatastoreUser"
	case strings.HasPrefix(privilege, "Datastore."):
		return "PVEDatastoreAdmin"
	case strings.HasSuffix(privilege, ".Audit"):
		return "PVEAuditor"
	case strings.HasPrefix(privilege, "VM."):
		return "PVEVMAdmin"
	case strings.HasPrefix(privilege, "SDN."):
		return "PVESDNUser"
	case strings.HasPrefix(privilege, "Sys."):
		return "PVESysAdmin"
	}
	return "Administrator"
}

// helpWith says what to grant where an error is a missing right; "" otherwise.
func (c *cluster) helpWith(err error) string {
	path, privilege, ok := deniedPath(err)
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(privilege, "|")
	return grant(path, c.tokenName(), roleFor(first))
}

// tokenName is "user@realm!id", without the secret.
func (c *cluster) tokenName() string {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	name, _, _ := strings.Cut(c.wire.token, "=")
	return name
}
