package pve

import (
	"fmt"
	"slices"
	"strings"
)

// Granter says how to give a token what it lacks.
type Granter struct {
	Rights Rights
	// Token is "user@realm!id".
	Token string
}

// Grant is the command that gives the token privileges at a path, by the smallest
// of Proxmox's own roles that hold them, or by one made for them. It goes to the
// user and to the token: a token whose privileges are separated needs both, and
// one whose are not has its user's. Where the token seems to have it already, it
// was taken away at that very path.
func (g Granter) Grant(path string, privileges ...string) string {
	var roles, own []string
	for _, privilege := range privileges {
		if role := roleFor(privilege); role != "" {
			roles = append(roles, role)
		} else {
			own = append(own, privilege)
		}
	}
	command := ""
	if len(own) > 0 {
		role := "Berth-" + strings.Join(own, "-")
		command = fmt.Sprintf("pveum role add %s --privs %s && ", role, strings.Join(own, ","))
		roles = append(roles, role)
	}
	seat := path
	if !slices.ContainsFunc(privileges, func(p string) bool { return g.Rights.At(path, p) }) {
		seat = g.Rights.Seat(path)
	}
	slices.Sort(roles)
	user, _, _ := strings.Cut(g.Token, "!")
	return command + fmt.Sprintf("pveum acl modify %s --users %s --tokens '%s' --roles %s",
		seat, user, g.Token, strings.Join(slices.Compact(roles), ","))
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
