package proxmox

import (
	"cmp"
	"fmt"

	"berth/desired"
)

// lines writes drives and interfaces in Proxmox's words.
type lines struct {
	fleet *desired.Fleet
	site  *desired.Site
	want  *desired.Resource
	kind  string
	vmid  int
	node  string
	// plugins are the kinds of the cluster's storages, as far as they are known.
	plugins map[string]string
	// volumes are the data VMs' disks that may be taken, by reference.
	volumes map[string]string
}

func (l *lines) sets(path string) bool { return l.want.Set.Has(desired.Path(path)) }

// storeOf is the Proxmox storage that a class stands for on the guest's node.
func (l *lines) storeOf(name string) string { return storeOn(l.site, name, l.node) }

// storeOn is the Proxmox storage that a class stands for on a node; what is no
// class is the storage itself.
func storeOn(site *desired.Site, name, node string) string {
	if name == "" && len(site.Storage) == 1 {
		for only := range site.Storage {
			name = only
		}
	}
	class, ok := site.Storage[name]
	if !ok {
		return name
	}
	return cmp.Or(class.PerNode[node], class.Store)
}

// image finds an image on the guest's site.
func (l *lines) image(name string) (*desired.ImageAt, error) {
	r := l.fleet.Resource(desired.MakeID(desired.KindImage, name+"@"+l.site.Name))
	if r == nil {
		return nil, fmt.Errorf("image %s is not known on site %s", name, l.site.Name)
	}
	image, ok := r.Spec.(*desired.ImageAt)
	if !ok {
		return nil, fmt.Errorf("image %s is none", name)
	}
	return image, nil
}
