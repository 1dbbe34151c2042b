package pvesim

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// auth is who a request comes from.
type auth struct {
	user  string // user@realm
	token string // empty with a ticket
}

// full is how Proxmox VE writes the author: user@realm or user@realm!token.
func (a auth) full() string {
	if a.token != "" {
		return a.user + "!" + a.token
	}
	return a.user
}

// root tells root@pam by ticket; a token of root@pam is not root@pam (FACTS 1).
func (a auth) root() bool { return a.user == "root@pam" && a.token == "" }

// AddToken makes a user (if need be) and a token, and gives both the rights of
// the entries: a token with privilege separation has what the user and it have.
// It returns what follows "PVEAPIToken=" in the Authorization header.
func (c *Cluster) AddToken(user, id string, privsep bool, acl ...ACL) (header string) {
	c.lock()
	defer c.unlock()
	u := c.access.user(user)
	secret := c.uuid()
	u.tokens[id] = &token{privsep: privsep, secret: secret}
	c.grant(user, id, privsep, acl)
	return user + "!" + id + "=" + secret
}

// grant adds entries to the access control list, for a user and, where its privileges
// are separated, for its token.
func (c *Cluster) grant(user, id string, privsep bool, acl []ACL) {
	for _, e := range acl {
		role := e.Role
		if role == "" {
			role = fmt.Sprintf("sim-%d", len(c.access.roles))
			c.access.setRole(role, append([]string{}, e.Privs...))
		}
		c.access.set(aclEntry{path: e.Path, kind: "user", id: user, role: role, propagate: e.Propagate})
		if privsep {
			c.access.set(aclEntry{path: e.Path, kind: "token", id: user + "!" + id, role: role, propagate: e.Propagate})
		}
	}
}

// SetPassword makes a user who may ask /access/ticket for a ticket.
func (c *Cluster) SetPassword(user, password string) {
	c.lock()
	defer c.unlock()
	c.access.user(user).password = password
}

// authenticate finds out who asks. All but /access/ticket need to be known.
func (q *call) authenticate() error {
	if q.path == "/access/ticket" && q.method == "POST" {
		return nil
	}
	refuse := func(text string) error { return &apiError{status: 401, message: text, empty: true} }
	h := q.header.Get("Authorization")
	if rest, ok := strings.CutPrefix(h, "PVEAPIToken"); ok && len(rest) > 0 && (rest[0] == '=' || rest[0] == ' ') {
		full, secret, _ := strings.Cut(rest[1:], "=")
		name, id, _ := strings.Cut(full, "!")
		u := q.access.users[name]
		if u == nil || u.disabled {
			return refuse("Authentication failed!")
		}
		t := u.tokens[id]
		if t == nil || t.secret != secret || q.over(t.expire) || q.over(u.expire) {
			return refuse("Authentication failed!")
		}
		q.auth = auth{user: name, token: id}
		return nil
	}
	for cookie := range strings.SplitSeq(q.header.Get("Cookie"), ";") {
		v, ok := strings.CutPrefix(strings.TrimSpace(cookie), "PVEAuthCookie=")
		if !ok {
			continue
		}
		ticket, err := url.QueryUnescape(v)
		if err != nil {
			ticket = v
		}
		csrf := ""
		for name, u := range q.access.users {
			if s, known := u.tickets[ticket]; known {
				q.auth, csrf = auth{user: name}, s
			}
		}
		if q.auth.user == "" {
			return refuse("Authentication failed!")
		}
		if q.method != "GET" && q.header.Get("Csrfpreventiontoken") != csrf {
			return refuse("Permission denied - invalid csrf token")
		}
		return nil
	}
	return refuse("No ticket")
}

// over tells whether a time, in seconds since 1970, has come; 0 never does.
func (c *Cluster) over(expire int) bool { return expire > 0 && int64(expire) <= c.now().Unix() }

// ofUser makes the check of what is about one user: the privileges, any of them, on all
// groups, or on one that the user is in. Whoever lacks them is told no path.
func ofUser(privs ...string) func(*call) error {
	return func(q *call) error {
		if q.may("/access/groups", privs...) {
			return nil
		}
		for group, members := range q.access.groups {
			if slices.Contains(members, q.args["userid"]) && q.may("/access/groups/"+group, privs...) {
				return nil
			}
		}
		return deniedText("")
	}
}

// orOneself makes a check that users pass for what is their own. A token of theirs is not
// the user.
func orOneself(check func(*call) error) func(*call) error {
	return func(q *call) error {
		if q.auth.token == "" && q.auth.user == q.args["userid"] {
			return nil
		}
		return check(q)
	}
}

// rights returns what the author may do at a path.
func (c *Cluster) rights(a auth, path string) *rights {
	if a.root() {
		return all()
	}
	have := c.userRoles(a.user, path)
	if a.token == "" {
		return c.access.of(have)
	}
	u := c.access.users[a.user]
	if u == nil || u.tokens[a.token] == nil {
		return &rights{}
	}
	if !u.tokens[a.token].privsep {
		return c.access.of(have)
	}
	own := c.rolesAt(path, func(e aclEntry) bool { return e.kind == "token" && e.id == a.full() }, nil)
	return c.access.both(own, have)
}

// everything stands for the roles of root@pam.
const everything = "*"

// all is what root@pam may.
var all = sync.OnceValue(func() *rights {
	m := map[string]bool{}
	for _, p := range allPrivs() {
		m[p] = true
	}
	return newRights(m)
})

func (c *Cluster) userRoles(user, path string) string {
	if user == "root@pam" {
		return everything
	}
	groups := func(e aclEntry) bool { return e.kind == "group" && slices.Contains(c.access.groups[e.id], user) }
	return c.rolesAt(path, func(e aclEntry) bool { return e.kind == "user" && e.id == user }, groups)
}

// rolesAt walks from / to the path; entries further down replace the inherited
// ones, and those of a user replace those of the user's groups. It answers with the
// names of the roles, each with a + where it is inherited further down, in a form
// that [access.of] reads: few paths have roles of their own.
func (c *Cluster) rolesAt(path string, mine, groups func(aclEntry) bool) string {
	roles := map[string]bool{}
	parts := split(path)
	for i := 0; i <= len(parts); i++ {
		at := "/" + strings.Join(parts[:i], "/")
		here := map[string]bool{}
		for _, want := range []func(aclEntry) bool{mine, groups} {
			if want == nil || len(here) > 0 {
				continue
			}
			for _, e := range c.access.acl {
				if e.path == at && want(e) && (e.propagate || i == len(parts)) {
					here[e.role] = e.propagate
				}
			}
		}
		if len(here) > 0 {
			roles = here
		}
	}
	if _, none := roles["NoAccess"]; none {
		return ""
	}
	var out strings.Builder
	for _, r := range slices.Sorted(maps.Keys(roles)) {
		out.WriteString(r)
		if roles[r] {
			out.WriteByte('+')
		}
		out.WriteByte(',')
	}
	// A guest in a pool has the rights on its pool as well.
	if len(parts) == 2 && (parts[0] == "vms" || parts[0] == "storage") {
		for _, name := range slices.Sorted(maps.Keys(c.pools)) {
			p := c.pools[name]
			if parts[0] == "vms" && p.vms[atoi(parts[1])] || parts[0] == "storage" && p.storages[parts[1]] {
				out.WriteString(";" + c.rolesAt("/pool/"+name, mine, groups))
			}
		}
	}
	return out.String()
}

// may reports whether the author has any of the privileges at the path.
func (q *call) may(path string, privs ...string) bool {
	have := q.have(path)
	return slices.ContainsFunc(privs, func(p string) bool { _, ok := have[p]; return ok })
}

// have is what the author may do at a path. Lists ask it of thousands of guests,
// of which most have no rule of their own, so these share one answer.
func (q *call) have(path string) map[string]bool {
	key := path
	if i := strings.LastIndexByte(path, '/'); i > 0 && strings.Count(path, "/") == 2 && !q.ruled(path) {
		key = path[:i] + "/*"
	}
	if m, ok := q.known[key]; ok {
		return m
	}
	m := q.rights(q.auth, path).privs
	if q.known == nil {
		q.known = map[string]map[string]bool{}
	}
	q.known[key] = m
	return m
}

// ruled reports whether a path has entries of its own, or those of a pool.
func (q *call) ruled(path string) bool {
	if q.paths == nil {
		q.paths = map[string]bool{}
		for _, e := range q.access.acl {
			q.paths[e.path] = true
		}
		for _, p := range q.pools {
			for id := range p.vms {
				q.paths["/vms/"+itoa(id)] = true
			}
			for s := range p.storages {
				q.paths["/storage/"+s] = true
			}
		}
	}
	return q.paths[path]
}

func (q *call) check(path string, privs ...string) error {
	if q.may(path, privs...) {
		return nil
	}
	return denied(path, privs...)
}

// need makes an endpoint's check. Words in braces stand for parameters.
func need(path string, privs ...string) func(*call) error {
	return func(q *call) error {
		p := path
		for k, v := range q.args {
			p = strings.ReplaceAll(p, "{"+k+"}", v)
		}
		return q.check(p, privs...)
	}
}
