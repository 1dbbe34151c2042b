package proxmox

import (
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
	var lives []drift.Live
	for _, r := range fleet.Resources {
		guest := fleet.Machine(r.ID)
		if guest == nil || r.Site != s.site {
			continue
		}
		g := byVMID[guest.VMID]
		if g == nil || g.found == nil || (g.Kind == desired.KindContainer) != (r.ID.Kind() == desired.KindContainer) {
			continue
		}
		adopted := *g.found
		adopted.stamp = stamp{ID: r.ID, Site: r.Site, VMID: g.VMID, Disks: diskNames(r)}
		w := &wording{fleet: fleet, site: fleet.Sites[r.Site], want: r}
		lives = append(lives, drift.Live{ID: r.ID, Site: r.Site, Spec: w.spec(&adopted), Facts: make(map[string]string)})
	}
	return lives
}
