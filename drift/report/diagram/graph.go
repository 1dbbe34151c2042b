// Package diagram draws where the edges of a fleet send what arrives, as an SVG.
package diagram

import (
	"net"
	"slices"
	"strings"

	"berth/desired"
	"berth/drift/report"
	"berth/drift/routes"
)

// sort is what a box stands for.
type sort int

// The sorts.
const (
	internet sort = iota
	proxy
	guest
	host
	plain // an address that is nobody's
	end   // reject, redirect, or what leads nowhere
	panel // many guests that are reached in the same way
)

// node is one box, or a lane that an arrow takes through a column.
type node struct {
	sort            sort
	key             string
	title, subtitle string
	band            string
	level           int
	in, out         []*arrow
	lines           []line // of a panel
	more            int    // guests of a panel that have no line

	x, y, w, h int
}

// arrow is what goes from one box to another.
type arrow struct {
	from, to *node
	way      string // TLS, HTTP and TCP or UDP are drawn differently
	rules    []string
	all      bool // what no route names goes this way, too
	ports    []string
	proxy    bool
	backup   bool
	text     string // in place of rules

	lanes []*node
	y     int // where it arrives
}

// graph is all of it.
type graph struct {
	nodes  []*node
	byKey  map[string]*node
	arrows map[arrowKey]*arrow
	order  []*arrow
	table  *routes.Table
	edges  map[desired.ID]*routes.Edge
	named  map[string]bool
}

type arrowKey struct {
	from, to, way, port string
	proxy, backup       bool
}

// gather makes boxes and arrows of a table.
func gather(t *routes.Table) *graph {
	g := &graph{byKey: make(map[string]*node), arrows: make(map[arrowKey]*arrow), table: t, edges: make(map[desired.ID]*routes.Edge), named: make(map[string]bool)}
	for i := range t.Edges {
		g.edges[t.Edges[i].ID] = &t.Edges[i]
	}
	outside := g.node(internet, "internet", "", "Internet", "")
	for i := range t.Routes {
		r := &t.Routes[i]
		if r.State == routes.Goes {
			continue
		}
		if r.Name != "" {
			g.named[r.Name] = true
		}
		for _, c := range r.Chains {
			if len(c.Through) == 0 {
				continue
			}
			first := g.proxy(c.Through[0].Edge)
			if e := g.edges[r.Edge]; !r.Unreached && (e == nil || !e.Inner) {
				g.arrives(outside, first, r)
			}
			g.chain(r, c)
		}
	}
	for _, a := range g.order {
		slices.SortFunc(a.ports, natural)
		a.ports = slices.Compact(a.ports)
		slices.SortFunc(a.rules, byName)
		a.rules = slices.Compact(a.rules)
	}
	g.merge()
	g.levels()
	return g
}

// arrives adds what comes from outside.
func (g *graph) arrives(outside, first *node, r *routes.Route) {
	a := g.arrow(arrowKey{from: outside.key, to: first.key, way: string(routes.TLS)}, outside, first)
	for _, listen := range r.Listen {
		port := listen[strings.LastIndexByte(listen, ':')+1:]
		if r.Way == routes.TCP || r.Way == routes.UDP {
			port = string(r.Way) + " " + port
		}
		a.ports = append(a.ports, port)
	}
	a.proxy = a.proxy || r.PROXY
}

// chain adds one way.
func (g *graph) chain(r *routes.Route, c routes.Chain) {
	for i, h := range c.Through {
		from := g.proxy(h.Edge)
		if i+1 < len(c.Through) {
			next := c.Through[i+1]
			g.add(r, h, next.Backup, from, g.proxy(next.Edge), "")
			continue
		}
		for _, leg := range c.To {
			to, port := g.target(from, leg)
			g.add(r, h, leg.Backup, from, to, port)
		}
	}
}

// add adds a rule to an arrow.
func (g *graph) add(r *routes.Route, h routes.Hop, backup bool, from, to *node, port string) {
	key := arrowKey{from: from.key, to: to.key, way: string(r.Way), port: port, proxy: h.PROXY, backup: backup}
	a := g.arrow(key, from, to)
	a.proxy, a.backup = h.PROXY, backup
	if port != "" {
		a.ports = append(a.ports, port)
	}
	switch {
	case r.Way == routes.TCP || r.Way == routes.UDP:
		a.rules = append(a.rules, string(r.Way)+" "+h.Rule)
	case h.Rule == "":
		a.all = true
	default:
		if n := len(a.rules); n == 0 || a.rules[n-1] != h.Rule {
			a.rules = append(a.rules, h.Rule)
		}
	}
}

func (g *graph) arrow(key arrowKey, from, to *node) *arrow {
	a := g.arrows[key]
	if a == nil {
		a = &arrow{from: from, to: to, way: key.way}
		g.arrows[key] = a
		g.order = append(g.order, a)
	}
	return a
}

func (g *graph) node(s sort, key, band, title, subtitle string) *node {
	n := g.byKey[key]
	if n == nil {
		n = &node{sort: s, key: key, band: band, title: report.Neutral(title), subtitle: report.Neutral(subtitle)}
		g.byKey[key] = n
		g.nodes = append(g.nodes, n)
	}
	return n
}

// elsewhere is the band of what belongs to no site.
const elsewhere = "other machines"

func (g *graph) proxy(id desired.ID) *node {
	key := "edge " + string(id)
	if n := g.byKey[key]; n != nil {
		return n
	}
	at, address, band := "", "", elsewhere
	if e := g.edges[id]; e != nil {
		at, address = e.At, e.Address
		if e.Site != "" {
			band = "site " + e.Site
		}
	}
	where := "on the agent's host"
	if name := desired.ID(at).Name(); name != "" {
		where = "on " + name
	}
	if address != "" {
		where += " · " + address
	}
	return g.node(proxy, key, band, routes.Short(id), where)
}

// target is the box that a leg ends in, and the port there.
func (g *graph) target(from *node, leg routes.Leg) (n *node, port string) {
	switch leg.Target {
	case "reject":
		return g.node(end, "end reject "+from.band, from.band, "rejected", ""), ""
	case "redirect":
		return g.node(end, "end redirect "+from.band, from.band, "redirect to https", ""), ""
	}
	address, port := leg.Address, ""
	if address == "" {
		address = leg.Target
	}
	if h, p, err := net.SplitHostPort(address); err == nil {
		address, port = h, ":"+p
	}
	switch {
	case leg.Problem != "" && leg.Address != "":
		return g.node(end, "end "+leg.Target, from.band, leg.Target, "not followed further"), ""
	case leg.ID != "":
		if leg.Address == "" {
			address = ""
		}
		s, band := guest, elsewhere
		if leg.ID.Kind() == desired.KindHost {
			s = host
		} else if leg.Site != "" {
			band = "site " + leg.Site
		}
		return g.node(s, "id "+string(leg.ID), band, leg.ID.Name(), strings.TrimSuffix(leg.ID.Kind()+" · "+address, " · ")), port
	case leg.Problem != "":
		return g.node(end, "end "+leg.Target, from.band, leg.Target, "leads nowhere"), ""
	}
	return g.node(plain, "address "+address, elsewhere, address, ""), port
}

// merge makes one arrow of those that carry the same names to one box.
func (g *graph) merge() {
	type carried struct {
		from, to, rules    string
		all, proxy, backup bool
	}
	have := make(map[carried]*arrow)
	g.order = slices.DeleteFunc(g.order, func(a *arrow) bool {
		key := carried{a.from.key, a.to.key, strings.Join(a.rules, "\n"), a.all, a.proxy, a.backup}
		first := have[key]
		if first == nil {
			have[key] = a
			return false
		}
		first.ports = append(first.ports, a.ports...)
		if a.way == string(routes.TLS) {
			first.way = a.way
		}
		return true
	})
}

// levels puts each box into a column: proxies behind those that lead to them, and
// all that they lead to at last into the last. An arrow that would lead back, by
// another way than the one that leads there, ends in a box that says so.
func (g *graph) levels() {
	for _, a := range g.order {
		a.from.out = append(a.from.out, a)
	}
	const open, done = 1, 2
	state := make(map[*node]int)
	var sorted []*node // Who is led to, before who leads.
	var visit func(n *node)
	visit = func(n *node) {
		state[n] = open
		for _, a := range n.out {
			if state[a.to] == open {
				a.to = g.node(end, "end circle "+a.from.key+" "+a.to.key, n.band, a.to.title, "in a circle")
			}
			if state[a.to] == 0 {
				visit(a.to)
			}
		}
		state[n] = done
		sorted = append(sorted, n)
	}
	for _, n := range slices.Clone(g.nodes) {
		if state[n] == 0 {
			visit(n)
		}
	}
	last := 1
	for _, n := range slices.Backward(sorted) {
		if n.sort == proxy {
			n.level = max(n.level, 1)
			last = max(last, n.level+1)
		}
		for _, a := range n.out {
			a.to.level = max(a.to.level, n.level+1)
		}
	}
	for _, n := range g.nodes {
		if n.sort != proxy && n.sort != internet {
			n.level = last
		}
	}
	for _, a := range g.order {
		a.to.in = append(a.to.in, a)
	}
}
