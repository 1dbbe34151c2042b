package proxmox

import (
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
	// plugins are the kinds of the cluster's storages, as far as they are known.
	plugins map[string]string
}

func (l *lines) sets(path string) bool {
	_, set := l.want.Set[desired.Path(path)]
	return set
}

// storeOf is the Proxmox storage that a class stands for.
func (l *lines) storeOf(name string) string { return storeOf(l.site, name) }

func storeOf(site *desired.Site, name string) string {
	if class, ok := site.Storage[name]; ok {
		return class.Store
	}
	if name == "" && len(site.Storage) == 1 {
		for _, class := range site.Storage {
			return class.Store
		}
	}
	return name
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
