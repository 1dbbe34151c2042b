package proxmox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"berth/applyers"
	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/drift"
)

// remove destroys the guest and its volumes, after it has looked once more at
// everything that speaks against it.
func (j *job) remove(ctx context.Context) error {
	if _, err := j.settle(ctx, j.limit(anyTask), "qmdestroy", "vzdestroy"); err != nil {
		return err
	}
	g, err := j.mine(ctx)
	if gone := new(applyers.HeldError); errors.As(err, &gone) {
		// A delete that was carried out before is a success now.
		if _, again := j.look(ctx); errors.Is(again, errGone) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if err := j.unprotected(g); err != nil {
		return err
	}
	if err := j.dataApproved(g); err != nil {
		return err
	}
	if err := j.asPlanned(ctx, g); err != nil {
		return err
	}
	if err := j.due(g); err != nil {
		return err
	}
	if err := j.stop(ctx); err != nil {
		return err
	}
	if err := j.loseNothing(ctx, g); err != nil {
		return err
	}
	if g.stamp.Making {
		if err := j.removeSeeds(ctx, true); err != nil {
			return fmt.Errorf("remove the uploaded seed: %w", err)
		}
	}
	// The last look: what was read before the shutdown may be minutes old.
	if g, err = j.mine(ctx); err != nil {
		return err
	}
	if err := j.asPlanned(ctx, g); err != nil {
		return err
	}
	if reason := foreignVolume(g); reason != "" {
		return &applyers.HeldError{Reason: reason}
	}
	if err := j.dataApproved(g); err != nil {
		return err
	}
	if err := j.due(g); err != nil {
		return err
	}
	err = j.patient(ctx, func() error {
		return j.Do(ctx, j.p, j.limit(anyTask), http.MethodDelete, j.path(), pve.Params{"purge": "1"})
	})
	if pve.Unanswered(err) && !errors.Is(err, applyers.ErrLeft) {
		if _, look := j.look(ctx); errors.Is(look, errGone) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("delete %s %d: %w", j.kind, j.vmid, err)
	}
	return nil
}

// unprotected refuses where somebody has protected the guest meanwhile.
func (j *job) unprotected(g *found) error {
	if notation.Flag(g.conf.Values["protection"], false) {
		return &applyers.HeldError{Reason: "it is protected: take the protection off on Proxmox first (Options, Protection: No)"}
	}
	return nil
}

// asPlanned refuses where what the deletion rests on has changed since it was
// planned: that the guest is in the archive and does not run, or that its creation
// never came to its end.
func (j *job) asPlanned(ctx context.Context, g *found) error {
	if j.Have == nil {
		return nil
	}
	h, ok := j.Have.Handle.(*handle)
	if !ok || h.making != g.stamp.Making || j.Have.Archived == g.stamp.Archived.IsZero() {
		return &applyers.HeldError{Reason: g.what() + " was taken up in the meantime: planned again in the next turn"}
	}
	if !j.Have.Archived {
		return nil
	}
	running, err := j.runs(ctx)
	if err == nil && running {
		err = &applyers.HeldError{Reason: archivedRuns}
	}
	return err
}

// archivedRuns is why a guest is kept although its time in the archive is over.
const archivedRuns = "it is archived, but it runs: stop it, or bring its manifest back"

// foreignVolume names a volume of another guest that is attached; "" if there is
// none.
func foreignVolume(g *found) string {
	for _, at := range volumesOf(g.kind, g.conf.Values) {
		if owner := ownerOf(at.volid); owner != 0 && owner != g.vmid {
			return fmt.Sprintf("%s is %s, which belongs to guest %d: detach it first", at.slot, at.volid, owner)
		}
	}
	return ""
}

// strangersVolume names a volume of another guest that is attached and that no
// step before the deletion detaches, as it does those of our data VMs; "" if there
// is none.
func (j *job) strangersVolume(g *found) string {
	if j.Have == nil {
		return foreignVolume(g)
	}
	rest := *g
	rest.conf = &pve.Config{Values: maps.Clone(g.conf.Values)}
	if h, ok := j.Have.Handle.(*handle); ok && j.Step == drift.Stop {
		for slot, v := range h.volumes {
			if v.ref != v.volid && g.volume(slot) == v.volid {
				delete(rest.conf.Values, slot)
			}
		}
	}
	return foreignVolume(&rest)
}

// loseNothing refuses where another guest uses a volume of this one: Proxmox
// would destroy it even under a running guest (FACTS 6).
func (j *job) loseNothing(ctx context.Context, g *found) error {
	if reason := j.strangersVolume(g); reason != "" {
		return &applyers.HeldError{Reason: reason}
	}
	uses, err := j.usesWhere(ctx, g.vmid, "a volume of this guest", func(at attached) bool { return ownerOf(at.volid) == g.vmid })
	if err != nil {
		return err
	}
	var reasons []string
	for _, u := range uses {
		reasons = append(reasons, fmt.Sprintf("%s uses %s as %s: detach it there first", u.what(), u.volid, u.slot))
	}
	if len(reasons) > 0 {
		return heldf("%s", strings.Join(slices.Compact(reasons), "; "))
	}
	return nil
}

// seesAll refuses where the token may not look at every guest: lists leave out
// what it may not see, and that may use a volume of this guest.
func (j *job) seesAll(ctx context.Context) error {
	const audit = "VM.Audit"
	may, err := j.ReadRights(ctx)
	if err != nil {
		return err
	}
	path := "/vms"
	if may.At(path+"/0", audit) {
		// A role at a guest's own path takes the place of what is passed on to it.
		blind := slices.DeleteFunc(slices.Sorted(maps.Keys(may)), func(at string) bool {
			return pve.Parent(at) != "/vms" || may.At(at, audit)
		})
		if len(blind) == 0 {
			return nil
		}
		path = blind[0]
	}
	return &applyers.HeldError{Reason: "the token may not look at every guest, and one that it can't see may use a volume of this one; " +
		j.grant(path, audit)}
}

// attached is a volume in a slot.
type attached struct{ slot, volid string }

// is tells whether it is a volume, be it written as its device or file, which root
// may do.
func (a attached) is(volid string) bool {
	return a.volid == volid || strings.HasPrefix(a.volid, "/") && lastName(a.volid) == lastName(volid)
}

// volumesOf lists the volumes that a configuration names, unused ones too.
func volumesOf(kind string, values map[string]string) []attached {
	return slices.DeleteFunc(disksOf(kind, values), func(at attached) bool { return strings.HasPrefix(at.volid, "/") })
}

// disksOf lists the volumes that a configuration names, and the devices and files
// of the node that it has as disks: they may be volumes as well.
func disksOf(kind string, values map[string]string) []attached {
	var all []attached
	for key, value := range values {
		unused := strings.HasPrefix(key, "unused")
		if !unused && !diskSlot(kind, key, value) && !strings.HasPrefix(key, "ide") && !strings.HasPrefix(key, "sata") && !strings.HasPrefix(key, "scsi") {
			continue
		}
		if volid := notation.Lookup(volumeKey(kind), value, volumeKey(kind)); strings.Contains(volid, ":") || strings.HasPrefix(volid, "/") {
			all = append(all, attached{key, volid})
		}
	}
	slices.SortFunc(all, func(a, b attached) int { return strings.Compare(a.slot, b.slot) })
	return all
}

// ownerOf is the VMID in a volume's name, which is what makes Proxmox destroy
// it together with that guest: "local:101/vm-101-disk-0.raw", "lvm:vm-101-disk-0";
// 0 for ISOs and images.
func ownerOf(volid string) int {
	name := lastName(volid)
	for _, prefix := range []string{"vm-", "base-", "subvol-"} {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(rest, "-")
		if n, err := strconv.Atoi(number); err == nil {
			return n
		}
	}
	return 0
}

// lastName is what a volume is called on its storage, and as a device or file of
// the node, too: "vm-101-disk-0.raw".
func lastName(volid string) string {
	if !strings.HasPrefix(volid, "/") {
		_, volid, _ = strings.Cut(volid, ":")
	}
	return volid[strings.LastIndexByte(volid, '/')+1:]
}
