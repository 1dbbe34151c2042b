package routes

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"berth/desired"
)

// The limits of what is followed: a fleet whose edges all lead to each other has more
// ways than anybody reads.
const (
	mostChains = 16
	mostHops   = 16
)

// follow tells all ways that a name takes from a door on.
func (m *maker) follow(d *door, atom string) []Chain {
	if len(d.next) > 0 {
		return m.step(nil, d, atom, walked{})
	}
	rule := match(d.routes, atom)
	known, ok := d.plain[rule]
	if !ok {
		known = m.step(nil, d, atom, walked{})
		d.plain[rule] = known
	}
	return known
}

// walked is the way to a door.
type walked struct {
	trail   []*door
	through []Hop
	hop     Hop
}

// step appends the ways from a door on.
func (m *maker) step(all []Chain, d *door, atom string, w walked) []Chain {
	rule := match(d.routes, atom)
	target := d.def
	switch {
	case rule != "":
		target = d.routes[rule]
	case d.way == TCP || d.way == UDP:
		rule = d.listen[0]
	}
	hop := w.hop
	hop.Edge, hop.Rule = d.proxy.id, rule
	up, legs := m.legs(d, target)
	hop.Upstream, hop.PROXY = up, up != "" && d.proxy.spec.Upstreams[up].ProxyProtocol
	through := append(slices.Clone(w.through), hop)
	trail := append(slices.Clone(w.trail), d)
	var ends []Leg
	for _, leg := range legs {
		next := m.enters(leg, d.way)
		switch {
		case next == nil:
			ends = append(ends, leg)
		case slices.Contains(trail, next):
			leg.Problem = "it leads back to " + string(next.proxy.id) + ", in a circle"
			ends = append(ends, leg)
		case len(trail) > mostHops || len(all) >= mostChains:
			leg.Problem = "it is not followed further: there are too many ways"
			ends = append(ends, leg)
		default:
			all = m.step(all, next, atom, walked{trail: trail, through: through, hop: Hop{Backup: leg.Backup}})
		}
	}
	if len(ends) > 0 {
		all = append(all, Chain{Through: through, To: ends})
	}
	return all
}

// legs are the servers that a target means, and the upstream's name if it is one.
func (m *maker) legs(d *door, target desired.Target) (upstream string, legs []Leg) {
	up, ok := d.proxy.spec.Upstreams[target.Text]
	if !ok {
		return "", []Leg{m.leg(target)}
	}
	for _, server := range up.Servers {
		leg := m.leg(server.To)
		leg.Backup = server.Backup
		if server.Weight > 1 {
			leg.Weight = server.Weight
		}
		legs = append(legs, leg)
	}
	if len(legs) == 0 {
		legs = []Leg{{Target: target.Text, Problem: "the upstream has no servers"}}
	}
	return target.Text, legs
}

// leg tells what is known about one target.
func (m *maker) leg(target desired.Target) Leg {
	leg := Leg{Target: target.Text}
	if target.Text == reject || target.Text == redirect {
		return leg
	}
	if id, port, ok := target.Guest(); ok {
		leg.ID, leg.Site = id, m.site(id)
		if addr, known := m.address(id); known {
			leg.Address = net.JoinHostPort(addr, port)
			return leg
		}
		leg.Problem = m.unaddressed(id)
		return leg
	}
	ap, err := netip.ParseAddrPort(target.Text)
	if err != nil {
		leg.Problem = "it is no upstream, guest or address"
		return leg
	}
	leg.Address = target.Text
	leg.ID = m.whose[ap.Addr().String()]
	leg.Site = m.site(leg.ID)
	return leg
}

// site is a guest's site; "" for what has none.
func (m *maker) site(id desired.ID) string {
	if r := m.fleet.Resource(id); r != nil {
		return r.Site
	}
	return ""
}

// unaddressed says why a guest has no address that is known.
func (m *maker) unaddressed(id desired.ID) string {
	switch {
	case m.fleet.Guest(id) == nil:
		return "there is no " + string(id)
	case m.world == nil:
		return string(id) + " has no address in Git: it is known when the guest runs"
	case m.world.Live(id) == nil:
		return string(id) + " has no known address: it does not stand yet, or could not be read"
	case m.world.Live(id).Archived:
		return string(id) + " has no address: it is archived"
	}
	return string(id) + " has no known address: it has told none yet"
}

// enters finds the door of another edge that a target is; nil if it is none. A name
// goes on by the same way only: who passes a port on knows no names.
func (m *maker) enters(leg Leg, way Way) *door {
	addr, port := split(leg.Address)
	if leg.Address == "" {
		_, port = split(leg.Target)
	}
	for _, p := range m.near(leg, addr) {
		for _, d := range p.doors {
			if d.way != way {
				continue
			}
			for _, listen := range d.listen {
				on, at := split(listen)
				if at == port && (on == "" && (addr == "" || addr == p.addr) || on == addr || addr == "") {
					return d
				}
			}
		}
	}
	return nil
}

// near are the edges that a target may be.
func (m *maker) near(leg Leg, addr string) []*proxy {
	if strings.Contains(leg.Target, "/") && addr == "" {
		return m.at[leg.ID]
	}
	found := m.addrs[addr]
	for _, p := range m.at[leg.ID] {
		if !slices.Contains(found, p) {
			found = append(slices.Clone(found), p)
		}
	}
	return found
}
