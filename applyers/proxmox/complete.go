package proxmox

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// complete does what follows a creation: growing disks, removing the uploaded
// seed, taking the mark of an unfinished creation off, starting.
func (j *job) complete(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	if g.stamp.Making && g.stamp.Clone != "" {
		if g, err = j.furnish(ctx, g); err != nil {
			return err
		}
	}
	if g, err = j.growImages(ctx, g); err != nil {
		return err
	}
	if g.stamp.Making || j.uploaded != "" {
		if err := j.removeSeeds(ctx, g.stamp.Making); err != nil {
			return fmt.Errorf("remove the uploaded seed: %w", err)
		}
	}
	if g.stamp.Making {
		done := g.stamp
		if vm, ok := j.Want.Spec.(*desired.VM); ok && done.Seed != "" && !native(g) {
			done.SeedDisk = g.volume(seedSlot(vm))
		}
		done.Making, done.Starting = false, j.guest().State != desired.Stopped
		var remove []string
		if j.ID.Kind() == desired.KindData && g.conf.Values["boot"] != "" {
			remove = []string{"boot"}
		}
		if err := j.setConfig(ctx, g, pve.Params{"description": stamp.Join(g.words, done)}, remove); err != nil {
			return fmt.Errorf("mark %s as complete: %w", j.ID, err)
		}
	}
	j.p.Made(j.ID, desired.FactInstance, g.stamp.InstanceID())
	if j.guest().State == desired.Stopped {
		return nil
	}
	return j.start(ctx)
}

// growImages grows disks that came from an image to what is asked for.
func (j *job) growImages(ctx context.Context, g *found) (*found, error) {
	disks := j.guest().Disks
	for _, slot := range slices.Sorted(maps.Keys(disks)) {
		d := disks[slot]
		have := j.sizeOf(g, slot)
		switch {
		case d.Image == "" && g.stamp.Clone == "" || d.Volume != "" || d.Size == 0 || have == 0 || have == d.Size:
			continue
		case have > d.Size:
			j.p.Say(fmt.Sprintf("%s is %s, as what it was made from is; it can't be made %s", slot, have, d.Size))
			continue
		}
		if err := j.resize(ctx, g, slot, d.Size); err != nil {
			return nil, err
		}
		var err error
		if g, err = j.mine(ctx); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// resize grows a disk, unless a growth that was under way has made it as large.
func (j *job) resize(ctx context.Context, g *found, slot string, size desired.Size) error {
	waited, err := j.settle(ctx, j.limit(anyTask), "resize")
	if waited && err == nil {
		if g, err = j.mine(ctx); err == nil && j.sizeOf(g, slot) == size {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("grow %s to %s: %w", slot, size, err)
	}
	err = j.patient(ctx, func() error {
		return j.Do(ctx, j.p, j.limit(anyTask), "PUT", j.path()+"/resize", pve.Params{
			"disk": slot, "size": notation.Kibibytes(size), "digest": g.conf.Digest,
		})
	})
	if err != nil {
		return fmt.Errorf("grow %s to %s: %w", slot, size, err)
	}
	return nil
}

// sizeOf is how large the configuration says that a slot's volume is; 0 if it
// does not.
func (j *job) sizeOf(g *found, slot string) desired.Size {
	return notation.ParseSize(notation.Lookup(volumeKey(j.kind), g.conf.Values[slot], "size"))
}
