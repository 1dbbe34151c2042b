package proxmox

import (
	"berth/desired"
	"berth/drift"
)

// holdUnlicensed holds the steps for which the token lacks a right, and of those
// that change several things at once only what it lacks one for: one option that
// is forbidden would fail all that are sent with it (FACTS 1).
func holdUnlicensed(w *drift.World, want *desired.Resource, have *drift.Live, changes []drift.Change) {
	for i := range changes {
		c := &changes[i]
		name := c.Site
		if name == "" && want != nil {
			name = want.Site
		}
		p, site := premisesOf(w, name), w.Fleet.Sites[name]
		if p.rights == nil || site == nil {
			continue
		}
		if want != nil {
			if image, ok := want.Spec.(*desired.ImageAt); ok {
				hold(&c.Held, withheld(p.rights.lacking(fetching(w.Fleet, want, image)), p.granter))
				continue
			}
		}
		n := &needy{fleet: w.Fleet, site: site, want: want}
		if h, ok := handleOf(have); ok {
			n.vmid = h.vmid
		} else {
			n.vmid = n.guest().VMID
		}
		hold(&c.Held, withheld(p.rights.lacking(n.step(c.Step)), p.granter))
		if want == nil || c.Step == drift.Create {
			continue
		}
		n.holdFields(c, p)
	}
}

// holdFields holds what a step changes and the token may not. Where nothing is
// left of a step, all of it is held.
func (n *needy) holdFields(c *drift.Change, p *premises) {
	privileges := make(map[desired.Path]string)
	for _, leaf := range desired.Leaves(n.want.ID.Kind(), n.want.Spec) {
		privileges[leaf.Path] = leaf.Privilege
	}
	for i := range c.Fields {
		f := &c.Fields[i]
		hold(&f.Held, withheld(p.rights.lacking(n.leaf(f.Path, privileges[f.Path])), p.granter))
	}
}

func handleOf(have *drift.Live) (*handle, bool) {
	if have == nil {
		return nil, false
	}
	h, ok := have.Handle.(*handle)
	return h, ok
}

// hold keeps the first reason.
func hold(held *string, reason string) {
	if *held == "" {
		*held = reason
	}
}
