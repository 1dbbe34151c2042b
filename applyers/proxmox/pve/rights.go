package pve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-faster/jx"
)

// Right is a privilege at a path of Proxmox's access control.
type Right struct {
	Path, Privilege string
	// Or are rights that do instead, all of them.
	Or []Right
}

// String is "VM.Config.Memory on /vms/101".
func (r Right) String() string { return r.Privilege + " on " + r.Path }

// Rights are what a token may do: by path, each privilege with whether paths
// below inherit it. nil is unknown, and forbids nothing: Proxmox itself judges.
// Paths with the same privileges share one map, which nobody changes.
type Rights map[string]map[string]bool

// ReadRights reads what the token may do, everywhere.
func (c *Client) ReadRights(ctx context.Context) (Rights, error) {
	var all Rights
	if err := c.Get(ctx, "/access/permissions", &all); err != nil {
		return nil, err
	}
	return all, nil
}

// Decode reads the privileges of each path.
func (r *Rights) Decode(d *jx.Decoder) error {
	*r = make(Rights)
	// Most paths have the same privileges: thousands of guests, in a large fleet.
	read := make(map[string]map[string]bool)
	return Object(d, func(name []byte) error {
		path := string(name)
		text, err := d.Raw()
		if err != nil {
			return err
		}
		privileges, before := read[string(text)]
		if !before {
			privileges = make(map[string]bool)
			inner := jx.DecodeBytes(text)
			if err := Object(inner, func(privilege []byte) error {
				held, err := InPlace(inner)
				privileges[string(privilege)] = string(held) == "1"
				return err
			}); err != nil {
				return err
			}
			read[string(text)] = privileges
		}
		(*r)[path] = privileges
		return nil
	})
}

// Has tells whether the token has a right. A path without an entry of its own has
// what the nearest one above it passes on.
func (r Rights) Has(want Right) bool {
	if r == nil || r.At(want.Path, want.Privilege) {
		return true
	}
	return len(want.Or) > 0 && !slices.ContainsFunc(want.Or, func(other Right) bool { return !r.Has(other) })
}

// At tells whether a privilege is held at a path, by an entry of its own or by what
// the nearest one above passes on.
func (r Rights) At(path, privilege string) bool {
	for own := true; ; own = false {
		if privileges, listed := r[path]; listed {
			inherited, has := privileges[privilege]
			return has && (own || inherited)
		}
		if path == "/" {
			return false
		}
		path = Parent(path)
	}
}

// Lacking are those of the wanted rights that the token does not have, each once.
func (r Rights) Lacking(wanted []Right) []Right {
	var all []Right
	seen := make(map[string]bool)
	for _, w := range wanted {
		if !r.Has(w) && !seen[w.String()] {
			seen[w.String()] = true
			all = append(all, w)
		}
	}
	return all
}

// Seat is where a right at a path is to be granted. Roles given at a path take the
// place of all that paths above pass on to it, so what the token has there by
// inheritance is to be added to where it comes from.
func (r Rights) Seat(path string) string {
	have := r.passed(path)
	if len(have) == 0 {
		return path
	}
	for path != "/" && maps.Equal(r.passed(Parent(path)), have) {
		path = Parent(path)
	}
	return path
}

// passed are the privileges that hold at a path.
func (r Rights) passed(path string) map[string]bool {
	out := make(map[string]bool)
	for at := path; ; at = Parent(at) {
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

// Parent is the path above; that of / is / itself.
func Parent(path string) string {
	return cmp.Or(path[:max(strings.LastIndexByte(path, '/'), 0)], "/")
}

// Withheld says which rights a token lacks and how to grant them; "" for none.
func Withheld(lacking []Right, g Granter) string {
	if len(lacking) == 0 {
		return ""
	}
	paths := make(map[string][]string)
	seats := make(map[string][]string)
	for _, l := range lacking {
		paths[l.Path] = append(paths[l.Path], l.Privilege)
		seat := g.Rights.Seat(l.Path)
		seats[seat] = append(seats[seat], l.Privilege)
	}
	var what, grants []string
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		slices.Sort(paths[path])
		what = append(what, strings.Join(paths[path], ", ")+" on "+path)
	}
	for _, seat := range slices.Sorted(maps.Keys(seats)) {
		slices.Sort(seats[seat])
		grants = append(grants, g.Grant(seat, slices.Compact(seats[seat])...))
	}
	return fmt.Sprintf("the token lacks %s: %s", strings.Join(what, " and "), strings.Join(grants, " && "))
}
