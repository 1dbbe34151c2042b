package proxmox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"berth/applyers"
	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// change makes the differences good that its fields name. Disks grow first:
// growing one whose options are pending would be undone by them (FACTS 6).
func (j *job) change(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	fields, seeds := partSeed(j.Fields)
	fields, err = j.open(g, fields)
	if err != nil {
		return err
	}
	if err := j.becomesWriter(ctx, fields); err != nil {
		return err
	}
	if g, fields, err = j.grow(ctx, g, fields); err != nil {
		return err
	}
	if err := j.joinPool(ctx, fields); err != nil {
		return err
	}
	write, remove, fields, err := j.writeFields(ctx, g, fields)
	if err != nil {
		return j.takeBack(ctx, write, remove, fmt.Errorf("change %s: %w", j.ID, err))
	}
	set, err := j.optionsFor(g, fields)
	if err == nil {
		err = errors.Join(j.renewDrive(ctx, set), j.truth(ctx, fields))
	}
	if err != nil {
		return err
	}
	return j.reseed(ctx, seeds)
}

// writeFields writes the options that the fields stand in. Where Proxmox does not
// take some of them, the others go without, and those that went are given back.
func (j *job) writeFields(ctx context.Context, g *found, fields []drift.Field) (write pve.Params, remove []string, went []drift.Field, err error) {
	asked := len(fields)
	for {
		set, err := j.optionsFor(g, fields)
		if err != nil {
			return nil, nil, nil, err
		}
		write, remove := compact(set, g.conf.Values)
		err = j.patient(ctx, func() error { return j.setConfig(ctx, g, write, remove) })
		if err == nil {
			if len(fields) < asked {
				for _, f := range fields {
					j.p.Field(f.Path, nil)
				}
			}
			return write, remove, fields, nil
		}
		rest, ok := j.refuse(err, fields)
		if !ok || len(rest) == len(fields) {
			return write, remove, nil, err
		}
		fields = rest
	}
}

// open leaves of the fields those that are still to be done, and refuses where
// live has moved since the plan was made.
func (j *job) open(g *found, fields []drift.Field) ([]drift.Field, error) {
	w := &wording{fleet: j.Fleet, site: j.site, want: j.Want}
	have := make(map[desired.Path]string)
	for _, leaf := range desired.Leaves(j.kind, w.spec(g)) {
		have[leaf.Path] = desired.Text(leaf.Value)
	}
	var left []drift.Field
	for _, f := range fields {
		switch text := have[f.Path]; {
		case f.Path == "tags" || f.Path == "state" || f.Path == "pool" || f.Path == removePath || named(f.Path):
			left = append(left, f)
		case text == f.After.Text:
		case text != f.Before.Text:
			return nil, fmt.Errorf("%s has become %s in the meantime: planned again in the next turn", f.Path, shown(text))
		default:
			left = append(left, f)
		}
	}
	return left, nil
}

// grow resizes the disks that shall be larger and gives back the other fields.
func (j *job) grow(ctx context.Context, g *found, fields []drift.Field) (*found, []drift.Field, error) {
	var rest []drift.Field
	for _, f := range fields {
		keys := f.Path.Keys()
		if len(keys) != 3 || keys[0] != "disks" || keys[2] != "size" || g.conf.Values[keys[1]] == "" {
			rest = append(rest, f)
			continue
		}
		slot := keys[1]
		if shrinks(&f) {
			return nil, nil, &applyers.HeldError{Reason: slot + ": disks never shrink"}
		}
		if err := j.idle(ctx, g.volume(slot)); err != nil {
			return nil, nil, err
		}
		if err := j.resize(ctx, g, slot, j.guest().Disks[slot].Size); err != nil {
			return nil, nil, err
		}
		var err error
		if g, err = j.mine(ctx); err != nil {
			return nil, nil, err
		}
		if _, waits := g.conf.Now[slot]; waits && j.kind == desired.KindVM {
			// The pending line still holds the old size, and would win at the
			// next stop. Without a size Proxmox fills in the right one (FACTS 4).
			p := notation.Parse("file", g.conf.Values[slot])
			p.Set("size", "")
			if err := j.setConfig(ctx, g, pve.Params{slot: p.String()}, nil); err != nil {
				return nil, nil, err
			}
			if g, err = j.mine(ctx); err != nil {
				return nil, nil, err
			}
		}
	}
	return g, rest, nil
}

// optionsFor are the options that the fields stand in, with their new values.
func (j *job) optionsFor(g *found, fields []drift.Field) (pve.Params, error) {
	set := make(pve.Params)
	for _, f := range fields {
		keys := f.Path.Keys()
		switch {
		case f.Path == "state":
		case f.Path == removePath || named(f.Path):
			words := g.words
			if j.setsAndHolds("description") {
				words = j.guest().Description
			}
			set["description"] = stamp.Join(words, j.stampOf(g))
		case f.Path == "startup":
			maps.Copy(set, j.startupOptions())
		case f.Path == "pool":
		case len(keys) >= 3 && optionOf(j.kind, f.Path) != keys[1]:
			option := optionOf(j.kind, f.Path)
			line, begun := set[option]
			if !begun {
				line = g.conf.Values[option]
			}
			p := notation.Parse("", line)
			ipconfigPart(&p, keys[2], j.guest().Networks[keys[1]])
			set[option] = p.String()
		case len(keys) >= 3 && (keys[0] == "disks" || keys[0] == "networks"):
			slot := keys[1]
			if keys[2] == "state" {
				set[slot] = ""
				continue
			}
			line, err := j.line(g, keys, set[slot])
			if err != nil {
				return nil, err
			}
			set[slot] = line
		default:
			option, value := j.option(f.Path, g)
			if option == "" {
				return nil, fmt.Errorf("%s can't be changed", f.Path)
			}
			set[option] = value
		}
	}
	return set, nil
}

// line is a slot's line with one more word of the manifest written in. What
// stands in it and is not understood is carried over, and so are the volume and
// the MAC: a line without them would allocate a second volume, or make another
// MAC (FACTS 4, 6).
func (j *job) line(g *found, keys []string, begun string) (string, error) {
	slot, word, l := keys[1], strings.Join(keys[2:], "."), j.lines()
	is := g.conf.Values[slot]
	guest := j.guest()
	if begun == "" {
		begun = is
	}
	switch {
	case keys[0] == "networks" && is == "":
		return l.newNIC(slot, guest.Networks[slot])
	case keys[0] == "networks":
		p := parseNIC(j.kind, begun)
		l.nicPart(&p, slot, word, guest.Networks[slot])
		return p.String(), nil
	case is == "" && j.kind == desired.KindContainer:
		return l.newVolume(slot, guest.Disks[slot])
	case is == "" && guest.Disks[slot].Image != "":
		return "", &applyers.HeldError{Reason: slot + " is gone; a disk with an image is made together with its guest"}
	case is == "":
		return l.newDrive(slot, guest.Disks[slot])
	}
	p := notation.Parse(volumeKey(j.kind), begun)
	if word == "iso" {
		volume, err := l.iso(guest.Disks[slot])
		p.Set("file", volume)
		p.Set("media", "cdrom")
		p.Set("size", "")
		return p.String(), err
	}
	l.drivePart(&p, slot, word, guest.Disks[slot])
	return p.String(), nil
}

// takeBack reverts what a refused hotplug left pending: it would take effect at
// the next stop, together with everything else of that write (FACTS 5).
func (j *job) takeBack(ctx context.Context, write pve.Params, remove []string, cause error) error {
	if !refusedHotplug(cause) {
		return cause
	}
	g, err := j.mine(ctx)
	if err != nil {
		return errors.Join(cause, err)
	}
	var revert []string
	for option := range g.conf.Now {
		if _, wrote := write[option]; wrote || slices.Contains(remove, option) {
			revert = append(revert, option)
		}
	}
	if len(revert) == 0 {
		return cause
	}
	slices.Sort(revert)
	err = j.Write(ctx, "PUT", j.path()+"/config", pve.Params{"revert": strings.Join(revert, ","), "digest": g.conf.Digest}, nil)
	names := strings.Join(revert, ", ")
	if err != nil {
		return errors.Join(cause, fmt.Errorf("take %s back: %w", names, err))
	}
	return fmt.Errorf("%w (taken back, since it would have taken effect at the next stop: %s)", cause, names)
}

// refusedHotplug tells whether something was written and then not taken by the
// guest that runs: a virtual machine's task says so, a container's answer names the
// options.
func refusedHotplug(err error) bool {
	if _, failed := errors.AsType[*pve.TaskError](err); failed {
		return true
	}
	api, answered := errors.AsType[*pve.APIError](err)
	if !answered || api.Status != http.StatusBadRequest {
		return false
	}
	for _, text := range api.Params {
		if strings.Contains(text, "hotplug") {
			return true
		}
	}
	return false
}
