package desired

import (
	"maps"
	"slices"
	"strconv"
)

// expose adds the routes that a guest asks for.
func (l *loader) expose(g *guest) {
	nodes := g.items("expose")
	if g.bad["expose"] || len(nodes) != len(g.Expose) {
		return
	}
	for i := range g.Expose {
		x, src := &g.Expose[i], nodes[i].src()
		if x.Port == 0 && nodes[i].get("port") == nil {
			x.Port = 443
		}
		switch complaint := badRoute(x.Name); {
		case x.Name == "":
			l.wrong(g.item, src, "expose: name is missing: write the DNS name")
			continue
		case complaint != "":
			l.wrong(g.item, src, "expose: %s", complaint)
			continue
		case x.Port < 1 || x.Port > 65535:
			l.wrong(g.item, src, "expose: %d is no port: write 1 to 65535", x.Port)
			continue
		case x.HTTP < 0 || x.HTTP > 65535 || x.HTTP == 0 && nodes[i].get("http").says("0"):
			l.wrong(g.item, src, "expose: http: %d is no port: write 1 to 65535", x.HTTP)
			continue
		}
		if e := l.via(g, x, src); e != nil {
			l.exposeOn(g, x, src, e)
		}
	}
}

// A routeClaim is a name that a guest exposes on an edge, by TLS or by HTTP.
type routeClaim struct {
	edge, side, name string
	path             Path
	target           Target
	// server is where the upstream leads that the target names; of its own, so that
	// it is told who asks.
	server Target
	early  bool
	src    Source
}

// exposeOn routes the name, and its twin if it shall have one.
func (l *loader) exposeOn(g *guest, x *Expose, src Source, e *edge) {
	port := func(port int) Target { return Target{Text: string(g.id) + ":" + strconv.Itoa(port)} }
	claim := routeClaim{edge: e.name, side: "tls", name: x.Name, target: port(x.Port), early: x.Early, src: src}
	if x.ProxyProtocol {
		claim.server = claim.target
		claim.target = Target{Text: g.name + "." + strconv.Itoa(x.Port)}
	}
	l.checkRouted(g.item, src, "expose", "route", g.id)
	if e.At == string(g.id) {
		for _, port := range []int{x.Port, x.HTTP} {
			if n, round := l.round(e, "tls", l.addressOf(g.id), strconv.Itoa(port)); round {
				l.wrong(g.item, src, "expose: port %d is %s itself (%s, %s) and would go round for ever: write the service's own", port, e.id, n.field, n.src.place())
			}
		}
	}
	routed := l.claimRoute(g, e, claim)
	if x.HTTP != 0 && routed {
		l.claimRoute(g, e, routeClaim{edge: e.name, side: "http", name: x.Name, target: port(x.HTTP), early: x.Early, src: src})
	}
}

// claimRoute takes a name on one side of an edge; it tells whether it could.
func (l *loader) claimRoute(g *guest, e *edge, c routeClaim) bool {
	field := "expose"
	if c.side == "http" {
		field = "expose: http"
	}
	if !e.wrote(c.side) {
		def := map[string]string{"tls": RejectTarget, "http": RedirectTarget}[c.side]
		if !l.lost[e.id] && !e.explained("", c.side) {
			l.wrong(g.item, c.src, "%s: %s has no %s (%s): write %s: {default: %s} there", field, e.id, c.side, e.src.place(), c.side, def)
		}
		return false
	}
	path := Path("tls.routes")
	if c.side == "http" {
		path = "http.routes"
	}
	c.path = path.Sub(c.name)
	if has, twice := e.set.lookup(c.path); twice && has.stands(c.src) {
		l.wrong(g.item, c.src, "%s: %s would be the name of several guests: take it out here, and route it at the Edge", field, c.name)
		return false
	} else if twice {
		l.wrong(g.item, c.src, "%s: %s is routed to %s already (%s): keep one", field, c.name, (*e.routesOf(c.side))[c.name], has.place())
		return false
	}
	if c.src.Layer == "" {
		c.src.Layer = string(g.id)
	}
	e.route(c)
	g.routes = append(g.routes, c)
	return true
}

// claimRoutes exposes a settled guest's names again.
func (l *loader) claimRoutes(g *guest) {
	for _, c := range g.settled.routes {
		e := l.edgeCalled(c.edge)
		if e == nil || !e.wrote(c.side) {
			l.doubt = true
			return
		}
		if _, has := e.set.lookup(c.path); has {
			l.doubt = true
		}
		e.route(c)
	}
}

// routesOf are the names of a side.
func (e *edge) routesOf(side string) *map[string]Target {
	if side == "http" {
		return &e.HTTP.Routes
	}
	return &e.TLS.Routes
}

// route sends a name to a guest that exposes it.
func (e *edge) route(c routeClaim) {
	routes := e.routesOf(c.side)
	if *routes == nil {
		*routes = map[string]Target{}
	}
	(*routes)[c.name] = c.target
	e.set.put(c.path, c.src)
	if c.early {
		if e.Early == nil {
			e.Early = map[Path]bool{}
		}
		e.Early[c.path] = true
	}
	if c.server != (Target{}) {
		e.exposed(c.target.Text, c.server, c.src)
	}
}

// exposed adds the upstream of a guest that wants to be told who asks.
func (e *edge) exposed(name string, server Target, src Source) {
	if _, has := e.Upstreams[name]; has {
		return
	}
	if e.Upstreams == nil {
		e.Upstreams = map[string]Upstream{}
	}
	e.Upstreams[name] = Upstream{Servers: Servers{{To: server, Weight: 1}}, ProxyProtocol: true, Connect: usualConnect, Idle: usualIdle}
	for _, word := range []string{"servers", "proxyProtocol", "keepalive", "connect", "idle"} {
		e.set.put(Path("upstreams").Sub(name).Sub(word), src)
	}
}

// room makes an edge ready for so many names more.
func (e *edge) room(names int) {
	e.set.room(names)
	routes := make(map[string]Target, len(e.TLS.Routes)+names)
	maps.Copy(routes, e.TLS.Routes)
	e.TLS.Routes = routes
}

// edgeCalled finds an edge by its name; nil if there is none.
func (l *loader) edgeCalled(name string) *edge {
	for _, e := range l.edges {
		if e.name == name {
			return e
		}
	}
	return nil
}

// via finds the edge that a name is exposed on; nil if there is none, which has
// been reported.
func (l *loader) via(g *guest, x *Expose, src Source) *edge {
	if x.Via == "" && len(l.edges) == 1 {
		x.Via = l.edges[0].name
		return l.edges[0]
	}
	var names []candidate
	if x.Via == "" {
		names = l.documents(KindEdge)
	}
	switch {
	case x.Via != "":
		if e := l.edgeCalled(x.Via); e != nil {
			return e
		}
		if !l.exists(MakeID(KindEdge, x.Via)) {
			l.wrong(g.item, src, "expose: %s", l.missing("edge", x.Via, l.documents(KindEdge)))
		}
	case l.lostAny || l.lostKind(KindEdge):
	case len(names) == 0:
		l.wrong(g.item, src, "expose: there is no Edge to route %s: write one", x.Name)
	default:
		all := make([]string, len(names))
		for i, n := range names {
			all[i] = n.name
		}
		slices.Sort(all)
		l.wrong(g.item, src, "expose: via is missing: write %s", oneOf(all))
	}
	return nil
}
