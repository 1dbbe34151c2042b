package desired

import (
	"fmt"
	"net/netip"
	"strconv"
)

// isStatic6 tells whether an IPv6 address is one.
func isStatic6(text string) bool { return text != "" && text != "dhcp" && text != "auto" }

// settleAddress6 makes the NIC's IPv6 address what it shall be: nothing, dhcp,
// auto, or an address with its prefix length.
func (l *loader) settleAddress6(g *guest, key string, nic *NIC, n *network) {
	at := Path("networks").Sub(key).Sub("address6")
	if !isStatic6(nic.Address6) || g.bad[at] {
		return
	}
	src := g.at("networks", key, "address6")
	text, bits := trimPrefix(nic.Address6)
	addr, err := parseAddr6(text)
	switch {
	case nic.Address6 == "none":
		l.wrong(g.item, src, "%s: none is what it is without: take it out, or write null", at)
		return
	case err != nil:
		l.wrong(g.item, src, "%s: %v, or dhcp or auto", at, err)
		return
	case bits != "" && !validBits6(bits):
		l.wrong(g.item, src, "%s: /%s is no prefix length of IPv6: write /64, or what the subnet has", at, bits)
		return
	case bits == "" && !n.Subnet6.IsValid():
		if !g.site.bad[Path("networks").Sub(n.name).Sub("subnet6")] {
			l.wrong(g.item, src, "%s: network %s has no subnet6: add it at %s, or write the prefix length", at, n.name, g.site.key("networks", n.name).place())
		}
		return
	case bits != "" && n.Subnet6.IsValid() && bits != strconv.Itoa(n.Subnet6.Bits()):
		l.wrong(g.item, src, "%s: /%s does not agree with the network's %s: leave it out", at, bits, n.Subnet6)
		return
	}
	if n.Subnet6.IsValid() {
		bits = strconv.Itoa(n.Subnet6.Bits())
	}
	nic.Address6 = addr.String() + "/" + bits
	if complaint := l.refuses6(g, key, n, addr); complaint != "" {
		l.wrong(g.item, src, "%s: %s %s", at, addr, complaint)
		return
	}
	if g.State != Absent {
		l.static6[n.place6(addr)] = taken{g.id, src}
		g.six = append(g.six, sixClaim{n.place6(addr), src})
	}
}

// A place6 is an IPv6 address within as much of the world as it is unique in: a
// link-local one on its link, a private one on its site, any other everywhere.
type place6 struct {
	addr netip.Addr
	site string
	link string
}

func (n *network) place6(addr netip.Addr) place6 {
	switch {
	case addr.IsLinkLocalUnicast():
		return place6{addr, n.site.name, fmt.Sprintf("%s %d", n.Bridge, n.VLAN)}
	case addr.IsPrivate():
		return place6{addr, n.site.name, ""}
	}
	return place6{addr, "", ""}
}

func validBits6(text string) bool {
	bits, err := parseInt(text)
	return err == nil && bits >= 1 && bits <= 128
}

// refuses6 says why a guest can't have an IPv6 address; "" if it can.
func (l *loader) refuses6(g *guest, key string, n *network, addr netip.Addr) string {
	src := g.at("networks", key, "address6")
	has, isTaken := l.static6[n.place6(addr)]
	switch {
	case n.Subnet6.IsValid() && !n.Subnet6.Contains(addr):
		return fmt.Sprintf("is not in %s, the IPv6 subnet of network %s", n.Subnet6, n.name)
	case addr == n.Gateway6:
		return "is the gateway of network " + n.name
	case n.Subnet6.IsValid() && n.Subnet6.Bits() < 127 && addr == n.Subnet6.Addr():
		return "is the subnet's own"
	case g.State == Absent || !isTaken:
		return ""
	case has.id == g.id:
		return "is this guest's on another NIC"
	}
	return has.whose(src)
}

// reaches6 tells whether a gateway can be reached from a network: it is in its
// subnet, or every link has it.
func (n *network) reaches6(gateway netip.Addr) bool {
	return gateway.IsLinkLocalUnicast() || n.Subnet6.Contains(gateway)
}

// gateways6 settles the IPv6 gateways: the first NIC with a static address gets
// its network's.
func (l *loader) gateways6(g *guest) {
	first := true
	for _, key := range sortedNICs(g.Networks) {
		nic := g.Networks[key]
		at := Path("networks").Sub(key).Sub("gateway6")
		if g.site == nil || nic.State != "" || g.site.networks[nic.Network] == nil || g.bad[at] {
			continue
		}
		n := g.site.networks[nic.Network]
		static := isStatic6(nic.Address6)
		switch {
		case nic.Gateway6 != "" && nic.Gateway6 != "none":
			l.checkGateway6(g, key, &nic, n)
		case nic.Gateway6 == "" && static && first && n.Gateway6.IsValid() && !g.takenOut("networks", key, "gateway6"):
			nic.Gateway6 = n.Gateway6.String()
			if g.vm == nil || g.vm.CloudInit != nil {
				g.set.put(at, n.Set["gateway6"])
			}
		}
		first = first && !static
		g.Networks[key] = nic
	}
}

func (l *loader) checkGateway6(g *guest, key string, nic *NIC, n *network) {
	at := Path("networks").Sub(key).Sub("gateway6")
	src := g.at("networks", key, "gateway6")
	addr, err := parseAddr6(nic.Gateway6)
	switch {
	case err != nil:
		l.wrong(g.item, src, "%s: %v, or none", at, err)
		return
	case !isStatic6(nic.Address6) && !g.bad[Path("networks").Sub(key).Sub("address6")]:
		l.wrong(g.item, src, "%s: goes with an address6 that is written: dhcp and auto bring their own, take it out", at)
		return
	case n.Subnet6.IsValid() && !n.reaches6(addr):
		l.wrong(g.item, src, "%s: %s is not in %s, the IPv6 subnet of network %s", at, addr, n.Subnet6, n.name)
		return
	}
	nic.Gateway6 = addr.String()
}
