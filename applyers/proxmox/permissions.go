package proxmox

import (
	"fmt"
	"strings"
)

// grant is the command that gives a token a privilege at a path, by the smallest
// of Proxmox's own roles that holds it, or by one made for it.
func grant(path, token, privilege string) string {
	role := roleFor(privilege)
	command := ""
	if role == "" {
		role = "Berth-" + privilege
		command = fmt.Sprintf("pveum role add %s --privs %s && ", role, privilege)
	}
	return command + fmt.Sprintf("pveum acl modify %s --tokens '%s' --roles %s", path, token, role)
}

// roleFor is the smallest of Proxmox's own roles that holds a privilege; "" if
// none but the administrator's does.
func roleFor(privilege string) string {
	switch {
	case strings.HasSuffix(privilege, ".Audit"):
		return "PVEAuditor"
	case privilege == "Datastore.AllocateSpace":
		return "PVEDatastoreUser"
	case strings.HasPrefix(privilege, "Datastore."):
		return "PVEDatastoreAdmin"
	case strings.HasPrefix(privilege, "VM."):
		return "PVEVMAdmin"
	case strings.HasPrefix(privilege, "SDN."):
		return "PVESDNUser"
	case privilege == "Sys.Syslog", privilege == "Sys.Console":
		return "PVESysAdmin"
	}
	return ""
}

// helpWith says what to grant where an error is a missing right; "" otherwise.
func (c *cluster) helpWith(err error) string {
	path, privilege, ok := deniedPath(err)
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(privilege, "|")
	return grant(path, c.tokenName(), first)
}

// tokenName is "user@realm!id", without the secret.
func (c *cluster) tokenName() string {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	name, _, _ := strings.Cut(c.wire.token, "=")
	return name
}
