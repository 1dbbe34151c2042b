package proxmox

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// right is a privilege at a path of Proxmox's access control.
type right struct {
	path, privilege string
	// or are rights that do instead, all of them.
	or []right
}

// String is "VM.Config.Memory on /vms/101".
func (r right) String() string { return r.privilege + " on " + r.path }

// rights are what a token may do: by path, each privilege with whether paths
// below inherit it. nil is unknown, and forbids nothing: Proxmox itself judges.
// Paths with the same privileges share one map, which nobody changes.
type rights map[string]map[string]bool

// askRights reads what the token may do, everywhere.
func (c *client) askRights(ctx context.Context) (rights, error) {
	var answer map[string]json.RawMessage
	if err := c.get(ctx, "/access/permissions", &answer); err != nil {
		return nil, err
	}
	// Most paths have the same privileges: thousands of guests, in a large fleet.
	read := make(map[string]map[string]bool)
	all := make(rights, len(answer))
	for path, text := range answer {
		privileges, before := read[string(text)]
		if !before {
			var inherits map[string]scalar
			if err := json.Unmarshal(text, &inherits); err != nil {
				return nil, fmt.Errorf("read the rights on %s: %w", path, err)
			}
			privileges = make(map[string]bool, len(inherits))
			for privilege, inherited := range inherits {
				privileges[privilege] = inherited == "1" || inherited == "true"
			}
			read[string(text)] = privileges
		}
		all[path] = privileges
	}
	return all, nil
}

// has tells whether the token has a right. A path without an entry of its own has
// what the nearest one above it passes on.
func (r rights) has(want right) bool {
	if r == nil || r.at(want.path, want.privilege) {
		return true
	}
	return len(want.or) > 0 && !slices.ContainsFunc(want.or, func(other right) bool { return !r.has(other) })
}

func (r rights) at(path, privilege string) bool {
	for own := true; ; own = false {
		if privileges, listed := r[path]; listed {
			inherited, has := privileges[privilege]
			return has && (own || inherited)
		}
		if path == "/" {
			return false
		}
		path = parent(path)
	}
}

// lacking are those of the wanted rights that the token does not have, each once.
func (r rights) lacking(wanted []right) []right {
	var all []right
	seen := make(map[string]bool)
	for _, w := range wanted {
		if !r.has(w) && !seen[w.String()] {
			seen[w.String()] = true
			all = append(all, w)
		}
	}
	return all
}

// seat is where a right at a path is to be granted. Roles given at a path take the
// place of all that paths above pass on to it, so what the token has there by
// inheritance is to be added to where it comes from.
func (r rights) seat(path string) string {
	have := r.passed(path)
	if len(have) == 0 {
		return path
	}
	for path != "/" && maps.Equal(r.passed(parent(path)), have) {
		path = parent(path)
	}
	return path
}

// passed are the privileges that hold at a path.
func (r rights) passed(path string) map[string]bool {
	out := make(map[string]bool)
	for at := path; ; at = parent(at) {
		privileges, listed := r[at]
		for privilege, inherited := range privileges {
			if inherited || at == path {
				out[privilege] = true
			}
		}
		if listed || at == "/" {
			return out
		}
	}
}

// parent is the path above; that of / is / itself.
func parent(path string) string {
	return cmp.Or(path[:max(strings.LastIndexByte(path, '/'), 0)], "/")
}

// withheld says which rights a token lacks and how to grant them; "" for none.
func withheld(lacking []right, g granter) string {
	if len(lacking) == 0 {
		return ""
	}
	paths := make(map[string][]string)
	seats := make(map[string][]string)
	for _, l := range lacking {
		paths[l.path] = append(paths[l.path], l.privilege)
		seat := g.rights.seat(l.path)
		seats[seat] = append(seats[seat], l.privilege)
	}
	var what, grants []string
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		slices.Sort(paths[path])
		what = append(what, strings.Join(paths[path], ", ")+" on "+path)
	}
	for _, seat := range slices.Sorted(maps.Keys(seats)) {
		slices.Sort(seats[seat])
		grants = append(grants, g.grant(seat, slices.Compact(seats[seat])...))
	}
	return fmt.Sprintf("the token lacks %s: %s", strings.Join(what, " and "), strings.Join(grants, " && "))
}
