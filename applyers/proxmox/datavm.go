package proxmox

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// data is a data VM in the manifest's words. How guests mount its disks is theirs
// to know: live can't tell, and the manifest's word stands.
func (w *wording) data(guest desired.Guest) *desired.DataVM {
	for slot, d := range guest.Disks {
		ask := w.asked().Disks[slot]
		d.Mount, d.Filesystem, d.Label, d.MountOptions = ask.Mount, ask.Filesystem, ask.Label, ask.MountOptions
		guest.Disks[slot] = d
	}
	return &desired.DataVM{
		Name: guest.Name, Hostname: guest.Hostname, Description: guest.Description, Site: guest.Site, Node: guest.Node, VMID: guest.VMID,
		Tags: guest.Tags, Pool: guest.Pool, Disks: guest.Disks, Protection: guest.Protection,
		State: guest.State, Startup: guest.Startup,
	}
}

// newDataVM fills in what a data VM is made with: as little as Proxmox takes, and
// nothing that it could boot or reach the network with.
func (j *job) newDataVM(ctx context.Context, data *desired.DataVM, options pve.Params, s *stamp.Stamp) error {
	vm := data.VM()
	if err := j.newVM(ctx, vm, options, s); err != nil {
		return err
	}
	delete(options, "boot")
	maps.Copy(options, pve.Params{"cores": "1", "memory": "16", "onboot": "0"})
	// Proxmox makes a boot order of what it is given; the end of the creation
	// takes it out.
	s.Making = true
	return nil
}

// slotsOf are the slots that hold disks, sorted.
func slotsOf(g *desired.Guest) []string { return slices.Sorted(maps.Keys(g.Disks)) }

// keepData judges the way out of a data VM: what uses its disks is named, and
// being gone from Git never destroys data.
func (p *planner) keepData(c *drift.Change) {
	switch users := p.users(); {
	case len(users) > 0:
		c.Held = "its disks are in use: " + strings.Join(users, ", ") + "; take them from there first, or bring its manifest back"
	case c.Step == drift.Delete && (!p.handle.making || p.have.Archived):
		c.Held = cmp.Or(p.unapproved(), c.Held)
	}
}

// unapproved says what keeps the data of an archived data VM from being destroyed
// when its time is up; "" if each of its disks may be.
func (p *planner) unapproved() string {
	const never = "data is never destroyed by leaving it out: bring its manifest back, or, if nobody needs it, "
	byHand := fmt.Sprintf("as root on %s: qm destroy %d", p.handle.node, p.handle.vmid)
	if !p.have.Archived || !p.handle.over {
		return never + byHand
	}
	var allow []string
	stamped := p.stamped()
	for _, slot := range sortedKeys(stamped) {
		if stamped[slot] == "" {
			return never + byHand + " (the disk in " + slot + " has no name that an Approval could allow)"
		}
		if p.world.Fleet.Approved(desired.AllowDestroyVolume, p.id, stamped[slot], p.world.Now) == nil {
			allow = append(allow, fmt.Sprintf("destroy-volume %s/%s", p.id, stamped[slot]))
		}
	}
	switch {
	case len(p.handle.loose) > 0:
		return never + byHand + " (no Approval could name what it keeps in no slot: " + strings.Join(p.handle.loose, ", ") + ")"
	case len(allow) > 0:
		return never + "write an Approval for each of its disks, which allows: " + strings.Join(allow, "; ") + p.spent()
	case len(stamped) == 0:
		return never + byHand
	}
	return ""
}

// spent says after a remedy why an approval that there is does not count.
func (p *planner) spent() string {
	if why := p.world.Fleet.Spent(p.id, p.world.Now); why != "" {
		return " (" + why + ")"
	}
	return ""
}

// dataApproved refuses to destroy a data VM of which a volume is not allowed to be
// destroyed now: what it has may be more than was planned for.
func (j *job) dataApproved(g *found) error {
	if j.ID.Kind() != desired.KindData || g.stamp.Making && g.stamp.Archived.IsZero() {
		return nil
	}
	for _, at := range disksOf(g.kind, g.conf.Values) {
		name := g.stamp.Disks[at.slot]
		if name == "" || j.Fleet.Approved(desired.AllowDestroyVolume, j.ID, name, j.laterNow()) == nil {
			return heldf("no Approval lets %s (%s) be destroyed: planned again in the next turn", at.slot, at.volid)
		}
	}
	return nil
}

// stamped are the names of a live data VM's disks, by slot.
func (p *planner) stamped() map[string]string {
	names := make(map[string]string)
	for slot, d := range guestIn(p.have.Spec).Disks {
		names[slot] = d.Name
	}
	return names
}

// names are the fields that give disks their names: these are only in the stamp.
// What would give the name of some data to other data is held.
func (p *planner) names() []drift.Field {
	if p.id.Kind() != desired.KindData {
		return nil
	}
	stamped, wanted := p.stamped(), stamp.DiskNames(p.want)
	var fields []drift.Field
	for _, slot := range sortedKeys(wanted) {
		if stamped[slot] == wanted[slot] {
			continue
		}
		f := drift.Field{
			Path: desired.Path("disks").Sub(slot).Sub("name"), Before: drift.Value{Text: stamped[slot]}, After: drift.Value{Text: wanted[slot]},
			Effect: desired.Online, Source: p.want.Source,
		}
		if _, agreed := stamp.Settled(stamped, wanted, slot); !agreed {
			f.Held = fmt.Sprintf("%s is %q, and what is in it does not move: leave every name with its slot", slot, stamped[slot])
		}
		fields = append(fields, f)
	}
	return fields
}

// named tells whether a path is the name of a data VM's disk.
func named(path desired.Path) bool {
	keys := path.Keys()
	return len(keys) == 3 && keys[0] == "disks" && keys[2] == "name"
}

// sparesData holds what would resize a disk under the guest that runs with it
// (FACTS 6).
func (p *planner) sparesData(fields []drift.Field) {
	if p.id.Kind() != desired.KindData || p.have == nil {
		return
	}
	stamped := p.stamped()
	for i := range fields {
		f := &fields[i]
		keys := f.Path.Keys()
		if len(keys) != 3 || keys[0] != "disks" || keys[2] != "size" {
			continue
		}
		name, _ := stamp.Settled(stamped, stamp.DiskNames(p.want), keys[1])
		for _, live := range p.world.Lives() {
			h, ok := live.Handle.(*handle)
			if !ok || !h.running {
				continue
			}
			for _, at := range sortedKeys(h.volumes) {
				if h.volumes[at].ref == p.id.Name()+"/"+name {
					f.Held = fmt.Sprintf("%s runs with it as %s: it grows when that is stopped", live.ID, at)
				}
			}
		}
	}
}

// idle makes sure that nobody runs with a disk of this data VM: one that grows under
// a guest that runs is another size to that guest than it is (FACTS 6). Those of
// ours are known to the plan; this asks all others, too.
func (j *job) idle(ctx context.Context, volid string) error {
	if j.ID.Kind() != desired.KindData {
		return nil
	}
	uses, err := j.uses(ctx, volid, j.vmid)
	if err != nil {
		return err
	}
	u, runs, err := j.whileRunning(ctx, uses)
	if err == nil && runs {
		err = heldf("%s runs with %s as %s: it grows when that is stopped", u.what(), volid, u.slot)
	}
	return err
}
