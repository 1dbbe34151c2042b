package desired

import (
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
	if e.TLS.Routes == nil {
		e.TLS.Routes = map[string]Target{}
	}
	e.TLS.Routes[x.Name] = Target{Text: string(g.id) + ":" + strconv.Itoa(x.Port)}
	if src.Layer == "" {
		src.Layer = string(g.id)
	}
	e.set[path] = src
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
		for _, e := range l.edges {
			if e.name == x.Via {
				return e
			}
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
