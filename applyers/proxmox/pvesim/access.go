package pvesim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
)

type token struct {
	privsep bool
	secret  string
	comment string
	expire  int
}

type user struct {
	password string
	tokens   map[string]*token
	tickets  map[string]string // ticket to its CSRF token
	disabled bool
	expire   int // in seconds since 1970; 0 is never
}

type aclEntry struct {
	path, kind, id, role string
	propagate            bool
}

type access struct {
	users  map[string]*user
	groups map[string][]string
	roles  map[string][]string
	acl    []aclEntry
	// known are the privileges of roles that were asked for, until a role changes.
	known map[string]*rights
}

func newAccess() *access {
	a := &access{users: map[string]*user{}, groups: map[string][]string{}, roles: map[string][]string{}}
	a.user("root@pam")
	maps.Copy(a.roles, builtinRoles())
	return a
}

// setRole makes a role, or takes it away where it has no privileges at all.
func (a *access) setRole(name string, privs []string) {
	a.known = nil
	if privs == nil {
		delete(a.roles, name)
		return
	}
	a.roles[name] = privs
}

// rights are what somebody may do at a path: privileges, and whether each is inherited
// further down. They are shared, and not to be written to.
type rights struct {
	privs map[string]bool
	// text is what /access/permissions says of them. Most paths have the same.
	text json.RawMessage
}

func newRights(privs map[string]bool) *rights {
	said := make(map[string]int, len(privs))
	for priv, propagate := range privs {
		said[priv] = 0
		if propagate {
			said[priv] = 1
		}
	}
	text, _ := json.Marshal(said) // Names and numbers can't fail.
	return &rights{privs, text}
}

// of are the rights by roles as [Cluster.rolesAt] names them.
func (a *access) of(roles string) *rights {
	if roles == everything {
		return all()
	}
	return a.remembered(roles, func() map[string]bool {
		out := map[string]bool{}
		for group := range strings.SplitSeq(roles, ";") {
			here := map[string]bool{}
			for name := range strings.SplitSeq(group, ",") {
				role, propagate := strings.CutSuffix(name, "+")
				for _, p := range a.roles[role] {
					here[p] = here[p] || propagate
				}
			}
			maps.Copy(out, here)
		}
		return out
	})
}

// both are the rights of a token, by its own roles and by those of its user.
func (a *access) both(own, user string) *rights {
	return a.remembered(own+"|"+user, func() map[string]bool {
		out, up := map[string]bool{}, a.of(user).privs
		for p, propagate := range a.of(own).privs {
			if passed, ok := up[p]; ok {
				out[p] = propagate && passed
			}
		}
		return out
	})
}

func (a *access) remembered(roles string, work func() map[string]bool) *rights {
	if r, ok := a.known[roles]; ok {
		return r
	}
	r := newRights(work())
	if a.known == nil {
		a.known = map[string]*rights{}
	}
	a.known[roles] = r
	return r
}

func (a *access) user(name string) *user {
	u := a.users[name]
	if u == nil {
		u = &user{tokens: map[string]*token{}, tickets: map[string]string{}}
		a.users[name] = u
	}
	return u
}

func (a *access) set(e aclEntry) {
	a.acl = slices.DeleteFunc(a.acl, func(o aclEntry) bool {
		return o.path == e.path && o.kind == e.kind && o.id == e.id && o.role == e.role
	})
	a.acl = append(a.acl, e)
}

// allPrivs are the privileges of Proxmox VE 8. The slice is not to be written to.
var allPrivs = sync.OnceValue(func() []string {
	return strings.Fields(`Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit
		Group.Allocate Mapping.Audit Mapping.Modify Mapping.Use Permissions.Modify Pool.Allocate Pool.Audit
		Realm.Allocate Realm.AllocateUser SDN.Allocate SDN.Audit SDN.Use
		Sys.AccessNetwork Sys.Audit Sys.Console Sys.Incoming Sys.Modify Sys.PowerMgmt Sys.Syslog User.Modify
		VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk
		VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.Console VM.Migrate VM.Monitor
		VM.PowerMgmt VM.Snapshot VM.Snapshot.Rollback`)
})

// builtinRoles are the roles that come with Proxmox VE 8.
func builtinRoles() map[string][]string {
	pick := func(f func(string) bool) []string {
		return slices.DeleteFunc(slices.Clone(allPrivs()), func(p string) bool { return !f(p) })
	}
	prefix := func(ps ...string) []string {
		return pick(func(p string) bool {
			return slices.ContainsFunc(ps, func(x string) bool { return p == x || strings.HasPrefix(p, x+".") })
		})
	}
	vmUser := strings.Fields("VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.PowerMgmt")
	return map[string][]string{
		"Administrator": allPrivs(),
		"NoAccess":      {},
		"PVEAdmin": pick(func(p string) bool {
			return p != "Permissions.Modify" && p != "Realm.Allocate" && !strings.HasPrefix(p, "Sys.") || slices.Contains([]string{"Sys.Audit", "Sys.Console", "Sys.Syslog"}, p)
		}),
		"PVEAuditor":        pick(func(p string) bool { return strings.HasSuffix(p, ".Audit") }),
		"PVEDatastoreAdmin": prefix("Datastore"),
		"PVEDatastoreUser":  {"Datastore.AllocateSpace", "Datastore.Audit"},
		"PVEMappingAdmin":   prefix("Mapping"),
		"PVEMappingAudit":   {"Mapping.Audit"},
		"PVEMappingUser":    {"Mapping.Audit", "Mapping.Use"},
		"PVEPoolAdmin":      prefix("Pool"),
		"PVEPoolUser":       {"Pool.Audit"},
		"PVESDNAdmin":       prefix("SDN"),
		"PVESDNUser":        {"SDN.Audit", "SDN.Use"},
		"PVESysAdmin":       {"Sys.Audit", "Sys.Console", "Sys.Syslog"},
		"PVETemplateUser":   {"VM.Audit", "VM.Clone"},
		"PVEUserAdmin":      {"Group.Allocate", "Realm.AllocateUser", "User.Modify"},
		"PVEVMAdmin":        prefix("VM"),
		"PVEVMUser":         vmUser,
	}
}
