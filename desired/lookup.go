package desired

import (
	"net/netip"
	"slices"
	"strings"
)

// Site finds a site by its name; nil if there is none.
func (f *Fleet) Site(name string) *Site { return f.Sites[name] }

// Guest finds the guest of an id, the part that virtual machines and containers
// share; nil if there is none.
func (f *Fleet) Guest(id ID) *Guest {
	r := f.Resource(id)
	if r == nil {
		return nil
	}
	switch spec := r.Spec.(type) {
	case *VM:
		return &spec.Guest
	case *Container:
		return &spec.Guest
	}
	return nil
}

// Of is a fleet of these resources, and else like f.
func (f *Fleet) Of(resources []*Resource) *Fleet {
	of := *f
	of.Resources = slices.SortedFunc(slices.Values(resources), func(a, b *Resource) int { return strings.Compare(string(a.ID), string(b.ID)) })
	of.reindex()
	return &of
}

// reindex makes resources found by their ids at once.
func (f *Fleet) reindex() {
	f.index = make(map[ID]*Resource, len(f.Resources))
	for _, r := range f.Resources {
		f.index[r.ID] = r
	}
	f.indexed = f.Resources
}

// Machine is what Proxmox runs or keeps under an id: a guest, or a data VM as the
// virtual machine that it is; nil if there is none.
func (f *Fleet) Machine(id ID) *Guest {
	if r := f.Resource(id); r != nil {
		if d, ok := r.Spec.(*DataVM); ok {
			return &d.VM().Guest
		}
	}
	return f.Guest(id)
}

// Address is where a guest or Host is reached, as far as the manifests tell:
// the static address or the reservation of its first NIC that has one, or the
// Host's address, without prefix length. known is false where only the guest
// itself can tell.
func (f *Fleet) Address(id ID) (addr string, known bool) {
	if id.Kind() == KindHost {
		if h := f.Hosts[id.Name()]; h != nil {
			return h.Address, h.Address != ""
		}
		return "", false
	}
	g := f.Guest(id)
	if g == nil {
		return "", false
	}
	return g.address()
}

// address is where the guest is reached, as far as its manifest tells.
func (g *Guest) address() (addr string, known bool) {
	for _, key := range sortedNICs(g.Networks) {
		text := g.Networks[key].Reservation
		if text == "" {
			text, _ = trimPrefix(g.Networks[key].Address)
		}
		if _, err := netip.ParseAddr(text); err == nil {
			return text, true
		}
	}
	return "", false
}
