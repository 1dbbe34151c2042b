package proxmox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/desired"
	"berth/drift"
)

// Steps says which steps a difference takes. It is pure.
func (a *Applyer) Steps(w *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	id := desired.ID("")
	switch {
	case want != nil:
		id = want.ID
	case have != nil:
		id = have.ID
	}
	if id.Kind() == desired.KindImage {
		return imageSteps(w, want, fields)
	}
	p := planner{world: w, want: want, have: have, fields: fields, id: id}
	if have != nil {
		p.handle, _ = have.Handle.(*handle)
	}
	if p.handle == nil {
		p.handle = &handle{}
	}
	switch {
	case want == nil && have != nil:
		return p.gone()
	case want == nil:
		return nil
	case p.guest().State == desired.Absent:
		if have == nil {
			return nil
		}
		return p.away(drift.Delete, "state: absent in Git")
	case have == nil:
		return p.make("new in Git")
	case have.Archived:
		return p.restore()
	case p.handle.making:
		return p.make("its creation was interrupted: it goes on")
	}
	return p.differences()
}

func imageSteps(w *drift.World, want *desired.Resource, fields []drift.Field) []drift.Change {
	if want == nil || len(fields) == 0 {
		return nil
	}
	image, ok := want.Spec.(*desired.ImageAt)
	if !ok {
		return nil
	}
	lanes := []string{"site:" + want.Site}
	for _, node := range usingNodes(w.Fleet, want, image) {
		lanes = append(lanes, "node:"+want.Site+"/"+node)
	}
	return []drift.Change{{
		Key: drift.Key{ID: want.ID, Step: drift.Fetch}, Fields: fields, Lanes: lanes,
		Reason: "not on storage " + image.Store, Needs: want.Needs, Held: obstacle(w, want),
	}}
}

// removePath is kept in the stamp, since it counts when the manifest is gone.
const removePath desired.Path = "lifecycle.remove"

// destroy is the word of lifecycle.remove for no archive.
const destroy = "destroy"

// planner plans the steps of one guest.
type planner struct {
	world  *drift.World
	want   *desired.Resource
	have   *drift.Live
	fields []drift.Field
	id     desired.ID
	handle *handle
}

func (p *planner) change(step drift.Step, reason string, fields []drift.Field) drift.Change {
	site, node, vmid := p.handle.site, p.handle.node, p.handle.vmid
	if p.have == nil {
		g := p.guest()
		site, node, vmid = p.want.Site, g.Node, g.VMID
	}
	return drift.Change{
		Key: drift.Key{ID: p.id, Step: step}, Site: site, Reason: reason, Fields: fields,
		Lanes: []string{"site:" + site, fmt.Sprintf("node:%s/%s", site, node), fmt.Sprintf("guest:%s/%d", site, vmid)},
	}
}

func (p *planner) guest() *desired.Guest { return guestOf(p.want) }

// runs tells whether the guest shall run.
func (p *planner) runs() bool { return p.guest().State != desired.Stopped }

// make plans a creation, or the rest of one.
func (p *planner) make(reason string) []drift.Change {
	create := p.change(drift.Create, reason, nil)
	if p.have == nil {
		create.Fields = p.fields
	}
	create.Needs = p.want.Needs
	create.Held = obstacle(p.world, p.want)
	for _, need := range p.want.Needs {
		if need.Kind() == desired.KindImage && p.world.Live(need) == nil && create.Held == "" {
			create.Held = "whether " + string(need) + " is there could not be read"
		}
	}
	return p.ready([]drift.Change{create}, p.runs())
}

func (p *planner) ready(changes []drift.Change, needed bool) []drift.Change {
	if needed {
		changes = append(changes, p.change(drift.Ready, "", nil))
	}
	return changes
}

// gone plans the way out of what the manifests no longer mention.
func (p *planner) gone() []drift.Change {
	keep := time.Duration(p.world.Fleet.Spec.ArchiveFor)
	switch {
	case p.handle.making && !p.handle.running:
		return p.away(drift.Delete, "gone from Git before its creation had ended")
	case p.have.Archived && p.handle.over && p.handle.running:
		c := p.change(drift.Delete, "gone from Git, and its time in the archive is over", nil)
		c.Held = archivedRuns
		return []drift.Change{c}
	case p.have.Archived && p.handle.over && p.handle.clock != "":
		all := p.away(drift.Delete, "gone from Git, and its time in the archive is over")
		all[len(all)-1].Held = p.handle.clock
		return all
	case p.have.Archived && p.handle.over:
		return p.away(drift.Delete, "gone from Git, and its time in the archive is over since "+p.handle.until.UTC().Format(time.DateOnly))
	case p.have.Archived:
		return nil
	case p.successor() != "":
		all := p.away(drift.Archive, "gone from Git")
		for i := range all {
			all[i].Held = fmt.Sprintf("%s has its VMID in Git: if that is a new name for it, write %s again, since renaming is not built yet; if not, give %s another id",
				p.successor(), p.id.Name(), p.successor())
		}
		return all
	case p.handle.destroy:
		return p.away(drift.Delete, "gone from Git (lifecycle.remove: destroy)")
	case keep == 0:
		return p.away(drift.Delete, "gone from Git (archiveFor: 0)")
	}
	return p.away(drift.Archive, "gone from Git: keep for "+p.world.Fleet.Spec.ArchiveFor.String())
}

// successor is the guest that the manifests put on the VMID of this one, which is
// gone from them; "" if there is none.
func (p *planner) successor() desired.ID {
	for _, r := range p.world.Fleet.Resources {
		if g := p.world.Fleet.Guest(r.ID); g != nil && r.Site == p.handle.site && g.VMID == p.handle.vmid {
			return r.ID
		}
	}
	return ""
}

// away takes a guest out of service before it is put away: what lets go of it
// comes before both.
func (p *planner) away(last drift.Step, reason string) []drift.Change {
	var all []drift.Change
	if p.handle.running {
		all = append(all, p.change(drift.Stop, "", nil))
	}
	return append(all, p.change(last, reason, nil))
}

// restore brings an archived guest back, with all that was asked for meanwhile:
// it is stopped, so everything can be changed.
func (p *planner) restore() []drift.Change {
	fields := p.judged()
	return p.ready([]drift.Change{p.change(drift.Restore, "back in Git", fields)}, p.runs())
}

// judged holds the fields that need a guest made anew, or that would lose data.
func (p *planner) judged() []drift.Field {
	fields := slices.Clone(p.fields)
	for i := range fields {
		f := &fields[i]
		switch {
		case f.Effect == desired.Recreate && f.Path == "id":
			f.Held = fmt.Sprintf("the VMID is %s and can't change: write id: %s, or remove the guest and make it anew", f.Before.Text, f.Before.Text)
		case f.Effect == desired.Recreate:
			f.Held = fmt.Sprintf("needs the guest to be made anew, which is not built yet: write %s, or move the disk on Proxmox (%s)",
				f.Before.Text, "VM, Hardware, Disk Action, Move Storage")
		case shrinks(f):
			slot := f.Path.Keys()[1]
			f.Held = fmt.Sprintf("%s is %s; disks never shrink: write %s", slot, f.Before.Text, f.Before.Text)
		}
	}
	if p.handle.untagged && !slices.ContainsFunc(fields, func(f drift.Field) bool { return f.Path == "tags" }) {
		fields = append(fields, p.tag())
	}
	if remove := p.guest().Lifecycle.Remove; (remove == destroy) != p.handle.destroy {
		before := map[bool]string{true: destroy, false: "archive"}[p.handle.destroy]
		fields = append(fields, drift.Field{
			Path: removePath, Before: drift.Value{Text: before}, After: drift.Value{Text: cmp.Or(remove, "archive")},
			Effect: desired.Online, Source: p.want.Source,
		})
	}
	return fields
}

// tag is the fleet's own tag, which somebody took off.
func (p *planner) tag() drift.Field {
	return drift.Field{
		Path: "tags", After: drift.Value{Text: fleetTag(p.world.Fleet.Spec.Name)}, Effect: desired.Online, Origin: drift.FromLive,
		By: p.have.By["tags"], Source: p.want.Source,
	}
}

// shrinks tells whether a field asks for a smaller disk.
func shrinks(f *drift.Field) bool {
	keys := f.Path.Keys()
	if len(keys) != 3 || keys[0] != "disks" || keys[2] != "size" {
		return false
	}
	return f.Before.Text != "" && sizeOf(f.After.Text) < sizeOf(f.Before.Text)
}

// sizeOf reads a size as a manifest writes it.
func sizeOf(text string) desired.Size {
	text = strings.TrimSuffix(text, "B")
	return parseSize(strings.TrimSuffix(text, "i"))
}

// differences plans the changes of a guest in use.
func (p *planner) differences() (all []drift.Change) {
	var online, pending, held []drift.Field
	var state *drift.Field
	for _, f := range p.judged() {
		switch {
		case f.Held != "":
			held = append(held, f)
		case f.Path == "state":
			state = &f
		case f.Effect == desired.Reboot && p.handle.running:
			pending = append(pending, f)
		default:
			online = append(online, f)
		}
	}
	// What is held goes with what is not, so that no step waits for it.
	if len(pending) > 0 && len(online) == 0 {
		pending = append(pending, held...)
	} else {
		online = append(online, held...)
	}
	alone := len(held) > 0 && len(held) == len(online)
	var changes []drift.Change
	if len(online) > 0 && !alone {
		changes = append(changes, p.change(drift.Online, "", online))
	}
	lifecycle := p.guest().Lifecycle
	reboot := len(pending) > 0 || len(p.handle.pending) > 0
	if len(pending) > 0 {
		reason := "waits for a reboot (lifecycle.reboot: never)"
		if lifecycle.Reboot == "now" {
			reason = ""
		}
		changes = append(changes, p.change(drift.Pending, reason, pending))
	}
	if alone {
		defer func() { all = append(all, p.change(drift.Online, "", online)) }()
	}
	switch {
	case state != nil && p.runs():
		start := p.change(drift.Start, "", []drift.Field{*state})
		start.Needs = p.want.Needs
		return p.ready(append(changes, start), true)
	case state != nil:
		return append(changes, p.change(drift.Stop, "state: stopped in Git", []drift.Field{*state}))
	case reboot && lifecycle.Reboot == "now" && p.handle.running:
		return p.ready(append(changes, p.change(drift.Reboot, "lifecycle.reboot: now", nil)), true)
	}
	// One that has not been ready since it was made is waited for until it is.
	return p.ready(changes, p.handle.starting && p.handle.running && p.runs())
}
