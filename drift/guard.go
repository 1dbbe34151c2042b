package drift

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"berth/desired"
)

// Guard marks steps or fields as held. It never drops one.
type Guard func(w *World, p *Plan)

// hold marks a change unless it is held already: the first reason stands.
func (c *Change) hold(reason string) {
	if c.Held == "" {
		c.Held = reason
	}
}

// Ownership holds every step on a resource in whose place something foreign
// stands.
func Ownership() Guard {
	return func(_ *World, p *Plan) {
		for _, f := range p.Foreign {
			for i := range p.Changes {
				if c := &p.Changes[i]; f.ID != "" && c.ID == f.ID {
					reason := f.What + ": " + f.Reason
					if f.Remedy != "" {
						reason += "; " + f.Remedy
					}
					c.hold(reason)
				}
			}
		}
	}
}

// Protection holds destructive steps on what is protected, in Git or live.
func Protection() Guard {
	return func(w *World, p *Plan) {
		for i := range p.Changes {
			c := &p.Changes[i]
			if !c.Step.Destructive() {
				continue
			}
			if live := w.Live(c.ID); live != nil && live.Protected {
				c.hold("it is protected: take the protection off on Proxmox first (Options, Protection: No)")
			}
			if g := w.Fleet.Machine(c.ID); g != nil && g.Protection {
				c.hold("its manifest protects it: take `protection: true` out first")
			}
		}
	}
}

// Unknown holds destructive steps on which something unread could bear: the
// same site, or an edge that may still route to the guest.
func Unknown() Guard {
	return func(_ *World, p *Plan) {
		for _, f := range p.Foreign {
			for i := range p.Changes {
				if c := &p.Changes[i]; f.ID.Kind() == desired.KindEdge && c.Step.Down() {
					c.hold(fmt.Sprintf("%s is not ours to change, and may still route to it: %s: %s", f.ID, f.What, f.Reason))
				}
			}
		}
		for _, b := range p.Blind {
			for i := range p.Changes {
				c := &p.Changes[i]
				if !c.Step.Down() {
					continue
				}
				switch {
				case b.Site != "" && b.ID == "" && b.Site == c.Site:
					c.hold(fmt.Sprintf("site %s could not be read whole: %s", b.Site, b.Reason))
				case b.Kind == desired.KindEdge || b.ID.Kind() == desired.KindEdge:
					c.hold(fmt.Sprintf("%s could not be read, and may still route to it: %s", cmp.Or(string(b.ID), "an edge"), b.Reason))
				}
			}
		}
	}
}

// ledElsewhere tells whether the manifests lead a name, or an upstream, to another
// guest, which is to have the same address: then the file needs no change.
func ledElsewhere(w *World, edge desired.ID, path desired.Path, guest desired.ID, live desired.Target) bool {
	want := w.Fleet.Resource(edge)
	if want == nil {
		return false
	}
	another := false
	for _, leaf := range desired.Leaves(edge.Kind(), want.Spec) {
		if leaf.Path != path {
			continue
		}
		for _, target := range desired.TargetsOf(leaf.Value) {
			id, _, named := target.Guest()
			if named && id == guest || target == live {
				return false
			}
			another = another || named
		}
	}
	return another
}

// Routed holds the way out of a guest to which an edge goes on to lead: by a name, a
// port or an upstream where it is written as its address, or which this plan leaves
// alone.
func Routed() Guard {
	return func(w *World, p *Plan) {
		all := p.byKey()
		for _, id := range slices.Sorted(maps.Keys(w.lives)) {
			edge, ok := w.lives[id].Spec.(*desired.Edge)
			if !ok {
				continue
			}
			moves := make(map[desired.Path]bool)
			for _, step := range []Step{Drain, Early, Route} {
				if c := all[Key{id, step}]; c != nil {
					for i := range c.Fields {
						moves[c.Fields[i].Path] = true
					}
				}
			}
			for _, leaf := range desired.Leaves(id.Kind(), edge) {
				if moves[leaf.Path] {
					continue
				}
				for _, target := range desired.TargetsOf(leaf.Value) {
					guest, ours := w.WhoHas(target.Text)
					if !ours || ledElsewhere(w, id, leaf.Path, guest, target) {
						continue
					}
					for _, step := range []Step{Stop, Archive, Delete} {
						if c := all[Key{guest, step}]; c != nil {
							c.hold(fmt.Sprintf("%s still leads %s to it: take that route out, or lead it elsewhere", id, leaf.Path))
						}
					}
				}
			}
		}
	}
}
