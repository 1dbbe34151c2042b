package proxmox

import (
	"strings"

	"berth/desired"
)

// imageless says that a container is not there and nothing says what to make it
// from; "" of all else. Its manifest loads, since one that stands, adopted perhaps,
// needs no image.
func imageless(r *desired.Resource) string {
	ct, ok := r.Spec.(*desired.Container)
	if !ok || ct.State == desired.Absent || ct.Clone.Template != "" || ct.Disks[rootfs].Image != "" {
		return ""
	}
	src := r.Source
	for _, path := range []desired.Path{"disks.rootfs.size", "disks.rootfs.storage"} {
		if at, set := r.Set.Lookup(path); set && !strings.HasPrefix(at.Layer, desired.KindSite+"/") {
			src = at
			break
		}
	}
	return "there is no such container, and nothing says what to make it from: write disks.rootfs: {image: NAME, size: 8GiB}" + source(string(r.ID), src)
}
