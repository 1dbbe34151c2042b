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
		x, src := &g.Expose[i], nodes[i].src
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
		}
		if e := l.via(g, x, src); e != nil {
			l.exposeOn(g, x, src, e)
		}
	}
}

func (l *loader) exposeOn(g *guest, x *Expose, src Source, e *edge) {
	path := Path("tls.routes").Sub(x.Name)
	if has, twice := e.set[path]; twice && has.stands(src) {
		l.wrong(g.item, src, "expose: %s would be the name of several guests: take it out here, and route it at the Edge", x.Name)
		return
	} else if twice {
		l.wrong(g.item, src, "expose: %s is routed to %s already (%s): keep one", x.Name, e.TLS.Routes[x.Name], has.place())
		return
	}
	l.checkRouted(g.item, src, "expose", g.id)
	if src.Layer == "" {
		src.Layer = string(g.id)
	}
	c := routeClaim{edge: e.name, name: x.Name, path: path, target: Target{Text: string(g.id) + ":" + strconv.Itoa(x.Port)}, src: src}
	e.route(c)
	g.routes = append(g.routes, c)
}

// route sends a name to a guest that exposes it.
func (e *edge) route(c routeClaim) {
	if e.TLS.Routes == nil {
		e.TLS.Routes = map[string]Target{}
	}
	e.TLS.Routes[c.name] = c.target
	e.set[c.path] = c.src
}

// room makes an edge ready for so many names more.
func (e *edge) room(names int) {
	set := make(map[Path]Source, len(e.set)+names)
	maps.Copy(set, e.set)
	e.set = set
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
