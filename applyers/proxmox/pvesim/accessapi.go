package pvesim

import (
	"maps"
	"slices"
	"strings"
)

// permissions answers the rights of the author: privilege to whether it is
// inherited further down, for every path that is known.
func (q *call) permissions() (any, error) {
	who := q.auth
	if u := q.args["userid"]; u != "" {
		name, id, _ := strings.Cut(u, "!")
		who = auth{user: name, token: id}
		if who.user != q.auth.user {
			if err := q.check("/access", "Sys.Audit"); err != nil {
				return nil, err
			}
		}
	}
	paths := map[string]bool{}
	if p := q.args["path"]; p != "" {
		paths[p] = true
	} else {
		for _, p := range []string{"/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"} {
			paths[p] = true
		}
		for _, e := range q.access.acl {
			paths[e.path] = true
		}
		for n, p := range q.pools {
			paths["/pool/"+n] = true
			for id := range p.vms {
				paths["/vms/"+itoa(id)] = true
			}
		}
	}
	out := map[string]any{}
	for p := range paths {
		if r := q.rights(who, p); len(r.privs) > 0 {
			out[p] = r.text
		}
	}
	return out, nil
}

func (q *call) aclList() (any, error) {
	rows := []any{}
	for _, e := range q.access.acl {
		if !q.may(e.path, "Permissions.Modify") && !q.may("/access", "Sys.Audit") {
			continue
		}
		propagate := 0
		if e.propagate {
			propagate = 1
		}
		rows = append(rows, map[string]any{"path": e.path, "roleid": e.role, "type": e.kind, "ugid": e.id, "propagate": propagate})
	}
	return rows, nil
}

func (q *call) aclUpdate() (any, error) {
	path := "/" + strings.Join(split(q.args["path"]), "/")
	propagate := q.args["propagate"] != "0"
	for kind, ids := range map[string]string{"user": q.args["users"], "group": q.args["groups"], "token": q.args["tokens"]} {
		for _, id := range splitList(ids) {
			for _, role := range splitList(q.args["roles"]) {
				if q.access.roles[role] == nil {
					return nil, fail("update ACL failed: role '%s' does not exist", role)
				}
				e := aclEntry{path: path, kind: kind, id: id, role: role, propagate: propagate}
				if q.args["delete"] == "1" {
					q.access.acl = slices.DeleteFunc(q.access.acl, func(o aclEntry) bool {
						return o.path == e.path && o.kind == e.kind && o.id == e.id && o.role == e.role
					})
					continue
				}
				q.access.set(e)
			}
		}
	}
	return null{}, nil
}

func (q *call) roleList() (any, error) {
	rows := []any{}
	for _, r := range slices.Sorted(maps.Keys(q.access.roles)) {
		special := 0
		if _, ok := builtinRoles()[r]; ok {
			special = 1
		}
		rows = append(rows, map[string]any{"roleid": r, "privs": strings.Join(q.access.roles[r], ","), "special": special})
	}
	return rows, nil
}

func (q *call) roleCreate() (any, error) {
	if q.access.roles[q.args["roleid"]] != nil {
		return nil, fail("create role failed: role '%s' already exists", q.args["roleid"])
	}
	q.access.setRole(q.args["roleid"], append([]string{}, splitList(q.args["privs"])...))
	return null{}, nil
}

// roleDelete leaves the entries that name the role; they are ignored (FACTS 8).
func (q *call) roleDelete() (any, error) {
	if q.access.roles[q.args["roleid"]] == nil {
		return nil, fail("delete role failed: role '%s' does not exist", q.args["roleid"])
	}
	q.access.setRole(q.args["roleid"], nil)
	q.access.acl = slices.DeleteFunc(q.access.acl, func(e aclEntry) bool { return e.role == q.args["roleid"] })
	return null{}, nil
}

func (q *call) seesUser(name string) bool {
	return name == q.auth.user || q.may("/access/groups", "User.Modify", "Sys.Audit")
}

func (q *call) userList() (any, error) {
	rows := []any{}
	for _, n := range slices.Sorted(maps.Keys(q.access.users)) {
		if n == q.auth.user && q.auth.token != "" && !q.may("/access/groups", "User.Modify", "Sys.Audit") || !q.seesUser(n) {
			continue
		}
		row := map[string]any{"userid": n, "enable": 1, "expire": q.access.users[n].expire, "realm-type": "pve"}
		rows = append(rows, row)
	}
	return rows, nil
}

func (q *call) userCreate() (any, error) {
	name := q.args["userid"]
	if q.access.users[name] != nil {
		return nil, fail("create user failed: user '%s' already exists", name)
	}
	u := q.access.user(name)
	u.password, u.expire = q.args["password"], atoi(q.args["expire"])
	return null{}, nil
}

func (q *call) userGet() (any, error) {
	name := q.args["userid"]
	u := q.access.users[name]
	if u == nil {
		return nil, fail("no such user ('%s')", name)
	}
	tokens := map[string]any{}
	for id, t := range u.tokens {
		tokens[id] = t.show()
	}
	out := map[string]any{"enable": 1, "expire": u.expire, "tokens": tokens}
	groups := []string{}
	for g, members := range q.access.groups {
		if slices.Contains(members, name) {
			groups = append(groups, g)
		}
	}
	if len(groups) > 0 {
		out["groups"] = groups
	}
	return out, nil
}

func (q *call) userUpdate() (any, error) {
	name := q.args["userid"]
	u := q.access.users[name]
	if u == nil {
		return nil, fail("update user failed: no such user ('%s')", name)
	}
	if g, ok := q.args["groups"]; ok {
		for _, id := range splitList(g) {
			if !slices.Contains(q.access.groups[id], name) {
				q.access.groups[id] = append(q.access.groups[id], name)
			}
		}
	}
	u.disabled = q.args["enable"] == "0"
	if e, ok := q.args["expire"]; ok {
		u.expire = atoi(e)
	}
	return null{}, nil
}

func (q *call) groupCreate() (any, error) {
	q.access.groups[q.args["groupid"]] = []string{}
	return null{}, nil
}

func (q *call) groupDelete() (any, error) {
	delete(q.access.groups, q.args["groupid"])
	return null{}, nil
}

func (t *token) show() map[string]any {
	sep := 0
	if t.privsep {
		sep = 1
	}
	out := map[string]any{"privsep": sep, "expire": t.expire}
	if t.comment != "" {
		out["comment"] = t.comment
	}
	return out
}

func (q *call) tokenOf() (*user, *token, error) {
	u := q.access.users[q.args["userid"]]
	if u == nil {
		return nil, nil, fail("no such user ('%s')", q.args["userid"])
	}
	t := u.tokens[q.args["tokenid"]]
	if t == nil {
		return u, nil, fail("no such token '%s' for user '%s'", q.args["tokenid"], q.args["userid"])
	}
	return u, t, nil
}

func (q *call) tokenList() (any, error) {
	u := q.access.users[q.args["userid"]]
	rows := []any{}
	if u == nil {
		return rows, nil
	}
	for _, id := range slices.Sorted(maps.Keys(u.tokens)) {
		row := u.tokens[id].show()
		row["tokenid"] = id
		rows = append(rows, row)
	}
	return rows, nil
}

func (q *call) tokenGet() (any, error) {
	_, t, err := q.tokenOf()
	if err != nil {
		return nil, err
	}
	return t.show(), nil
}

func (q *call) tokenCreate() (any, error) {
	u := q.access.users[q.args["userid"]]
	if u == nil {
		return nil, fail("no such user ('%s')", q.args["userid"])
	}
	id := q.args["tokenid"]
	if u.tokens[id] != nil {
		return nil, badParam("tokenid", "Token already exists.")
	}
	t := &token{privsep: q.args["privsep"] != "0", secret: q.uuid(), comment: q.args["comment"], expire: atoi(q.args["expire"])}
	u.tokens[id] = t
	// What was sent comes back as it was sent: as strings (FACTS 4).
	info := map[string]any{}
	for _, k := range []string{"privsep", "expire", "comment"} {
		if v, ok := q.args[k]; ok {
			info[k] = v
		}
	}
	if info["privsep"] == nil {
		info["privsep"] = 1
	}
	return map[string]any{"full-tokenid": q.args["userid"] + "!" + id, "value": t.secret, "info": info}, nil
}

func (q *call) tokenUpdate() (any, error) {
	_, t, err := q.tokenOf()
	if err != nil {
		return nil, err
	}
	if c, ok := q.args["comment"]; ok {
		t.comment = c
	}
	if p, ok := q.args["privsep"]; ok {
		t.privsep = p == "1"
	}
	if e, ok := q.args["expire"]; ok {
		t.expire = atoi(e)
	}
	return t.show(), nil
}

func (q *call) tokenDelete() (any, error) {
	u, _, err := q.tokenOf()
	if err != nil {
		return nil, err
	}
	delete(u.tokens, q.args["tokenid"])
	return null{}, nil
}

// ticket is the login by password.
func (q *call) ticket() (any, error) {
	name := q.args["username"]
	u := q.access.users[name]
	if u == nil || u.password == "" || u.password != q.args["password"] {
		return nil, &apiError{status: 401, message: "authentication failure\n"}
	}
	ticket := "PVE:" + name + ":" + strings.ToUpper(q.uuid()[:8]) + "::" + q.uuid()
	csrf := q.uuid()
	u.tickets[ticket] = csrf
	who := auth{user: name}
	caps := map[string]any{}
	for area, at := range map[string][]string{
		"vms": {"/vms", "VM"}, "storage": {"/storage", "Datastore"}, "access": {"/access", "User", "Group"},
		"nodes": {"/nodes", "Sys"}, "sdn": {"/sdn", "SDN"}, "dc": {"/", "SDN", "Sys"}, "mapping": {"/mapping", "Mapping"},
	} {
		have := map[string]any{}
		for p := range q.rights(who, at[0]).privs {
			base, _, _ := strings.Cut(p, ".")
			switch {
			case area == "dc":
				if base == "SDN" || p == "Sys.Audit" || p == "Sys.Modify" {
					have[p] = 1
				}
			case slices.Contains(at[1:], base) || p == "Permissions.Modify":
				have[p] = 1
			}
		}
		caps[area] = have
	}
	return map[string]any{"username": name, "ticket": ticket, "CSRFPreventionToken": csrf, "cap": caps}, nil
}
