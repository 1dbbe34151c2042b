package proxmox

import (
	"slices"

	"berth/desired"
)

// wants indexes what the manifests put on a site.
type wants struct {
	// resources are those in the scope of the look, guests by their ids, VMIDs and
	// names.
	resources []*desired.Resource
	byID      map[desired.ID]*desired.Resource
	byVMID    map[int]*desired.Resource
	byName    map[string]*desired.Resource
	guests    map[desired.ID]*desired.Guest
	// renames are the new ids of what was renamed in Git, by the old ones.
	renames map[desired.ID]desired.ID
}

// newWants indexes the resources of a fleet; looks tells which are in scope.
func newWants(fleet *desired.Fleet, site string, looks func(desired.ID) bool) *wants {
	w := &wants{
		byID: make(map[desired.ID]*desired.Resource), byVMID: make(map[int]*desired.Resource),
		byName: make(map[string]*desired.Resource), guests: make(map[desired.ID]*desired.Guest),
		renames: renames(fleet),
	}
	for _, r := range fleet.Resources {
		w.byID[r.ID] = r
		if r.Site != site || !looks(r.ID) {
			continue
		}
		w.resources = append(w.resources, r)
		if g := guestOf(r); g != nil {
			w.guests[r.ID] = g
			w.byVMID[g.VMID] = r
			w.byName[g.Hostname] = r
		}
	}
	return w
}

// guestOf is the part of a resource that guests share; nil if it is none. A data
// VM is the virtual machine that holds the data.
func guestOf(r *desired.Resource) *desired.Guest {
	switch spec := r.Spec.(type) {
	case *desired.DataVM:
		return &spec.VM().Guest
	case *desired.VM:
		return &spec.Guest
	case *desired.Container:
		return &spec.Guest
	}
	return nil
}

// of lists the resources of some kinds.
func (w *wants) of(kinds ...string) []*desired.Resource {
	var all []*desired.Resource
	for _, r := range w.resources {
		if slices.Contains(kinds, r.ID.Kind()) {
			all = append(all, r)
		}
	}
	return all
}
