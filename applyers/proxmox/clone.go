package proxmox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"berth/applyers"
	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// clones tells whether the guest is made from a template.
func (j *job) clones() bool {
	g := j.guest()
	return g != nil && g.Clone.Template != ""
}

// clone sends the one request that makes the guest from its template. The stamp
// goes with it, so that what the clone is and whose stands on it from the moment
// it is whole: without it, it would bear the description of its template. sent is
// set where it may have been carried out although no answer tells.
func (j *job) clone(ctx context.Context) (sent, err error) {
	g := j.guest()
	rows, err := j.readResources(ctx)
	if err != nil {
		return nil, err
	}
	t, err := j.findTemplate(ctx, j.Fleet, j.Want, templatesIn(rows))
	if err != nil {
		return nil, err
	}
	if j.node == "" {
		j.node = t.node
	}
	if reason := strayTemplate(t, j.node, sharedIn(rows)); reason != "" {
		return nil, heldf("%s", reason)
	}
	if err := j.takeVolumes(ctx); err != nil {
		return nil, err
	}
	s, err := j.newStamp()
	if err != nil {
		return nil, err
	}
	s.Making, s.Clone = true, g.Clone.Template+":"+strconv.Itoa(t.vmid)
	options := pve.Params{
		"newid": strconv.Itoa(j.vmid), "description": stamp.Join(g.Description, s), "full": notation.Bit(!g.Clone.Linked), "pool": g.Pool,
		map[string]string{desired.KindVM: "name", desired.KindContainer: "hostname"}[j.kind]: g.Hostname,
	}
	if t.node != j.node {
		options["target"] = j.node
	}
	if store := j.cloneStore(t); !g.Clone.Linked {
		options["storage"] = store
	}
	maps.DeleteFunc(options, func(_, value string) bool { return value == "" })
	err = j.Do(ctx, j.p, j.limit(creation), "POST", pve.GuestPath(t.kind, t.node, t.vmid)+"/clone", options)
	if err == nil || pve.Unanswered(err) || pve.Occupied(err) {
		// A second look tells what came of it, or who was faster.
		return err, nil
	}
	return nil, fmt.Errorf("clone %s from %s: %w", j.ID, t.what(), err)
}

// cloneStore is the storage on which the manifest puts the disk that the template
// boots from; "" where it says nothing.
func (j *job) cloneStore(t *found) string {
	d := j.guest().Disks[bootDisk(t)]
	if d.Storage == "" {
		return ""
	}
	return storeOn(j.site, d.Storage, j.node)
}

// furnish gives a fresh clone all that its manifest asks for: until then it has
// the tags, interfaces and hardware of its template. It may be repeated: what is
// allocated is so only where its slot is empty.
func (j *job) furnish(ctx context.Context, g *found) (*found, error) {
	g, err := j.quiescent(ctx, g)
	if err != nil {
		return nil, err
	}
	if err := j.takeVolumes(ctx); err != nil {
		return nil, err
	}
	s := g.stamp
	if store, _, ok := strings.Cut(g.volume(bootDisk(g)), ":"); ok {
		j.beside = store
	}
	j.furnished = g
	options, err := j.optionsWith(ctx, &s)
	if err != nil {
		return nil, err
	}
	delete(options, "vmid")
	delete(options, "pool")
	if err := j.furnishDisks(g, options); err != nil {
		return nil, err
	}
	var remove []string
	if vm, ok := j.Want.Spec.(*desired.VM); ok && vm.CloudInit != nil && !vm.CloudInit.Native {
		// Two sources of first-boot data would contend; the seed is ours.
		for key, value := range g.conf.Values {
			if driveSlot(g.kind, key) && nativeDrive(value) {
				remove = append(remove, key)
			}
		}
	}
	write, gone := compact(options, g.conf.Values)
	if err := j.setConfig(ctx, g, write, append(remove, gone...)); err != nil {
		return nil, fmt.Errorf("set up the clone %s: %w", j.ID, err)
	}
	return j.mine(ctx)
}

// quiescent keeps a fresh clone off until it is set up: with the addresses, names
// and keys of its template it would be that one's double. It has been told to start
// with its host where its template was (FACTS 6): that is for its manifest to say.
func (j *job) quiescent(ctx context.Context, g *found) (*found, error) {
	switch running, err := j.runs(ctx); {
	case err != nil:
		return nil, err
	case running:
		return nil, heldf("it runs, and has not been set up: it bears what its template has: stop it, then it is set up and started")
	case !notation.Flag(g.conf.Values["onboot"], false):
		return g, nil
	}
	if err := j.setConfig(ctx, g, pve.Params{"onboot": "0"}, nil); err != nil {
		return nil, fmt.Errorf("keep the clone %s from starting with its host: %w", j.ID, err)
	}
	return j.mine(ctx)
}

// furnishDisks are the lines of the disks: those of the template with the
// manifest's words written in, and new ones where nothing is yet.
func (j *job) furnishDisks(g *found, options pve.Params) error {
	l := j.lines()
	for _, slot := range slotsOf(j.guest()) {
		d := j.guest().Disks[slot]
		if d.State != "" || d.Bind != "" {
			continue
		}
		var err error
		switch is := g.conf.Values[slot]; {
		case is == "" && j.kind == desired.KindContainer:
			options[slot], err = l.newVolume(slot, d)
		case is == "":
			options[slot], err = l.newDrive(slot, d)
		case d.Volume != "":
			if g.volume(slot) != l.volumes[d.Volume] {
				err = heldf("%s holds %s, which came with the template: choose another slot for volume %s", slot, g.volume(slot), d.Volume)
			}
		default:
			p := notation.Parse(volumeKey(j.kind), is)
			if j.kind == desired.KindContainer {
				for _, part := range []string{"mount", "options", "readOnly", "backup", "replicate"} {
					if slot != rootfs || part != "mount" {
						l.drivePart(&p, slot, part, d)
					}
				}
			} else {
				l.driveOptions(&p, slot, d)
			}
			options[slot] = p.String()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cloneTask finds the task that makes a clone of the job's template: it goes by
// the template's VMID, not by the clone's.
func (c *cluster) cloneTask(ctx context.Context, fleet *desired.Fleet, want *desired.Resource, templates []*row) (string, error) {
	t, err := c.findTemplate(ctx, fleet, want, templates)
	if _, none := errors.AsType[*applyers.HeldError](err); none {
		// Without its template nothing is being cloned for it.
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return c.activeTask(ctx, t.node, t.vmid, "qmclone", "vzclone")
}

// stubTask finds the task that is making what stands on the job's VMID.
func (j *job) stubTask(ctx context.Context, g *found) (string, error) {
	upid, err := j.activeTask(ctx, g.node, g.vmid)
	if err != nil || upid != "" || !j.clones() {
		return upid, err
	}
	rows, err := j.readResources(ctx)
	if err != nil {
		return "", err
	}
	return j.cloneTask(ctx, j.Fleet, j.Want, templatesIn(rows))
}
