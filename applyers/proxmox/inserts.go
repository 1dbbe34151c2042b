package proxmox

import (
	"slices"

	"berth/desired"
	"berth/drift"
)

// inserts lets a field that puts an image into a drive wait until the image is on
// its storage.
func (p *planner) inserts(f *drift.Field) {
	keys := f.Path.Keys()
	if len(keys) != 3 || keys[0] != "disks" || keys[2] != "iso" {
		return
	}
	id := desired.MakeID(desired.KindImage, p.guest().Disks[keys[1]].ISO+"@"+p.want.Site)
	if p.world.Fleet.Resource(id) != nil {
		f.Needs = append(slices.Clip(f.Needs), id)
	}
}
