package proxmox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// removePath is kept in the stamp, since it counts when the manifest is gone.
const removePath desired.Path = "lifecycle.remove"

// destroy and release are the words of lifecycle.remove for no archive.
const (
	destroy = "destroy"
	release = "release"
)

// removal is what lifecycle.remove asks for; "" for the archive.
func removal(g *desired.Guest) string {
	if word := g.Lifecycle.Remove; word == destroy || word == release {
		return word
	}
	return ""
}

// restore brings an archived guest back, with all that was asked for meanwhile:
// it is stopped, so everything can be changed.
func (p *planner) restore() []drift.Change {
	// Where it belongs is seen to once it is back.
	fields := slices.DeleteFunc(p.judged(), func(f drift.Field) bool { return f.Path == nodePath })
	s := p.slotChanges(fields)
	var changes []drift.Change
	if len(s.detach) > 0 {
		changes = append(changes, p.change(drift.Detach, "", s.detach))
	}
	back := p.change(drift.Restore, "back in Git", append(s.rest, s.attach...))
	back.Held = obstacle(p.world, p.want)
	for _, f := range s.attach {
		// It is not started without its data.
		back.Held = cmp.Or(back.Held, f.Held)
		back.Takes = append(back.Takes, f.Takes...)
		back.Needs = append(back.Needs, f.Needs...)
	}
	return p.ready(append(changes, back), p.runs())
}

// judged holds the fields that need a guest made anew, or that would lose data.
func (p *planner) judged() []drift.Field {
	fields := slices.Clone(p.fields)
	p.settle(fields)
	p.sparesData(fields)
	fields = append(fields, p.names()...)
	p.makesNothingAnew(fields)
	for i := 0; i < len(fields); i++ {
		f := &fields[i]
		p.inserts(f)
		switch {
		case f.Effect == desired.Recreate && f.Path == "id":
			f.Held = fmt.Sprintf("the VMID is %s and can't change: write id: %s, or remove the guest and make it anew", f.Before.Text, f.Before.Text)
		case f.Effect == desired.Recreate:
			f.Held = fmt.Sprintf("needs the guest to be made anew, which is not built yet: write %s, or move the disk on Proxmox (%s)",
				f.Before.Text, "VM, Hardware, Disk Action, Move Storage")
		case shrinks(f) && f.Origin == drift.FromLive:
			// Somebody grew it by hand, and it stays so: the look has noted it.
			fields = slices.Delete(fields, i, i+1)
			i--
		case shrinks(f):
			slot := f.Path.Keys()[1]
			f.Held = fmt.Sprintf("%s is %s; disks never shrink: write %s", slot, f.Before.Text, f.Before.Text)
		}
	}
	if p.handle.untagged && !slices.ContainsFunc(fields, func(f drift.Field) bool { return f.Path == "tags" }) {
		fields = append(fields, p.tag())
	}
	if p.handle.former != "" {
		fields = append(fields, p.former())
	}
	if remove := removal(p.guest()); remove != p.handle.remove {
		fields = append(fields, drift.Field{
			Path: removePath, Before: drift.Value{Text: cmp.Or(p.handle.remove, "archive")}, After: drift.Value{Text: cmp.Or(remove, "archive")},
			Effect: desired.Online, Source: p.want.Source,
		})
	}
	return fields
}

// tag is the fleet's own tag, which somebody took off.
func (p *planner) tag() drift.Field {
	return drift.Field{
		Path: "tags", After: drift.Value{Text: stamp.FleetTag(p.world.Fleet.Spec.Name)}, Effect: desired.Online, Origin: drift.FromLive,
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
	return notation.ParseSize(strings.TrimSuffix(text, "i"))
}

// restarts tells whether the guest may be rebooted, or stopped and started again:
// now, or in a maintenance window, for which a guard then waits.
func (p *planner) restarts() bool { return mayRestart(p.guest()) }

func mayRestart(g *desired.Guest) bool {
	return g.Lifecycle.Reboot == "now" || g.Lifecycle.Reboot == "window"
}

// differences plans the changes of a guest in use.
func (p *planner) differences() (all []drift.Change) {
	var online, pending, held []drift.Field
	var cloud []drift.Field
	var state, node *drift.Field
	moves := p.slotChanges(p.judged())
	for _, f := range moves.rest {
		switch {
		case f.Held != "":
			held = append(held, f)
		case f.Path == "state":
			state = &f
		case f.Path == nodePath:
			node = &f
		case f.Effect == desired.Reboot && p.handle.running && p.restarts() &&
			(f.Path == seedPath || p.handle.native && cloudOption(optionOf(p.id.Kind(), f.Path))):
			cloud = append(cloud, f)
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
	reboot := len(pending) > 0 || len(cloud) > 0 || len(p.handle.pending) > 0
	if len(pending) > 0 {
		reason := "waits for a reboot (lifecycle.reboot: never)"
		if p.restarts() {
			reason = ""
		}
		changes = append(changes, p.change(drift.Pending, reason, pending))
	}
	if alone {
		defer func() { all = append(all, p.change(drift.Online, "", online)) }()
	}
	if node != nil {
		changes = append(changes, p.pinned(*node))
	}
	first, last := p.moves(moves, state)
	changes = append(changes, first...)
	defer func() { all = append(all, last...) }()
	switch {
	case state != nil && p.runs():
		start := p.change(drift.Start, "", []drift.Field{*state})
		start.Needs = p.want.Needs
		return p.ready(append(changes, start), true)
	case state != nil:
		return append(changes, p.change(drift.Stop, "state: stopped in Git", []drift.Field{*state}))
	case reboot && p.restarts() && p.handle.running:
		return p.ready(append(changes, p.change(drift.Reboot, "lifecycle.reboot: "+p.guest().Lifecycle.Reboot, cloud)), true)
	}
	// One that has not been ready since it was made is waited for until it is.
	restarts := p.handle.running && slices.ContainsFunc(first, func(c drift.Change) bool { return c.Step == drift.Detach })
	return p.ready(changes, (restarts || p.handle.starting && p.handle.running) && p.runs())
}
