package proxmox

import (
	"context"
	"fmt"
	"slices"

	"berth/desired"
)

// detach takes disks out of their slots. A volume of the guest's own is kept as
// unused; another's stays with that. A guest that runs may have it mounted, so it
// is stopped for that, where it may be, and started again.
func (j *job) detach(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	if slots := j.leaving(g); len(slots) > 0 {
		if err := j.quiet(ctx); err != nil {
			return err
		}
		if err := j.unplug(ctx, slots); err != nil {
			return err
		}
	}
	if w := j.guest(); w == nil || w.State != desired.Running {
		return nil
	}
	return j.start(ctx)
}

// leaving are the slots that the step is to empty and that hold something yet.
func (j *job) leaving(g *found) []string {
	var slots []string
	for _, f := range j.Fields {
		slot := f.Path.Keys()[1]
		_, waits := g.conf.Now[slot]
		if g.conf.Values[slot] != "" || waits {
			slots = append(slots, slot)
		}
	}
	slices.Sort(slots)
	return slices.Compact(slots)
}

// quiet makes sure that the guest does not run.
func (j *job) quiet(ctx context.Context) error {
	running, err := j.runs(ctx)
	if err != nil || !running {
		return err
	}
	w := j.guest()
	if w == nil || w.State == desired.Absent {
		return heldf("it runs: planned again in the next turn")
	}
	if w.State == desired.Running && !mayRestart(w) {
		return heldf("it runs, and may have the disk mounted: stop it, or write lifecycle.reboot: now, or window")
	}
	return j.stop(ctx)
}

// unplug empties slots of a guest that does not run. What it holds is looked at
// again: the stop may have taken minutes.
func (j *job) unplug(ctx context.Context, slots []string) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	var remove []string
	for _, slot := range slots {
		if g.conf.Values[slot] == "" {
			continue
		}
		volid := g.volume(slot)
		if err := j.asSeen(slot, volid, g); err != nil {
			return err
		}
		if j.ID.Kind() == desired.KindData {
			uses, err := j.uses(ctx, volid, j.vmid)
			if err != nil {
				return err
			}
			if len(uses) > 0 {
				return heldf("%s uses %s as %s: detach it there first", uses[0].what(), volid, uses[0].slot)
			}
		}
		remove = append(remove, slot)
	}
	err = j.patient(ctx, func() error { return j.setConfig(ctx, g, nil, remove) })
	if err != nil {
		return fmt.Errorf("detach from %s: %w", j.ID, err)
	}
	if g, err = j.mine(ctx); err != nil {
		return err
	}
	if left := j.leaving(g); len(left) > 0 {
		return fmt.Errorf("detach from %s: %s still holds %s", j.ID, left[0], g.volume(left[0]))
	}
	return nil
}

// asSeen refuses where a slot no longer holds what the plan was made for.
func (j *job) asSeen(slot, volid string, g *found) error {
	h, ok := j.Have.Handle.(*handle)
	if !ok {
		return nil
	}
	v, was := h.volumes[slot]
	owner := ownerOf(volid)
	if foreign := owner != 0 && owner != g.vmid; foreign != was || was && v.volid != volid {
		return heldf("%s holds %s meanwhile: planned again in the next turn", slot, volid)
	}
	return nil
}
