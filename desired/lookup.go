package desired

import "strings"

// Guest is the part that virtual machines and containers share; nil if id is
// no guest of this fleet.
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

// Address is where a guest or host is reached as far as the manifests know:
// the static address or the reservation of its first interface that has one.
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
	for _, slot := range sortedKeys(g.Networks) {
		nic := g.Networks[slot]
		if nic.Reservation != "" {
			return nic.Reservation, true
		}
		if addr, _, static := strings.Cut(nic.Address, "/"); static {
			return addr, true
		}
	}
	return "", false
}
