package proxmox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"berth/applyers"
	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// attach takes volumes of data VMs, after a last look at every guest of the
// cluster: nobody else may write to them.
func (j *job) attach(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	set, err := j.volumeLines(ctx, g, j.Fields)
	if err != nil {
		return err
	}
	// What was read before the look at all others may be old.
	if g, err = j.mine(ctx); err != nil {
		return err
	}
	err = j.patient(ctx, func() error { return j.setConfig(ctx, g, set, nil) })
	if err == nil {
		return nil
	}
	return j.takeBack(ctx, set, nil, fmt.Errorf("attach %s to %s: %w", strings.Join(sortedKeys(set), ", "), j.ID, err))
}

// partVolumes parts the fields that attach a volume from the others.
func (j *job) partVolumes(fields []drift.Field) (rest, volumes []drift.Field) {
	for _, f := range fields {
		if keys := f.Path.Keys(); len(keys) == 3 && keys[0] == "disks" && keys[2] == "volume" {
			volumes = append(volumes, f)
		} else {
			rest = append(rest, f)
		}
	}
	return rest, volumes
}

// volumeLines are the lines of the volumes that some fields attach and that are
// not attached yet.
func (j *job) volumeLines(ctx context.Context, g *found, fields []drift.Field) (pve.Params, error) {
	set := make(pve.Params)
	for _, f := range fields {
		slot := f.Path.Keys()[1]
		volid, err := j.takeVolume(ctx, slot)
		switch {
		case err != nil:
			return nil, err
		case g.volume(slot) == volid:
			continue
		case g.conf.Values[slot] != "":
			return nil, heldf("%s holds %s meanwhile: planned again in the next turn", slot, g.volume(slot))
		}
		if set[slot], err = j.lines().newDrive(slot, j.guest().Disks[slot]); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// takeVolumes finds all volumes that the guest is to have, before it is made.
func (j *job) takeVolumes(ctx context.Context) error {
	for _, slot := range slotsOf(j.guest()) {
		if j.guest().Disks[slot].Volume == "" {
			continue
		}
		if _, err := j.takeVolume(ctx, slot); err != nil {
			return err
		}
	}
	return nil
}

// takeVolume finds the volume that a slot refers to, and makes sure that it may be
// taken.
func (j *job) takeVolume(ctx context.Context, slot string) (string, error) {
	d := j.guest().Disks[slot]
	if j.kind == desired.KindContainer {
		return "", heldf("volume %s: a container can't have a data VM's disk", d.Volume)
	}
	volid, owner, err := j.findVolume(ctx, d.Volume)
	if err != nil {
		return "", err
	}
	var power powerState
	if err := j.Get(ctx, pve.GuestPath(owner.kind, owner.node, owner.vmid)+"/status/current", &power); err != nil {
		return "", err
	}
	if power.Status == "running" {
		return "", heldf("%s runs, with its disks in its own hands: stop it first", owner.what())
	}
	if owner.node != j.node && j.node != "" {
		shared, err := j.shared(ctx, volid)
		switch {
		case err != nil:
			return "", err
		case !shared:
			return "", heldf("volume %s lies on node %s and the guest is to be on %s: put both on one node, or the volume on shared storage", d.Volume, owner.node, j.node)
		}
	}
	uses, err := j.uses(ctx, volid, owner.vmid)
	if err != nil {
		return "", err
	}
	for _, u := range uses {
		switch {
		case u.vmid == j.vmid && u.slot == slot:
			continue
		case u.vmid == j.vmid:
			return "", heldf("it has volume %s as %s already, and no guest has one twice: write disks.%s: absent, or leave it there", d.Volume, u.slot, u.slot)
		}
		if !u.readOnly || !d.ReadOnly {
			return "", heldf("%s has volume %s as %s: detach it there first, or let both be readOnly", u.what(), d.Volume, u.slot)
		}
	}
	if j.volumes == nil {
		j.volumes = make(map[string]string)
	}
	j.volumes[d.Volume] = volid
	return volid, nil
}

// shared tells whether a volume can be reached from every node.
func (j *job) shared(ctx context.Context, volid string) (bool, error) {
	store, _, _ := strings.Cut(volid, ":")
	rows, err := j.readResources(ctx)
	return sharedIn(rows)[store], err
}

// use is a volume in a slot of some guest.
type use struct {
	attached
	*row

	readOnly bool
}

// uses are those of one volume.
func (j *job) uses(ctx context.Context, volid string, but int) ([]use, error) {
	return j.usesWhere(ctx, but, "the volume", func(at attached) bool { return at.is(volid) })
}

// usesWhere looks at every guest of the cluster but one for volumes in use, ours or
// not, running or not, what waits for a stop included. Where one can't be read the
// answer is a refusal: what can't be seen may be the one that counts. called is what
// is looked for, for people.
func (j *job) usesWhere(ctx context.Context, but int, called string, counts func(attached) bool) ([]use, error) {
	if err := j.seesAll(ctx); err != nil {
		return nil, err
	}
	rows, err := j.readResources(ctx)
	if err != nil {
		return nil, err
	}
	found, errs := make([][]use, len(rows)), make([]error, len(rows))
	var wg sync.WaitGroup
	for i, r := range rows {
		other := r.guest()
		if other == nil || other.vmid == but {
			continue
		}
		wg.Go(func() { found[i], errs[i] = j.usesOf(ctx, other, called, counts) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(found...), nil
}

func (j *job) usesOf(ctx context.Context, other *row, called string, counts func(attached) bool) ([]use, error) {
	conf, err := j.ReadConfig(ctx, other.kind, other.node, other.vmid)
	switch {
	case pve.Absent(err):
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, applyers.ErrLeft
	case err != nil:
		return nil, heldf("%s can't be read, and may use %s: %v", other.what(), called, err)
	}
	var all []use
	for _, values := range []map[string]string{conf.Values, conf.Now} {
		for _, at := range disksOf(other.kind, values) {
			if counts(at) {
				ro := notation.Flag(notation.Lookup(volumeKey(other.kind), values[at.slot], "ro"), false)
				all = append(all, use{attached: at, row: other, readOnly: ro})
			}
		}
	}
	return all, nil
}

// becomesWriter makes sure that nobody else has a volume that the guest is to
// write to from now on.
func (j *job) becomesWriter(ctx context.Context, fields []drift.Field) error {
	for _, f := range fields {
		keys := f.Path.Keys()
		if len(keys) != 3 || keys[0] != "disks" || keys[2] != "readOnly" {
			continue
		}
		if d := j.guest().Disks[keys[1]]; d.Volume != "" && !d.ReadOnly {
			if _, err := j.takeVolume(ctx, keys[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// whileRunning finds the first use by a guest that runs.
func (j *job) whileRunning(ctx context.Context, uses []use) (u use, found bool, err error) {
	for _, u := range uses {
		var power powerState
		if err := j.Get(ctx, pve.GuestPath(u.kind, u.node, u.vmid)+"/status/current", &power); err != nil {
			return use{}, false, err
		}
		if power.Status == "running" {
			return u, true, nil
		}
	}
	return use{}, false, nil
}

// writesAlone refuses to start a guest with another machine's disk while somebody
// else runs with that: a person may have attached it elsewhere while the guest was
// off, as to mend it.
func (j *job) writesAlone(ctx context.Context) error {
	g, err := j.look(ctx)
	if err != nil {
		return err
	}
	for _, at := range volumesOf(g.kind, g.conf.Values) {
		if owner := ownerOf(at.volid); owner == 0 || owner == g.vmid || strings.HasPrefix(at.slot, "unused") {
			continue
		}
		ro := notation.Flag(notation.Lookup(volumeKey(g.kind), g.conf.Values[at.slot], "ro"), false)
		uses, err := j.uses(ctx, at.volid, g.vmid)
		if err != nil {
			return err
		}
		uses = slices.DeleteFunc(uses, func(u use) bool { return ro && u.readOnly })
		u, runs, err := j.whileRunning(ctx, uses)
		if err != nil {
			return err
		}
		if runs {
			return heldf("%s is %s, and %s runs with that as %s: stop that one, or detach it there first", at.slot, at.volid, u.what(), u.slot)
		}
	}
	return nil
}
