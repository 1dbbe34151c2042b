package desired

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// settleAddress makes the NIC's address what it shall be: dhcp, none, or an
// address with its prefix length.
func (l *loader) settleAddress(g *guest, key string, nic *NIC, n *network) {
	at := Path("networks").Sub(key)
	_, numbered := g.set.lookup(at.Sub("hostnum"))
	wrong := func(word, format string, args ...any) {
		g.addressWrong = true
		l.wrong(g.item, g.at("networks", key, word), "%s.%s: %s", at, word, fmt.Sprintf(format, args...))
	}
	switch {
	case g.bad[at.Sub("address")] || g.bad[at.Sub("hostnum")]:
		g.addressWrong = true
	case numbered && nic.Address != "":
		wrong("hostnum", "stands instead of address: keep one of them")
	case numbered && !n.Subnet.IsValid(), isStatic(nic.Address) && !n.Subnet.IsValid():
		g.addressWrong = true
		if !g.site.bad[Path("networks").Sub(n.name).Sub("subnet")] {
			word := "address"
			if numbered {
				word = "hostnum"
			}
			wrong(word, "network %s has no subnet: add it at %s", n.name, g.site.key("networks", n.name).place())
		}
	case numbered:
		addr, complaint := n.hostnum(nic.Hostnum)
		if complaint != "" {
			wrong("hostnum", "%s", complaint)
			return
		}
		nic.Address = netip.PrefixFrom(addr, n.Subnet.Bits()).String()
		g.set.put(at.Sub("address"), g.set.at(at.Sub("hostnum")))
		l.wantAddress(g, key, "hostnum", addr, n)
	case nic.Address == "":
		nic.Address = "dhcp"
		g.set.put(at.Sub("address"), g.key("networks", key))
	case isStatic(nic.Address):
		l.settleStatic(g, key, nic, n, wrong)
	}
	l.settleReservation(g, key, nic, n, wrong)
}

func (l *loader) settleStatic(g *guest, key string, nic *NIC, n *network, wrong func(word, format string, args ...any)) {
	text, bits := trimPrefix(nic.Address)
	addr, err := parseAddr(text)
	switch {
	case errors.Is(err, errIPv6):
		wrong("address", "%v, or put this into address6", err)
		return
	case err != nil:
		wrong("address", "%v, or dhcp or none", err)
		return
	case bits != "" && bits != strconv.Itoa(n.Subnet.Bits()):
		wrong("address", "/%s does not agree with the network's %s: leave it out", bits, n.Subnet)
		return
	}
	nic.Address = netip.PrefixFrom(addr, n.Subnet.Bits()).String()
	l.wantAddress(g, key, "address", addr, n)
}

func (l *loader) settleReservation(g *guest, key string, nic *NIC, n *network, wrong func(word, format string, args ...any)) {
	if nic.Reservation == "" {
		return
	}
	addr, err := parseAddr(nic.Reservation)
	switch {
	case err != nil:
		wrong("reservation", "%v", err)
	case isStatic(nic.Address) || nic.Address == "none":
		wrong("reservation", "goes with address: dhcp: take one of them out")
	case !n.Subnet.IsValid():
		wrong("reservation", "network %s has no subnet: add it at %s", n.name, g.site.key("networks", n.name).place())
	default:
		l.wantAddress(g, key, "reservation", addr, n)
	}
}

// wantAddress asks for an address. A guest that shall not be takes none.
func (l *loader) wantAddress(g *guest, key, field string, addr netip.Addr, n *network) {
	if g.State != Absent {
		src := g.at("networks", key, field)
		n.wants = append(n.wants, want{guest: g, nic: key, field: field, addr: addr, src: src})
		g.wants = append(g.wants, wantClaim{network: n.name, nic: key, field: field, addr: addr, src: src})
	}
}
