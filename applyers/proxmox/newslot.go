package proxmox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/desired"
	"berth/drift"
)

// settle puts right what fields cost, and holds those that can't be done, where
// that depends on more than their paths.
func (p *planner) settle(fields []drift.Field) {
	for i := range fields {
		f := &fields[i]
		if p.newSlot(f.Path) {
			f.Effect = p.plugged(f.Path.Keys()[1])
		}
		if f.Path == nodePath {
			f.Held = p.stays()
		}
		if f.Path == seedPath && f.Effect == desired.Reboot {
			f.Held = p.handle.seedHeld
		}
		if why := p.handle.obstacles[f.Path]; why != "" && f.Held == "" {
			f.Held = why
		}
	}
	p.heldForRoot(fields)
}

// newSlot tells whether a path leads into a drive or an interface that is not
// there yet: all of its fields come with it, at once.
func (p *planner) newSlot(path desired.Path) bool {
	keys := path.Keys()
	if len(keys) < 3 || p.have == nil {
		return false
	}
	live := guestIn(p.have.Spec)
	if live == nil {
		return false
	}
	switch keys[0] {
	case "disks":
		_, there := live.Disks[keys[1]]
		return !there
	case "networks":
		_, there := live.Networks[keys[1]]
		return !there
	}
	return false
}

// plugged is what it costs to plug a new device in: only SCSI and VirtIO drives,
// network interfaces and containers' volumes go into a guest that runs (FACTS 5).
func (p *planner) plugged(slot string) desired.Effect {
	if p.id.Kind() != desired.KindContainer {
		switch strings.TrimRight(slot, "0123456789") {
		case "ide", "sata", "efidisk", "tpmstate":
			return desired.Reboot
		}
	}
	return desired.Online
}

// heldForRoot holds what only root@pam may set. A directory of the node is held
// with all that is said of it.
func (p *planner) heldForRoot(fields []drift.Field) {
	binds := make(map[string]string)
	for i := range fields {
		f := &fields[i]
		why := rootsAlone(p.id.Kind(), f.Path, f.After.Text)
		if why == "" || f.Held != "" {
			continue
		}
		f.Held = why + ": " + p.asRoot(f)
		if keys := f.Path.Keys(); keys[0] == "disks" {
			binds[keys[1]] = f.Held
		}
	}
	for i := range fields {
		f := &fields[i]
		if keys := f.Path.Keys(); len(keys) > 2 && keys[0] == "disks" && f.Held == "" && p.guest().Disks[keys[1]].Bind != "" && p.newSlot(f.Path) {
			f.Held = binds[keys[1]]
		}
	}
}

// asRoot is the command by which root sets a field.
func (p *planner) asRoot(f *drift.Field) string {
	tool, g := "qm", p.guest()
	if p.id.Kind() == desired.KindContainer {
		tool = "pct"
	}
	option, value := optionOf(p.id.Kind(), f.Path), f.After.Text
	if keys := f.Path.Keys(); keys[0] == "disks" {
		d := g.Disks[keys[1]]
		var line notation.Props
		line.First = "volume"
		line.Set("volume", d.Bind)
		line.Set("mp", d.Mount)
		if d.ReadOnly {
			line.Set("ro", "1")
		}
		value = line.String()
	}
	where := ""
	if node := p.node(); node != "" {
		where = " on " + node
	}
	return "as root" + where + ": " + tool + " set " + strconv.Itoa(g.VMID) + " --" + option + " " + quoted(value)
}

// node is where the guest stands, or shall stand.
func (p *planner) node() string {
	if p.handle.node != "" {
		return p.handle.node
	}
	return p.guest().Node
}

// quoted is a word as a shell takes it.
func quoted(text string) string {
	plain := strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:.,=_+-@%", r)
	}) < 0
	if plain && text != "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// guestIn is the part of a live or wanted spec that guests share; nil if it is no
// guest's.
func guestIn(spec any) *desired.Guest {
	return guestOf(&desired.Resource{Spec: spec})
}

// grown notes the disks that are larger than their manifest says. They stay so:
// nothing shrinks a disk.
func (s *sweep) grown(want *desired.Resource, live *drift.Live) {
	if want == nil {
		return
	}
	asked, have := guestOf(want), guestIn(live.Spec)
	for _, slot := range slices.Sorted(maps.Keys(asked.Disks)) {
		path := desired.Path("disks").Sub(slot).Sub("size")
		is, wanted := have.Disks[slot].Size, asked.Disks[slot].Size
		if want.Has(path) && is > wanted && wanted > 0 && !firmware(slot) {
			s.note(live.ID, path, fmt.Sprintf("%s: live %s, in Git %s; disks never shrink: write %s", path, is, wanted, is))
		}
	}
}

// makesNothingAnew holds what would make an empty disk in the place of one that
// somebody has taken out by hand: who uses it would be given that instead of its
// data.
func (p *planner) makesNothingAnew(fields []drift.Field) {
	if p.have == nil {
		return
	}
	kept := strings.Join(p.handle.loose, ", ")
	for i := range fields {
		f := &fields[i]
		keys := f.Path.Keys()
		if len(keys) < 3 || keys[0] != "disks" || f.Held != "" || !p.newSlot(f.Path) {
			continue
		}
		slot := keys[1]
		d := p.guest().Disks[slot]
		switch name := p.handle.names[slot]; {
		case p.id.Kind() == desired.KindData && name != "":
			f.Held = fmt.Sprintf("%s was %q, and somebody has taken it out; no empty disk is made in its place: put it back there on Proxmox", slot, name)
			if kept != "" {
				f.Held += " (it may be " + kept + ")"
			}
		case f.Origin == drift.FromLive && kept != "" && d.Volume == "" && d.ISO == "" && d.Bind == "":
			f.Held = fmt.Sprintf("somebody has taken %s out, and no empty disk is made in its place while it may be %s: put it back on Proxmox, or delete that there", slot, kept)
		}
	}
}
