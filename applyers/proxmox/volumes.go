package proxmox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// heldVolume is a disk of another machine that a guest has attached.
type heldVolume struct {
	// ref is how references say it, "lab-certbot-data/letsencrypt"; the volume's own
	// name where it is no data VM's of ours.
	ref, volid string
	readOnly   bool
}

// volumesIn names the disks of the data VMs, by volume.
func volumesIn(mine map[desired.ID][]*found, w *wants) map[string]string {
	refs := make(map[string]string)
	for id, list := range mine {
		if id.Kind() != desired.KindData || len(list) != 1 {
			continue
		}
		g := list[0]
		for slot, name := range g.disksByName(w.byID[id]) {
			refs[g.volume(slot)] = id.Name() + "/" + name
		}
	}
	delete(refs, "")
	return refs
}

// disksByName are a data VM's names by slot, as its stamp and its manifest have
// them together.
func (g *found) disksByName(want *desired.Resource) map[string]string {
	names, wanted := make(map[string]string), stamp.DiskNames(want)
	for slot := range g.conf.Values {
		if name, _ := stamp.Settled(g.stamp.Disks, wanted, slot); name != "" && diskSlot(g.kind, slot, g.conf.Values[slot]) {
			names[slot] = name
		}
	}
	return names
}

// volume is what a slot holds: "local:103/vm-103-disk-0.raw".
func (g *found) volume(slot string) string {
	key := volumeKey(g.kind)
	return notation.Lookup(key, g.conf.Values[slot], key)
}

// volumeOf is how references say another machine's disk, "" for a guest's own.
func (w *wording) volumeOf(volid string, g *found) string {
	if owner := ownerOf(volid); owner == 0 || owner == g.vmid {
		return ""
	}
	if ref := w.volumes[volid]; ref != "" {
		return ref
	}
	return volid
}

// held are the disks of other machines that a guest has attached, or still has
// until it stops.
func (w *wording) held(g *found) map[string]heldVolume {
	var all map[string]heldVolume
	for _, values := range []map[string]string{g.conf.Now, g.conf.Values} {
		for _, at := range volumesOf(g.kind, values) {
			if ref := w.volumeOf(at.volid, g); ref != "" && !strings.HasPrefix(at.slot, "unused") {
				ro := notation.Flag(notation.Lookup(volumeKey(g.kind), values[at.slot], "ro"), false)
				if before, also := all[at.slot]; also {
					// Until it stops it may still write.
					ro = ro && before.readOnly
				}
				if all == nil {
					all = make(map[string]heldVolume)
				}
				all[at.slot] = heldVolume{ref: ref, volid: at.volid, readOnly: ro}
			}
		}
	}
	return all
}

// unused notes volumes that a guest owns and has in no slot, and lists them.
func (s *sweep) unused(g *found, live *drift.Live) (all []string) {
	for _, at := range volumesOf(g.kind, g.conf.Values) {
		if strings.HasPrefix(at.slot, "unused") {
			tool := "qm"
			if g.kind == desired.KindContainer {
				tool = "pct"
			}
			s.note(live.ID, "", fmt.Sprintf("%s is %s, kept and in no slot: attach it again on Proxmox (Hardware, %s, Edit), or delete it there for good (%s set %d --delete %s)",
				at.slot, at.volid, at.slot, tool, g.vmid, at.slot))
			all = append(all, fmt.Sprintf("%s (%s)", at.slot, at.volid))
		}
	}
	return all
}

// referredTo are the data VMs whose disks a resource refers to.
func referredTo(r *desired.Resource) []desired.ID {
	if r == nil {
		return nil
	}
	g := guestOf(r)
	if g == nil {
		return nil
	}
	var ids []desired.ID
	for _, slot := range slices.Sorted(maps.Keys(g.Disks)) {
		if ref := g.Disks[slot].Volume; ref != "" {
			ids = append(ids, dataOf(ref))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// dataOf is the data VM of a reference to one of its disks.
func dataOf(ref string) desired.ID {
	name, _, _ := strings.Cut(ref, "/")
	return desired.MakeID(desired.KindData, name)
}

// vmidOf is where a resource stood at the last look; otherwise if it was not seen.
func (a *Applyer) vmidOf(site string, id desired.ID, otherwise int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, seen := a.seen[id]; seen && at.site == site {
		return at.vmid
	}
	return otherwise
}

// findVolume reads from the data VM itself which volume a reference means.
func (j *job) findVolume(ctx context.Context, ref string) (volid string, owner *found, err error) {
	id := dataOf(ref)
	want := j.Fleet.Resource(id)
	if want == nil || want.Site != j.site.Name {
		return "", nil, heldf("volume %s: there is no %s on site %s", ref, id, j.site.Name)
	}
	other := &job{cluster: j.cluster, Job: j.Job, applyer: j.applyer, p: j.p, kind: desired.KindVM}
	other.Want, other.ID = want, id
	other.node = guestOf(want).Node
	other.vmid = j.applyer.vmidOf(j.site.Name, id, guestOf(want).VMID)
	owner, err = other.mine(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("find volume %s: %w", ref, err)
	}
	_, name, _ := strings.Cut(ref, "/")
	names := owner.disksByName(want)
	for _, slot := range slices.Sorted(maps.Keys(names)) {
		if names[slot] == name {
			return owner.volume(slot), owner, nil
		}
	}
	return "", nil, heldf("volume %s: %s has no disk of that name: it has %s", ref, id, shown(strings.Join(slices.Sorted(maps.Values(names)), ", ")))
}

// bootDisk is the slot of the first disk in a virtual machine's boot order, or a
// container's root; "" where it has none.
func bootDisk(g *found) string {
	if g.kind == desired.KindContainer {
		return rootfs
	}
	order, _ := strings.CutPrefix(strings.TrimSpace(g.conf.Values["boot"]), "order=")
	for slot := range strings.SplitSeq(order, ";") {
		if diskSlot(g.kind, slot, g.conf.Values[slot]) {
			return slot
		}
	}
	return ""
}

// sortedKeys are a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
