package proxmox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"berth/desired"
	"berth/drift"
)

// A volume has one guest that writes to it at a time: what takes it waits until
// what has it has let go, and is held where that never will.

// token is how a volume is named where one guest yields it and another takes it.
func token(site, ref string) string { return "volume " + site + ":" + ref }

// take lets a change take the volumes that some slots of the manifest refer to,
// and holds it where another guest keeps one of them.
func (p *planner) take(c *drift.Change, slots ...string) {
	for _, slot := range slots {
		d := p.guest().Disks[slot]
		if d.Volume == "" {
			continue
		}
		c.Needs = append(slices.Clip(c.Needs), dataOf(d.Volume))
		c.Held = cmp.Or(c.Held, p.keptFrom(d))
		if len(p.holders(d)) > 0 {
			c.Takes = append(c.Takes, token(c.Site, d.Volume))
		}
	}
}

// holders are the guests that have a volume in such a way that nobody else may
// have it as a disk of this guest asks for it.
func (p *planner) holders(d desired.Disk) []*drift.Live {
	var all []*drift.Live
	for _, live := range p.world.Lives() {
		if h, ok := live.Handle.(*handle); ok && live.ID != p.id && h.site == p.site() && h.slotOf(d) != "" {
			all = append(all, live)
		}
	}
	return all
}

// slotOf is the slot in which a guest has a volume against another's wish to have
// it as d asks for; "" if it has not.
func (h *handle) slotOf(d desired.Disk) string {
	for _, slot := range sortedKeys(h.volumes) {
		if v := h.volumes[slot]; v.ref == d.Volume && (!v.readOnly || !d.ReadOnly) {
			return slot
		}
	}
	return ""
}

func (p *planner) site() string {
	if p.want != nil {
		return p.want.Site
	}
	return p.handle.site
}

// keptFrom says who keeps a volume and what to write; "" if nobody does.
func (p *planner) keptFrom(d desired.Disk) string {
	if p.id.Kind() == desired.KindContainer {
		return "volume " + d.Volume + ": a container can't have a data VM's disk: give it a disk of its own, or make it a VM"
	}
	for _, live := range p.holders(d) {
		h, _ := live.Handle.(*handle)
		if slot := h.slotOf(d); !letsGo(p.world, live, h, slot) {
			return fmt.Sprintf("%s has volume %s as %s and does not let go of it: write disks.%s: absent at %s, or let both be readOnly",
				live.ID, d.Volume, slot, slot, live.ID)
		}
	}
	return ""
}

// letsGo tells whether the manifests take a volume away from a guest that has it.
func letsGo(w *drift.World, live *drift.Live, h *handle, slot string) bool {
	want := w.Fleet.Resource(live.ID)
	if want == nil {
		return h.remove != release || live.Archived
	}
	g := guestOf(want)
	if g == nil || h.adopting || h.making {
		return false
	}
	d, mentioned := g.Disks[slot]
	return g.State == desired.Absent || mentioned && (d.State != "" || d.Volume != "" && d.Volume != h.volumes[slot].ref)
}

// users are the guests of ours that have any disk of this data VM, with those that
// let go of it in this plan left out.
func (p *planner) users() []string {
	var all []string
	for _, live := range p.world.Lives() {
		h, ok := live.Handle.(*handle)
		if !ok || live.ID == p.id {
			continue
		}
		for _, slot := range sortedKeys(h.volumes) {
			if dataOf(h.volumes[slot].ref) == p.id && !letsGo(p.world, live, h, slot) {
				all = append(all, fmt.Sprintf("%s (%s as %s)", live.ID, h.volumes[slot].ref, slot))
			}
		}
	}
	return all
}

// yields is the field by which a guest lets go of a volume.
func (p *planner) yields(slot string) drift.Field {
	v := p.handle.volumes[slot]
	return drift.Field{
		Path: volumePath(slot), Before: drift.Value{Text: v.ref}, Effect: desired.Online,
		Yields: []string{token(p.handle.site, v.ref)}, Frees: []desired.ID{dataOf(v.ref)},
	}
}

func volumePath(slot string) desired.Path { return desired.Path("disks").Sub(slot).Sub("volume") }

// letGoOfAll lets a guest that goes away, or is kept in the archive, go of the
// volumes that are not its own; nil if it has none.
func (p *planner) letGoOfAll() []drift.Change {
	var fields []drift.Field
	for _, slot := range sortedKeys(p.handle.volumes) {
		if p.world.Live(dataOf(p.handle.volumes[slot].ref)) != nil {
			fields = append(fields, p.yields(slot))
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return []drift.Change{p.change(drift.Detach, "its data volumes stay with their data VMs", fields)}
}

// slots are the changes of a guest's slots that come and go: a disk that is to be
// absent, and a volume that is attached or replaced.
type slots struct {
	detach, attach []drift.Field
	// rest are the fields that are no such thing.
	rest []drift.Field
}

// slotChanges parts the fields that detach and attach from the others.
func (p *planner) slotChanges(fields []drift.Field) slots {
	var s slots
	live := guestIn(p.have.Spec)
	moved := make(map[string]bool)
	for _, f := range fields {
		keys := f.Path.Keys()
		if len(keys) != 3 || keys[0] != "disks" {
			continue
		}
		slot := keys[1]
		d, want := live.Disks[slot], p.guest().Disks[slot]
		switch {
		case keys[2] == "state" && f.After.Text == string(desired.Absent) && d.ISO == "":
			moved[slot] = true
			s.detach = append(s.detach, p.detaching(slot, d, f))
		case keys[2] == "volume" && want.Volume != "":
			moved[slot] = true
			s.attach = append(s.attach, p.attaching(slot, d, want, f))
			if _, held := p.handle.volumes[slot]; held && s.attach[len(s.attach)-1].Held == "" {
				y := p.yields(slot)
				y.Source = f.Source
				y = p.stopped(y)
				s.detach = append(s.detach, y)
				s.attach[len(s.attach)-1].Held = y.Held
			}
		}
	}
	for p.holdDoubles(&s) {
		// What stays where it is keeps others from coming.
	}
	for i := range fields {
		f := &fields[i]
		keys := f.Path.Keys()
		if len(keys) == 3 && keys[0] == "disks" && keys[2] == "readOnly" && !moved[keys[1]] {
			// Who becomes a writer takes the volume from all others.
			if want := p.guest().Disks[keys[1]]; want.Volume != "" && !want.ReadOnly && f.Held == "" {
				f.Held = p.keptFrom(want)
				if len(p.holders(want)) > 0 {
					f.Takes = []string{token(p.handle.site, want.Volume)}
				}
			}
		}
	}
	s.rest = slices.DeleteFunc(slices.Clone(fields), func(f drift.Field) bool {
		keys := f.Path.Keys()
		return len(keys) > 2 && keys[0] == "disks" && moved[keys[1]]
	})
	return s
}

// holdDoubles holds what would attach a volume that the guest keeps in another
// slot, and then what would empty the slot that it was to come to: a guest that has
// a volume twice writes over its own data. It tells whether it held anything.
func (p *planner) holdDoubles(s *slots) (more bool) {
	leaves := func(slot string) *drift.Field {
		for i := range s.detach {
			if s.detach[i].Path.Keys()[1] == slot {
				return &s.detach[i]
			}
		}
		return nil
	}
	for i := range s.attach {
		f := &s.attach[i]
		to := f.Path.Keys()[1]
		for _, slot := range sortedKeys(p.handle.volumes) {
			if slot == to || f.Held != "" || p.handle.volumes[slot].ref != p.guest().Disks[to].Volume {
				continue
			}
			switch leaving := leaves(slot); {
			case leaving == nil:
				f.Held = fmt.Sprintf("the guest has it as %s already, and none has a volume twice: write disks.%s: absent, or leave it there", slot, slot)
			case leaving.Held != "":
				f.Held = fmt.Sprintf("the guest has it as %s until that is empty: %s", slot, leaving.Held)
			default:
				continue
			}
			more = true
			if out := leaves(to); out != nil && out.Held == "" && out.Path == f.Path {
				out.Held = f.Held
			}
		}
	}
	return more
}

// detaching judges a disk that is to be absent.
func (p *planner) detaching(slot string, d desired.Disk, f drift.Field) drift.Field {
	if v, held := p.handle.volumes[slot]; held {
		y := p.yields(slot)
		f.Yields, f.Frees, f.Before.Text = y.Yields, y.Frees, v.ref
	} else if f.Before.Text = d.Size.String(); d.Size == 0 {
		f.Before.Text = "there"
	}
	switch {
	case d.Image != "":
		f.Held = fmt.Sprintf("%s was made from image %s: the guest's own system is not detached", slot, d.Image)
	case p.handle.boots == slot:
		f.Held = fmt.Sprintf("the guest boots from %s: it is not detached; change its boot order first", slot)
	case p.id.Kind() == desired.KindData:
		if users := p.usersOf(slot); len(users) > 0 {
			f.Held = "it is in use: " + users[0] + "; take it from there first"
		}
	}
	return p.stopped(f)
}

// stopped holds a detachment while the guest runs and no stop is allowed: it may
// have the disk mounted.
func (p *planner) stopped(f drift.Field) drift.Field {
	if f.Held == "" && p.handle.running && p.runs() && !p.restarts() {
		f.Held = "it may be mounted in a guest that runs: take it out of the guest's /etc/fstab and stop the guest, then it is detached; or write lifecycle.reboot: now, or window"
	}
	return f
}

// attaching judges a volume that is to be attached.
func (p *planner) attaching(slot string, d, want desired.Disk, f drift.Field) drift.Field {
	_, foreign := p.handle.volumes[slot]
	_, there := guestIn(p.have.Spec).Disks[slot]
	switch {
	case there && d.State == "" && !foreign:
		f.Held = fmt.Sprintf("%s holds a disk of the guest's own: choose another slot, or detach it first (%s: absent)", slot, slot)
	case there && foreign && p.world.Live(dataOf(want.Volume)) == nil:
		f.Held = fmt.Sprintf("%s holds %s, and whether that is the volume can't be told: %s is not there", slot, p.handle.volumes[slot].volid, dataOf(want.Volume))
	case there && foreign && p.handle.volumes[slot].ref == p.handle.volumes[slot].volid:
		// The data may have been moved, or taken out of its data VM's slot, by hand.
		f.Held = fmt.Sprintf("%s holds %s, which no data VM has in a slot: that may be the data: put it back into its slot there, or detach it here by hand", slot, p.handle.volumes[slot].volid)
	default:
		f.Held = cmp.Or(p.keptFrom(want), p.farFrom(want))
	}
	if f.Held == "" && len(p.holders(want)) > 0 {
		f.Takes = []string{token(p.handle.site, want.Volume)}
	}
	f.Needs = append(slices.Clip(f.Needs), dataOf(want.Volume))
	return f
}

// farFrom says that a volume lies where the guest is not and won't be; "" if it may
// be had. What is not known here is looked at once more before it is attached.
func (p *planner) farFrom(d desired.Disk) string {
	owner := p.world.Live(dataOf(d.Volume))
	if owner == nil {
		return ""
	}
	h, ok := owner.Handle.(*handle)
	site := p.world.Fleet.Sites[p.handle.site]
	if !ok || site == nil || h.site != p.handle.site || h.node == p.handle.node || p.guest().Pin && p.guest().Node == h.node {
		return ""
	}
	_, name, _ := strings.Cut(d.Volume, "/")
	for _, disk := range guestIn(owner.Spec).Disks {
		if disk.Name == name && !premisesOf(p.world, p.handle.site).shared[storeOn(site, disk.Storage, h.node)] {
			return fmt.Sprintf("volume %s lies on node %s and the guest is on %s: put both on one node, or the volume on shared storage", d.Volume, h.node, p.handle.node)
		}
	}
	return ""
}

// usersOf are the guests of ours that use the disk in a slot of this data VM.
func (p *planner) usersOf(slot string) []string {
	ref := p.id.Name() + "/" + guestIn(p.have.Spec).Disks[slot].Name
	var all []string
	for _, live := range p.world.Lives() {
		h, ok := live.Handle.(*handle)
		if !ok {
			continue
		}
		for _, at := range sortedKeys(h.volumes) {
			if h.volumes[at].ref == ref {
				all = append(all, fmt.Sprintf("%s has it as %s", live.ID, at))
			}
		}
	}
	return all
}

// moves are the steps that empty slots and fill them: those that come before the
// guest is started or rebooted, and those that come last, since they are held, or
// since the guest is to be stopped for them. What is held keeps nothing waiting,
// save that a guest is not started without its data.
func (p *planner) moves(s slots, state *drift.Field) (first, last []drift.Change) {
	put := func(c drift.Change, early bool) {
		if early {
			first = append(first, c)
		} else {
			last = append(last, c)
		}
	}
	stops := state != nil && !p.runs()
	if len(s.detach) > 0 {
		c := p.change(drift.Detach, "", s.detach)
		if p.handle.running && p.runs() && c.Goes() {
			c.Reason = "it is stopped for that, and started again (lifecycle.reboot: " + p.guest().Lifecycle.Reboot + ")"
		}
		put(c, c.Goes() && !stops)
	}
	if len(s.attach) > 0 {
		c := p.change(drift.Attach, "", s.attach)
		put(c, (c.Goes() || state != nil) && !stops)
	}
	return first, last
}
