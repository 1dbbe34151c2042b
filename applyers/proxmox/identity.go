package proxmox

import (
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// machineKind is what Proxmox knows a resource as: a data VM is a virtual machine
// like others.
func machineKind(id desired.ID) string {
	if id.Kind() == desired.KindData {
		return desired.KindVM
	}
	return id.Kind()
}

// tagged tells whether tags hold the fleet's, or the one of its former name.
func tagged(f *desired.Fleet, tags []string) bool {
	has := func(name string) bool {
		return name != "" && stamp.HasTag(tags, stamp.FleetTag(name))
	}
	return has(f.Spec.Name) || has(f.Spec.RenamedFrom)
}

// renames are the new ids of what manifests have given another name, by the old
// ones. An old name that is a resource's own again means that.
func renames(f *desired.Fleet) map[desired.ID]desired.ID {
	all := make(map[desired.ID]desired.ID)
	for _, r := range f.Resources {
		g := guestOf(r)
		if g == nil || g.RenamedFrom == "" {
			continue
		}
		if old := desired.MakeID(r.ID.Kind(), g.RenamedFrom); f.Resource(old) == nil {
			all[old] = r.ID
		}
	}
	return all
}

// identify reads a stamp of ours as the manifests name things now, and remembers
// how it was written where that differs: it is to be written anew.
func (g *found) identify(f *desired.Fleet, renames map[desired.ID]desired.ID) {
	s := &g.stamp
	was := s.Fleet + "/" + string(s.ID)
	s.Fleet = f.Spec.Name
	if id, renamed := renames[s.ID]; renamed {
		s.ID = id
	}
	if is := s.Fleet + "/" + string(s.ID); is != was {
		g.renamed = was
	}
}
