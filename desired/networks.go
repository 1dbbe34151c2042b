package desired

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A network is a Network with the addresses that are taken on it.
type network struct {
	Network
	name     string
	site     *site
	reserved []reservation
	taken    map[netip.Addr]taken
	// wants holds addresses until all are known.
	wants []want
}

// A reservation says whose an address is.
type reservation struct {
	AddrRange
	whose string
	src   Source
}

// A want is an address that a guest asks for.
type want struct {
	guest *guest
	nic   string
	field string
	addr  netip.Addr
	src   Source
}

func (l *loader) checkNetworks(s *site) {
	for _, name := range sortedKeys(s.Networks) {
		spec := s.Networks[name]
		at := Path("networks").Sub(name)
		spec.Set = s.below(at, s.Name)
		for _, word := range []Path{"bridge", "subnet", "subnet6", "static", "dhcp"} {
			delete(spec.Set, word)
		}
		n := &network{Network: spec, name: name, site: s, taken: s.takenOn(spec, l.crowded()/len(s.Networks))}
		n.wants = make([]want, 0, l.crowded()/len(s.Networks))
		s.networks[name] = n
		s.Networks[name] = spec
		l.checkNetwork(s, n, at)
	}
}

// takenOn holds the addresses that are taken where a network is. Networks of one
// bridge and VLAN are one place, whatever they are called.
func (s *site) takenOn(spec Network, many int) map[netip.Addr]taken {
	for _, n := range s.networks {
		if spec.Bridge != "" && n.Bridge == spec.Bridge && n.VLAN == spec.VLAN {
			return n.taken
		}
	}
	return make(map[netip.Addr]taken, many)
}

func (l *loader) checkNetwork(s *site, n *network, at Path) {
	src := s.key("networks", n.name)
	switch {
	case n.Bridge == "" && !s.explained(at, "bridge"):
		l.wrong(s.item, src, "%s: bridge is missing: write the node's bridge, as in vmbr0", at)
	case n.Bridge != "" && !isStore(n.Bridge):
		l.wrong(s.item, s.at("networks", n.name, "bridge"), "%s.bridge: %q is no bridge's name", at, n.Bridge)
	}
	if complaint := badVLAN(n.VLAN, s.has(at.Sub("vlan"))); complaint != "" {
		l.wrong(s.item, s.at("networks", n.name, "vlan"), "%s.vlan: %s", at, complaint)
	}
	if complaint := badMTU(n.MTU); complaint != "" {
		l.wrong(s.item, s.at("networks", n.name, "mtu"), "%s.mtu: %s", at, complaint)
	}
	if n.Subnet.IsValid() && n.Subnet.Bits() < 8 {
		l.wrong(s.item, s.at("networks", n.name, "subnet"), "%s.subnet: %s is larger than a /8: write the subnet of this bridge", at, n.Subnet)
		n.Subnet = netip.Prefix{}
		return
	}
	if n.Gateway.IsValid() && n.Subnet.IsValid() && !n.Subnet.Contains(n.Gateway) {
		l.wrong(s.item, s.at("networks", n.name, "gateway"), "%s.gateway: %s is not in %s", at, n.Gateway, n.Subnet)
	}
	if n.Gateway6.IsValid() && n.Subnet6.IsValid() && !n.reaches6(n.Gateway6) {
		l.wrong(s.item, s.at("networks", n.name, "gateway6"), "%s.gateway6: %s is not in %s", at, n.Gateway6, n.Subnet6)
	}
	for _, word := range []string{"dns", "search"} {
		l.checkResolver(s.item, word, s.items("networks", n.name, word), string(at)+".")
	}
	l.checkRanges(s, n, at, "static", n.Static)
	l.checkRanges(s, n, at, "dhcp", n.DHCP)
	l.checkReserved(s, n, at)
}

// checkResolver checks a list of name servers or of search domains.
func (l *loader) checkResolver(it *item, word string, items []*tree, before string) {
	for _, node := range items {
		if node.form != scalarForm {
			continue
		}
		if word == "dns" {
			if _, err := netip.ParseAddr(node.text); err != nil {
				l.wrong(it, node.src(), "%sdns: %q is no address: write it as in 10.1.1.1", before, node.text)
			}
		} else if badHostname(node.text) != "" {
			l.wrong(it, node.src(), "%ssearch: %q is no domain: write it as in example.net", before, node.text)
		}
	}
}

func (l *loader) checkRanges(s *site, n *network, at Path, word string, ranges []AddrRange) {
	if s.bad[at.Sub(word)] {
		return
	}
	items := s.items("networks", n.name, word)
	for i, r := range ranges {
		if i >= len(items) {
			return
		}
		if !n.Subnet.IsValid() {
			if !s.bad[at.Sub("subnet")] {
				l.wrong(s.item, items[i].src(), "%s: %s needs the subnet: add it", at, word)
			}
			return
		}
		if !n.Subnet.Contains(r.From) || !n.Subnet.Contains(r.To) {
			l.wrong(s.item, items[i].src(), "%s.%s: %s is not in %s", at, word, items[i].text, n.Subnet)
		}
	}
}

func (l *loader) checkReserved(s *site, n *network, at Path) {
	for _, key := range sortedKeys(n.Reserved) {
		src := s.key("networks", n.name, "reserved", key)
		r, err := parseAddrRange(key)
		switch {
		case err != nil:
			l.wrong(s.item, src, "%s.reserved: %v", at, err)
			continue
		case n.Subnet.IsValid() && (!n.Subnet.Contains(r.From) || !n.Subnet.Contains(r.To)):
			l.wrong(s.item, src, "%s.reserved: %s is not in %s", at, key, n.Subnet)
			continue
		}
		n.reserved = append(n.reserved, reservation{AddrRange: r, whose: n.Reserved[key], src: src})
	}
}

func badVLAN(vlan int, set bool) string {
	if set && (vlan < 1 || vlan > 4094) {
		return fmt.Sprintf("%d is no VLAN: write 1 to 4094, or leave it out", vlan)
	}
	return ""
}

func badMTU(mtu int) string {
	if mtu != 0 && (mtu < 576 || mtu > 65520) {
		return fmt.Sprintf("%d is no MTU: write 576 to 65520", mtu)
	}
	return ""
}

// reserveHosts gives each Host its address, on every network that has it.
func (l *loader) reserveHosts() {
	for _, name := range sortedKeys(l.hosts) {
		addr, err := netip.ParseAddr(l.fleet.Hosts[name].Address)
		if err != nil {
			continue
		}
		for _, siteName := range sortedKeys(l.sites) {
			for _, n := range l.sites[siteName].networks {
				if _, has := n.taken[addr]; !has && n.Subnet.IsValid() && n.Subnet.Contains(addr) {
					n.taken[addr] = taken{l.hosts[name].id, l.hosts[name].at("address")}
				}
			}
		}
	}
}

// allot checks the addresses that guests ask for against the network's plan
// and each other.
func (l *loader) allot() {
	for _, siteName := range sortedKeys(l.sites) {
		s := l.sites[siteName]
		for _, name := range sortedKeys(s.networks) {
			l.allotNetwork(s.networks[name])
		}
	}
}

func (l *loader) allotNetwork(n *network) {
	var refused []want
	var why []string
	for _, w := range n.wants {
		if complaint := n.refuses(w); complaint != "" {
			refused = append(refused, w)
			why = append(why, complaint)
			continue
		}
		n.taken[w.addr] = taken{w.guest.id, w.src}
	}
	if len(refused) == 0 {
		return
	}
	free := ""
	if next, ok := n.free(); ok {
		free = "; next free static: " + next.String()
	}
	for i, w := range refused {
		next := free
		if n.taken[w.addr].src.stands(w.src) {
			next = "" // One address more would help one guest.
		}
		l.wrong(w.guest.item, w.src, "networks.%s.%s: %s %s%s", w.nic, w.field, w.addr, why[i], next)
	}
}

// refuses says why a guest can't have an address; "" if it can.
func (n *network) refuses(w want) string {
	if !n.Subnet.Contains(w.addr) {
		return fmt.Sprintf("is not in %s, the subnet of network %s", n.Subnet, n.name)
	}
	if has, ok := n.taken[w.addr]; ok {
		if has.id == w.guest.id {
			return "is this guest's on another NIC"
		}
		if has.src.stands(w.src) {
			return has.whose(w.src)
		}
		return fmt.Sprintf("is %s's (%s)", has.id, has.src.place())
	}
	first, last := subnetHosts(n.Subnet)
	switch {
	case w.addr.Less(first) || last.Less(w.addr):
		return "is the subnet's own"
	case w.addr == n.Gateway:
		return "is the gateway of network " + n.name
	case w.field == "reservation":
		return ""
	}
	inside := func(r AddrRange) bool { return r.Contains(w.addr) }
	if len(n.Static) > 0 && slices.ContainsFunc(n.Static, inside) {
		return ""
	}
	for _, r := range n.reserved {
		if r.Contains(w.addr) && r.whose != w.guest.name {
			return fmt.Sprintf("is reserved for %s (%s)", r.whose, r.src.place())
		}
	}
	switch {
	case slices.ContainsFunc(n.DHCP, inside):
		return "is in the DHCP range of network " + n.name
	case len(n.Static) > 0:
		return "is not among the static addresses of network " + n.name
	}
	return ""
}

// free finds the lowest address that a guest could have.
func (n *network) free() (netip.Addr, bool) {
	ranges := n.Static
	if len(ranges) == 0 {
		first, last := subnetHosts(n.Subnet)
		ranges = []AddrRange{{first, last}}
	}
	tries := 0
	for _, r := range ranges {
		for a := r.From; a.Compare(r.To) <= 0; a = a.Next() {
			if tries++; tries > 1<<16 {
				return netip.Addr{}, false
			}
			if n.refuses(want{addr: a, guest: &guest{item: &item{document: &document{}}}}) == "" && !n.reservedFor(a) {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

// reservedFor tells whether an address is somebody's. What static lists beats
// it for those who ask for it, but it is not offered.
func (n *network) reservedFor(a netip.Addr) bool {
	return slices.ContainsFunc(n.reserved, func(r reservation) bool { return r.Contains(a) })
}

// hostnum gives the address of a subnet's host number.
func (n *network) hostnum(num int) (netip.Addr, string) {
	first, last := subnetHosts(n.Subnet)
	base := number(n.Subnet.Addr())
	low, high := number(first)-base, number(last)-base
	if num < int(low) || num > int(high) {
		return netip.Addr{}, fmt.Sprintf("%d: %s has hosts %d to %d", num, n.Subnet, low, high)
	}
	return address(base + uint32(num)), "" //nolint:gosec // It is within the subnet.
}

// trimPrefix parts an address from its prefix length, which may be missing.
func trimPrefix(text string) (addr, bits string) {
	addr, bits, _ = strings.Cut(text, "/")
	return addr, bits
}
