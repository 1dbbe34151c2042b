package routes

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"berth/desired"
	"berth/drift"
)

// Of makes the table of a fleet. world is what was observed and plan what was made
// of it; both are nil where nobody has looked: then it is what the manifests say.
func Of(fleet *desired.Fleet, world *drift.World, plan *drift.Plan) *Table {
	m := &maker{fleet: fleet, world: world, at: make(map[desired.ID][]*proxy), addrs: make(map[string][]*proxy), proxies: make(map[desired.ID]*proxy), whose: make(map[string]desired.ID)}
	m.plan = planned(plan)
	for _, r := range fleet.Resources {
		if spec, ok := r.Spec.(*desired.Edge); ok {
			m.proxy(r, spec)
		}
	}
	if len(m.proxies) > 0 {
		m.owners()
	}
	t := &Table{Edges: []Edge{}, Routes: []Route{}}
	m.inner()
	for _, id := range slices.Sorted(maps.Keys(m.proxies)) {
		p := m.proxies[id]
		t.Edges = append(t.Edges, m.edge(p, plan))
	}
	// Those that others lead to stand behind them.
	slices.SortStableFunc(t.Edges, func(a, b Edge) int {
		switch {
		case a.Inner == b.Inner:
			return 0
		case a.Inner:
			return 1
		}
		return -1
	})
	m.rows(t)
	m.gone(t, plan)
	sortRoutes(t.Routes)
	return t
}

// maker makes one table.
type maker struct {
	fleet   *desired.Fleet
	world   *drift.World
	plan    map[desired.ID]*differences
	proxies map[desired.ID]*proxy
	// at are the edges on a guest or Host, addrs those at an address, whose the guests
	// and Hosts that have an address.
	at    map[desired.ID][]*proxy
	addrs map[string][]*proxy
	whose map[string]desired.ID
}

// proxy is an edge and what it listens on.
type proxy struct {
	id    desired.ID
	spec  *desired.Edge
	from  *desired.Resource
	addr  string // "" is not known
	doors []*door
	inner bool
}

// door is one way into an edge: all its ports for names, or one for a port's traffic.
type door struct {
	proxy  *proxy
	way    Way
	listen []string
	routes map[string]desired.Target
	def    desired.Target
	proto  bool
	// next are the doors that its targets are, behind tells that it is one itself.
	next   []*door
	behind bool
	// plain are the chains by rule, of doors from which no other door is reached.
	plain map[string][]Chain
}

func (m *maker) proxy(r *desired.Resource, spec *desired.Edge) {
	p := &proxy{id: r.ID, spec: spec, from: r}
	if at := desired.ID(spec.At); at.Name() != "" {
		p.addr, _ = m.address(at)
		m.at[at] = append(m.at[at], p)
	}
	if p.addr != "" {
		m.addrs[p.addr] = append(m.addrs[p.addr], p)
	}
	add := func(way Way, listen []string, fallback string, routes map[string]desired.Target, def desired.Target, proto bool) {
		if len(routes) == 0 && def.Text == "" {
			return
		}
		if len(listen) == 0 {
			listen = []string{fallback}
		}
		d := &door{proxy: p, way: way, listen: listen, routes: routes, def: def, proto: proto, plain: make(map[string][]Chain)}
		p.doors = append(p.doors, d)
		for _, one := range listen {
			if addr, _ := split(one); addr != "" && addr != p.addr {
				m.addrs[addr] = append(m.addrs[addr], p)
			}
		}
	}
	add(TLS, spec.TLS.Listen, "443", spec.TLS.Routes, spec.TLS.Default, len(spec.TLS.ProxyProtocol.From) > 0)
	add(HTTP, spec.HTTP.Listen, "80", spec.HTTP.Routes, spec.HTTP.Default, len(spec.HTTP.ProxyProtocol.From) > 0)
	for _, listen := range slices.Sorted(maps.Keys(spec.TCP)) {
		add(TCP, []string{listen}, listen, nil, spec.TCP[listen], false)
	}
	for _, listen := range slices.Sorted(maps.Keys(spec.UDP)) {
		add(UDP, []string{listen}, listen, nil, spec.UDP[listen], false)
	}
	m.proxies[p.id] = p
}

// split parts what is listened on; addr is "" for a port on every address.
func split(listen string) (addr, port string) {
	ap, err := netip.ParseAddrPort(listen)
	if err != nil {
		return "", listen[strings.LastIndexByte(listen, ':')+1:]
	}
	if ap.Addr().IsUnspecified() {
		return "", listen[strings.LastIndexByte(listen, ':')+1:]
	}
	return ap.Addr().String(), listen[strings.LastIndexByte(listen, ':')+1:]
}

// address is where a guest or Host is reached.
func (m *maker) address(id desired.ID) (addr string, known bool) {
	if m.world != nil {
		return m.world.Fact(id, desired.FactAddress)
	}
	return m.fleet.Address(id)
}

// owners finds whose an address is that a manifest writes as one.
func (m *maker) owners() {
	for _, r := range m.fleet.Resources {
		if r.ID.Guest() {
			if addr, ok := m.address(r.ID); ok {
				m.whose[addr] = r.ID
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.fleet.Hosts)) {
		if h := m.fleet.Hosts[name]; h.Address != "" {
			m.whose[h.Address] = desired.MakeID(desired.KindHost, name)
		}
	}
}

// inner finds the doors that other doors lead to. Where edges lead to each other in
// a circle and nothing leads in, the first of them is where it begins.
func (m *maker) inner() {
	var all []*door
	for _, id := range slices.Sorted(maps.Keys(m.proxies)) {
		for _, d := range m.proxies[id].doors {
			all = append(all, d)
			d.next = m.leadsTo(d)
		}
	}
	led := make(map[*door]bool)
	for _, d := range all {
		for _, to := range d.next {
			if to != d {
				led[to] = true
			}
		}
	}
	var reach func(d *door, seen map[*door]bool)
	reach = func(d *door, seen map[*door]bool) {
		for _, to := range d.next {
			if !seen[to] {
				seen[to] = true
				reach(to, seen)
			}
		}
	}
	seen := make(map[*door]bool)
	begin := func(d *door) {
		seen[d] = true
		reach(d, seen)
	}
	for _, d := range all {
		if !led[d] {
			begin(d)
		}
	}
	for _, d := range all {
		if !seen[d] {
			led[d] = false
			begin(d)
		}
	}
	for _, d := range all {
		d.behind = led[d]
		d.proxy.inner = d.proxy.inner || led[d]
	}
}

// leadsTo are the doors that a door's targets are.
func (m *maker) leadsTo(d *door) []*door {
	var to []*door
	seen := make(map[string]bool)
	look := func(target desired.Target) {
		if seen[target.Text] {
			return
		}
		seen[target.Text] = true
		_, legs := m.legs(d, target)
		for _, leg := range legs {
			if next := m.enters(leg, d.way); next != nil && !slices.Contains(to, next) {
				to = append(to, next)
			}
		}
	}
	look(d.def)
	for _, name := range slices.Sorted(maps.Keys(d.routes)) {
		look(d.routes[name])
	}
	return to
}

// edge tells of a proxy what is known.
func (m *maker) edge(p *proxy, plan *drift.Plan) Edge {
	at := p.spec.At
	if at == "" {
		at = "local"
	}
	e := Edge{ID: p.id, At: at, Address: p.addr, Inner: p.inner, Source: p.from.Source, Timeout: time.Duration(p.spec.Probe.Timeout)}
	if r := m.fleet.Resource(desired.ID(at)); r != nil {
		e.Site = r.Site
	}
	if plan == nil {
		return e
	}
	e.State = Live
	for _, b := range plan.Blind {
		if b.Covers(p.id, p.from.Site) {
			e.State, e.Reason, e.Remedy = Unknown, b.Reason, b.Remedy
			return e
		}
	}
	for _, f := range plan.Foreign {
		if f.ID == p.id {
			e.State, e.Reason, e.Remedy = Foreign, f.What+": "+f.Reason, f.Remedy
			return e
		}
	}
	if m.world == nil || m.world.Live(p.id) == nil {
		e.State = New
		return e
	}
	if d := m.plan[p.id]; d != nil {
		for path := range d.fields {
			if !isRoute(path) {
				e.Others++
			}
		}
	}
	return e
}

// isRoute tells whether a path is shown by the routes themselves.
func isRoute(path desired.Path) bool {
	return slices.ContainsFunc([]desired.Path{"tls.routes", "tls.default", "http.routes", "http.default", "tcp", "udp", "upstreams"}, path.Within)
}

func sortRoutes(all []Route) {
	keys := make(map[string]string, len(all))
	for i := range all {
		if name := all[i].Name; keys[name] == "" {
			keys[name] = order(name)
		}
	}
	ways := map[Way]int{TLS: 0, HTTP: 1, TCP: 2, UDP: 3}
	slices.SortStableFunc(all, func(a, b Route) int {
		if c := strings.Compare(string(a.Edge), string(b.Edge)); c != 0 {
			return c
		}
		if a.Way != b.Way {
			return ways[a.Way] - ways[b.Way]
		}
		if c := slices.Compare(a.Listen, b.Listen); c != 0 {
			return c
		}
		if (a.Name == "") != (b.Name == "") {
			if a.Name == "" {
				return 1
			}
			return -1
		}
		return strings.Compare(keys[a.Name], keys[b.Name])
	})
}
