package proxmox

import (
	"berth/applyers/proxmox/pve"
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
		if p.Rights == nil || site == nil {
			continue
		}
		if want != nil {
			if image, ok := want.Spec.(*desired.ImageAt); ok {
				hold(&c.Held, pve.Withheld(p.Rights.Lacking(fetching(w.Fleet, want, image)), p.Granter))
				continue
			}
		}
		n := &needy{fleet: w.Fleet, site: site, want: want}
		if h, ok := handleOf(have); ok {
			n.vmid, n.order = h.vmid, h.order
		} else {
			n.vmid = n.guest().VMID
		}
		hold(&c.Held, pve.Withheld(p.Rights.Lacking(n.step(c.Step)), p.Granter))
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
	slots := make(map[desired.Path]string)
	for i := range c.Fields {
		f := &c.Fields[i]
		wanted := n.leaf(f.Path, privileges[f.Path])
		if f.Path == poolPath && f.Before.Text != "" {
			// Whoever takes a guest into a pool takes it out of another.
			wanted = append(wanted, pve.Right{Path: "/pool/" + f.Before.Text, Privilege: "Pool.Allocate"})
		}
		reason := pve.Withheld(p.Rights.Lacking(wanted), p.Granter)
		hold(&f.Held, reason)
		if slot := newDisk(f); slot != "" && reason != "" {
			slots[slot] = reason
		}
	}
	// A disk is made by one option: it is made whole, or not at all.
	for i := range c.Fields {
		f := &c.Fields[i]
		for slot, reason := range slots {
			if f.Path.Within(slot) {
				hold(&f.Held, reason)
			}
		}
	}
}

// newDisk is the slot that a field makes a disk in; "" if it does not.
func newDisk(f *drift.Field) desired.Path {
	keys := f.Path.Keys()
	if len(keys) != 3 || keys[0] != "disks" || f.Before.Text != "" || keys[2] != "size" && keys[2] != "storage" {
		return ""
	}
	return desired.Path("disks").Sub(keys[1])
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
