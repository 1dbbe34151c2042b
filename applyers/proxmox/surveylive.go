package proxmox

import (
	"slices"
	"strings"

	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// Lives puts the surveyed guests in the words of the manifests that a fleet has
// for them, as an observation would once they are adopted: what a plan would
// find to change can so be told without another request.
func (s *Survey) Lives(fleet *desired.Fleet) []drift.Live {
	byVMID := make(map[int]*Surveyed, len(s.Guests))
	for _, g := range s.Guests {
		byVMID[g.VMID] = g
	}
	// As adoption will stamp them.
	adopted := make(map[desired.ID][]*found)
	w := newWants(fleet, s.site, func(desired.ID) bool { return true })
	for _, r := range w.resources {
		guest := w.guests[r.ID]
		if guest == nil || byVMID[guest.VMID] == nil || byVMID[guest.VMID].found == nil {
			continue
		}
		if g := byVMID[guest.VMID]; g.Kind == machineKind(r.ID) {
			is := *g.found
			if !is.stamped {
				is.stamp = stamp.Stamp{Disks: stamp.DiskNames(r)}
			}
			is.stamp.ID, is.stamp.Site, is.stamp.VMID = r.ID, r.Site, g.VMID
			adopted[r.ID] = []*found{&is}
		}
	}
	volumes := volumesIn(adopted, w)
	lives := make([]drift.Live, 0, len(adopted))
	for _, id := range sortedIDs(adopted) {
		told := &wording{fleet: fleet, site: fleet.Sites[s.site], want: w.byID[id], volumes: volumes}
		lives = append(lives, drift.Live{ID: id, Site: s.site, Spec: told.spec(adopted[id][0]), Facts: make(map[string]string)})
	}
	return lives
}

// Stamps are the options that adoption would write on the guests that a fleet's
// manifests name, by VMID: stamp and tag. They are for those who have the guests
// in their own hands, as a simulator has; all others let the applyer adopt.
func (s *Survey) Stamps(fleet *desired.Fleet) (map[int]map[string]string, error) {
	out := make(map[int]map[string]string)
	tag := strings.ToLower(stamp.FleetTag(fleet.Spec.Name))
	w := newWants(fleet, s.site, func(desired.ID) bool { return true })
	for _, g := range s.Guests {
		r := w.byVMID[g.VMID]
		if r == nil || g.found == nil || g.found.stamped || g.Kind != machineKind(r.ID) {
			continue
		}
		instance, err := newInstance()
		if err != nil {
			return nil, err
		}
		is := stamp.Stamp{
			Fleet: fleet.Spec.Name, UID: fleet.Spec.UID, ID: r.ID, Site: r.Site, VMID: g.VMID, Instance: instance,
			Remove: removal(w.guests[r.ID]), Disks: stamp.DiskNames(r),
		}
		tags := append([]string{tag}, g.found.tags...)
		slices.Sort(tags)
		out[g.VMID] = map[string]string{"description": stamp.Join(g.found.words, is), "tags": strings.Join(slices.Compact(tags), ";")}
	}
	return out, nil
}
