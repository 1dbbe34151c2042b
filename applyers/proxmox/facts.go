package proxmox

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// facts learns under which address a guest is reached: from its configuration,
// or from the guest itself where it runs and nothing else tells.
func (s *sweep) facts(ctx context.Context, g *found, want *desired.Resource, live *drift.Live) {
	if live.Archived {
		return
	}
	if keys := hostKeys(g.stamp); keys != "" {
		live.Facts[desired.FactHostKeys] = keys
	}
	if addr := configured(g); addr != "" {
		live.Facts[desired.FactAddress] = addr
		return
	}
	if addr, claims := s.stampedAddress(ctx, g); addr != "" || claims != nil {
		live.Facts[desired.FactAddress] = addr
		saysItHas(live, claims)
		return
	}
	if _, known := s.fleet.Address(live.ID); known && want != nil || !g.running {
		return
	}
	if want != nil && addressless(guestOf(want)) {
		return
	}
	saysItHas(live, s.asked(ctx, g))
}

// saysItHas notes what a guest says of its own address, which [Applyer.settleClaims] may
// refuse.
func saysItHas(live *drift.Live, claims []string) {
	if h, ok := live.Handle.(*handle); ok && len(claims) > 0 {
		h.claims = claims
		live.Facts[desired.FactAddress] = claims[0]
	}
}

// configured is the static address in a guest's configuration. A virtual machine's
// that has no cloud-init drive of Proxmox's own stands in its seed alone.
func configured(g *found) string {
	if g.kind != desired.KindContainer && !native(g) {
		return ""
	}
	for _, slot := range nicSlots(g.conf) {
		line := g.conf.Values[slot]
		if g.kind == desired.KindVM {
			line = g.conf.Values["ipconfig"+strings.TrimPrefix(slot, "net")]
		}
		if prefix, err := netip.ParsePrefix(notation.Lookup("", line, "ip")); err == nil {
			return prefix.Addr().String()
		}
	}
	return ""
}

func nicSlots(conf *pve.Config) []string {
	var slots []string
	for key := range conf.Values {
		if nicSlot(key) {
			slots = append(slots, key)
		}
	}
	slices.Sort(slots)
	return slots
}

// asked asks the guest: a container's interfaces, or the guest agent. These are the
// addresses that its interfaces have, in their order. What it can't tell is not known;
// what it tells is a claim, since what runs in it can say anything.
func (c *cluster) asked(ctx context.Context, g *found) []string {
	ports := c.ports(ctx, g)
	var claims []string
	for _, slot := range nicSlots(g.conf) {
		p := parseNIC(g.kind, g.conf.Values[slot])
		mac := p.Value("hwaddr")
		if g.kind == desired.KindVM {
			_, mac = nicModel(p)
		}
		for _, port := range ports {
			if strings.EqualFold(port.mac, mac) && port.addr != "" && !slices.Contains(claims, port.addr) {
				claims = append(claims, port.addr)
			}
		}
	}
	return claims
}

// ports are a guest's interfaces as it sees them; none where it can't tell.
func (c *cluster) ports(ctx context.Context, g *found) []port {
	var ports []port
	var err error
	if g.kind == desired.KindContainer {
		ports, err = c.containerPorts(ctx, g)
	} else if notation.Flag(notation.Lookup("enabled", g.conf.Values["agent"], "enabled"), false) {
		ports, err = c.agentPorts(ctx, g)
	}
	if err != nil {
		return nil
	}
	return ports
}

// port is an interface as the guest sees it.
type port struct{ mac, addr string }

func (c *cluster) containerPorts(ctx context.Context, g *found) ([]port, error) {
	var rows []struct{ Hwaddr, Inet string }
	if err := c.Get(ctx, pve.GuestPath(g.kind, g.node, g.vmid)+"/interfaces", &rows); err != nil {
		return nil, err
	}
	ports := make([]port, 0, len(rows))
	for _, r := range rows {
		addr, _, _ := strings.Cut(r.Inet, "/")
		ports = append(ports, port{mac: r.Hwaddr, addr: usable(addr)})
	}
	return ports, nil
}

func (c *cluster) agentPorts(ctx context.Context, g *found) ([]port, error) {
	var answer struct {
		Result []struct {
			MAC       string `json:"hardware-address"`
			Addresses []struct {
				Text string `json:"ip-address"`
			} `json:"ip-addresses"`
		}
	}
	if err := c.Get(ctx, pve.GuestPath(g.kind, g.node, g.vmid)+"/agent/network-get-interfaces", &answer); err != nil {
		return nil, err
	}
	var ports []port
	for _, r := range answer.Result {
		for _, a := range r.Addresses {
			ports = append(ports, port{mac: r.MAC, addr: usable(a.Text)})
		}
	}
	return ports, nil
}

// usable is an IPv4 address under which others reach the guest; "" otherwise.
func usable(text string) string {
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is4() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() {
		return ""
	}
	return addr.String()
}
