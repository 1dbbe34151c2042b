package desired

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	regexpMAC = regexp.MustCompile(`^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$`)
	regexpEth = regexp.MustCompile(`^[a-z][a-z0-9]{0,14}$`)
)

// sortedNICs lists the keys of NICs in the order of their numbers.
func sortedNICs(nics map[string]NIC) []string {
	keys := sortedKeys(nics)
	if len(keys) > 1 {
		slices.SortStableFunc(keys, func(a, b string) int {
			_, m, _ := slot(a)
			_, n, _ := slot(b)
			return m - n
		})
	}
	return keys
}

// firstNIC is the key of the NIC with the lowest number that shall be; "" if
// there is none.
func firstNIC(nics map[string]NIC) string {
	first, lowest, found := "", 0, false
	for key := range nics {
		if nic := nics[key]; nic.State != "" {
			continue
		}
		if _, n, _ := slot(key); !found || n < lowest || n == lowest && key < first {
			first, lowest, found = key, n, true
		}
	}
	return first
}

// checkNICs checks the NICs, and lets flow into them what their networks give.
func (l *loader) checkNICs(g *guest) {
	first := firstNIC(g.Networks)
	for _, key := range sortedKeys(g.Networks) {
		bus, n, ok := slot(key)
		if !ok || bus != "net" || n > 31 {
			l.wrong(g.item, g.key("networks", key), "networks: %q is no NIC: write net0 to net31", key)
			delete(g.Networks, key)
			continue
		}
		nic := g.Networks[key]
		if nic.State != "" {
			l.absentNIC(g, key)
			continue
		}
		l.checkNIC(g, key, &nic, key == first)
		g.Networks[key] = nic
	}
	l.interfacesOnce(g)
	l.gateways6(g)
	l.settleResolver(g)
}

// interfacesOnce refuses two NICs of one name within a container, whose default
// follows from the slot: it would not start.
func (l *loader) interfacesOnce(g *guest) {
	if g.ct == nil {
		return
	}
	first := make(map[string]string)
	for _, key := range sortedNICs(g.Networks) {
		if g.Networks[key].State != "" {
			continue
		}
		name := cmp.Or(g.Networks[key].Name, "eth"+strings.TrimPrefix(key, "net"))
		if other, taken := first[name]; taken {
			l.wrong(g.item, g.at("networks", key), "networks.%s.name: networks.%s is %s already: choose another", key, other, name)
			continue
		}
		first[name] = key
	}
}

func (l *loader) checkNIC(g *guest, key string, nic *NIC, first bool) {
	at := Path("networks").Sub(key)
	l.checkHardware(g, key, nic)
	n := l.networkOf(g, key, nic)
	if n == nil {
		g.addressWrong = true
		return
	}
	layer := KindSite + "/" + g.site.name
	flow := func(word string, set func()) {
		if src, given := n.Set[Path(word)]; given && !g.has(at.Sub(word)) && !g.takenOut("networks", key, word) {
			set()
			src.Layer = layer
			g.set.put(at.Sub(word), src)
		}
	}
	flow("vlan", func() { nic.VLAN = n.VLAN })
	flow("mtu", func() { nic.MTU = n.MTU })
	flow("firewall", func() { nic.Firewall = n.Firewall })
	l.settleAddress(g, key, nic, n)
	l.settleAddress6(g, key, nic, n)
	if nic.Gateway == "" && first && isStatic(nic.Address) && n.Gateway.IsValid() && !g.bad[at.Sub("gateway")] && !g.takenOut("networks", key, "gateway") {
		nic.Gateway = n.Gateway.String()
		g.set.put(at.Sub("gateway"), n.Set["gateway"])
	} else if nic.Gateway != "" && nic.Gateway != "none" {
		l.checkGateway(g, key, nic, n)
	}
	if g.vm != nil && g.vm.CloudInit == nil {
		if src, set := g.set.lookup(at.Sub("name")); set && !g.bad["cloudInit"] {
			l.note(src, g.id, "%s.name: without cloudInit a VM can't be told: it is not set", at)
		}
		// Without a seed an address is known, not set.
		for _, word := range []string{"address", "gateway", "address6", "gateway6", "name"} {
			g.set.drop(at.Sub(word))
		}
	}
	g.set.drop(at.Sub("hostnum"))
}

// absentNIC checks that nothing is said of a NIC that shall not be.
func (l *loader) absentNIC(g *guest, key string) {
	at := Path("networks").Sub(key)
	t := g.merged.find("networks", key)
	for _, e := range t.entries {
		if e.key != "state" {
			l.wrong(g.item, e.value.src(), "%s.%s: is of a NIC that is there, and state says absent: keep one of them", at, e.key)
		}
	}
	g.Networks[key] = NIC{State: wordAbsent}
	src, told := g.set.lookup(at.Sub("state"))
	g.set.dropWithin(at)
	if told {
		g.set.put(at.Sub("state"), src)
	}
}

// isStatic tells whether an address is one.
func isStatic(text string) bool { return text != "" && text != "dhcp" && text != "none" }

func (l *loader) checkGateway(g *guest, key string, nic *NIC, n *network) {
	addr, err := parseAddr(nic.Gateway)
	switch {
	case err != nil:
		l.wrong(g.item, g.at("networks", key, "gateway"), "networks.%s.gateway: %v, or none", key, err)
	case n.Subnet.IsValid() && !n.Subnet.Contains(addr):
		l.wrong(g.item, g.at("networks", key, "gateway"), "networks.%s.gateway: %s is not in %s, the subnet of network %s", key, addr, n.Subnet, n.name)
	}
}

// networkOf finds a NIC's network; nil if there is none, which has been
// reported.
func (l *loader) networkOf(g *guest, key string, nic *NIC) *network {
	at := Path("networks").Sub(key).Sub("network")
	if g.site == nil || g.bad[at] {
		return nil
	}
	if nic.Network != "" {
		if n := g.site.networks[nic.Network]; n != nil {
			return n
		}
		if !g.site.bad["networks"] && !g.site.bad[Path("networks").Sub(nic.Network)] {
			var candidates []candidate
			for _, name := range sortedKeys(g.site.networks) {
				candidates = append(candidates, candidate{name, g.site.key("networks", name)})
			}
			l.wrong(g.item, g.at("networks", key, "network"), "%s: %s", at, l.missing("network", nic.Network, candidates))
		}
		return nil
	}
	names := sortedKeys(g.site.networks)
	if len(names) != 1 {
		if !g.site.bad["networks"] && !g.explained(Path("networks").Sub(key), "network") {
			l.wrong(g.item, g.at("networks", key), "%s is missing: %s", at, chooseNetwork(g.site.name, names))
		}
		return nil
	}
	nic.Network = names[0]
	src := g.site.key("networks", names[0])
	src.Layer = KindSite + "/" + g.site.name
	g.set.put(at, src)
	return g.site.networks[names[0]]
}

func chooseNetwork(site string, names []string) string {
	if len(names) == 0 {
		return "site " + site + " has no networks, add one"
	}
	return "write " + oneOf(names)
}

// checkHardware checks what a NIC has of its own.
func (l *loader) checkHardware(g *guest, key string, nic *NIC) {
	at := Path("networks").Sub(key)
	wrong := func(word, format string, args ...any) {
		l.wrong(g.item, g.at("networks", key, word), "%s.%s: %s", at, word, fmt.Sprintf(format, args...))
	}
	if complaint := badVLAN(nic.VLAN, g.has(at.Sub("vlan")) && !g.bad[at.Sub("vlan")]); complaint != "" {
		wrong("vlan", "%s", complaint)
	}
	if complaint := badMTU(nic.MTU); complaint != "" && (g.vm == nil || nic.MTU != 1) {
		wrong("mtu", "%s", complaint)
	}
	if nic.Queues < 0 || nic.Queues > 64 {
		wrong("queues", "%d is not between 0 and 64", nic.Queues)
	}
	if nic.Name != "" && !regexpEth.MatchString(nic.Name) {
		wrong("name", "%q is no interface's name: write it as in eth0", nic.Name)
	}
	if nic.Rate < 0 || nic.Rate%Rate(KiB) != 0 {
		wrong("rate", "%s is not a whole number of KiB/s", nic.Rate)
	}
	if g.ct != nil {
		for _, word := range []string{"model", "queues"} {
			if g.has(at.Sub(word)) {
				wrong(word, "a container's NIC has none: take it out")
			}
		}
	}
	if nic.MAC == "" {
		return
	}
	if !regexpMAC.MatchString(nic.MAC) {
		wrong("mac", "%q is no MAC of one NIC: write six bytes of which the first is even, as in bc:24:11:00:00:01", nic.MAC)
		return
	}
	nic.MAC = strings.ToLower(nic.MAC)
	if g.site == nil || g.State == Absent {
		return // What shall not be takes no address, of neither sort.
	}
	src := g.at("networks", key, "mac")
	if has, ok := l.macs[nic.MAC]; ok {
		wrong("mac", "%s %s", nic.MAC, has.whose(src))
		return
	}
	l.macs[nic.MAC] = taken{g.id, src}
	g.macs = append(g.macs, macClaim{nic.MAC, src})
}

// settleResolver lets name servers and search domains follow from the first
// NIC's network. Without a seed a virtual machine can't be given any.
func (l *loader) settleResolver(g *guest) {
	if g.vm != nil && g.vm.CloudInit == nil {
		for _, word := range []Path{"dns", "search"} {
			if src, set := g.set.lookup(word); set && src.Layer == "" {
				l.note(src, g.id, "%s: without cloudInit a VM can't be told: it is not set", word)
			}
			g.set.drop(word)
		}
		return
	}
	if g.site == nil {
		return
	}
	n := g.site.networks[g.Networks[firstNIC(g.Networks)].Network]
	if n == nil {
		return
	}
	for _, f := range []struct {
		word Path
		to   *List
		from List
	}{{"dns", &g.DNS, n.DNS}, {"search", &g.Search, n.Search}} {
		if src, given := n.Set[f.word]; given && !g.has(f.word) && !g.takenOut(string(f.word)) {
			*f.to = append(List(nil), f.from...)
			g.set.put(f.word, src)
		}
	}
}
