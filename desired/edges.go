package desired

import (
	"slices"
	"strings"
	"time"
)

// An edge is an Edge being loaded.
type edge struct {
	*item
	*Edge
	// listeners are what it listens on, and uses where its upstreams are led to.
	listeners []listener
	uses      map[string][]upstreamUse
}

// edgeDocuments reads the edges, and the names that guests expose.
func (l *loader) edgeDocuments() {
	for _, doc := range l.docs {
		if doc.kind.word != "Edge" {
			continue
		}
		e := &edge{Edge: &Edge{}}
		e.item = l.open(doc, e.Edge, l.defaults["Edge"])
		e.Name = doc.name
		l.edges = append(l.edges, e)
		l.checkEdge(e)
		l.checkIgnore(e.item, e.kind)
	}
	slices.SortFunc(l.edges, func(a, b *edge) int { return strings.Compare(a.name, b.name) })
	l.together()
	names := 0
	for _, g := range l.guests {
		names += len(g.Expose)
	}
	if names > 0 && len(l.edges) == 1 {
		l.edges[0].room(names)
	}
	for _, g := range l.guests {
		if g.settled != nil {
			l.claimRoutes(g)
		} else {
			l.expose(g)
		}
	}
	for _, e := range l.edges {
		l.names(e)
	}
}

// wrote tells whether something is written at keys, be it right or wrong; null is
// nothing.
func (e *edge) wrote(keys ...string) bool { return e.merged.find(keys...) != nil }

// follow sets what follows from elsewhere, unless the manifest says it; it tells
// whether it does not.
func (e *edge) follow(path Path, src Source) bool {
	if e.has(path) {
		return false
	}
	e.set.put(path, src)
	return true
}

func (l *loader) checkEdge(e *edge) {
	l.edgePlace(e)
	l.nginx(e)
	l.probe(e)
	l.side(e, "tls", &e.TLS.Listen, e.TLS.ProxyProtocol, "443")
	l.side(e, "http", &e.HTTP.Listen, e.HTTP.ProxyProtocol, "80")
	l.ports(e, "tcp", e.TCP)
	l.ports(e, "udp", e.UDP)
	l.upstreams(e)
	l.sideTargets(e, "tls", e.TLS.Default, e.TLS.Routes)
	l.sideTargets(e, "http", e.HTTP.Default, e.HTTP.Routes)
	l.portTargets(e, "tcp", e.TCP)
	l.portTargets(e, "udp", e.UDP)
	l.useOfUpstreams(e)
	if !e.wrote("tls") && !e.wrote("http") && !e.wrote("tcp") && !e.wrote("udp") && !e.explained("", "tls") {
		l.wrong(e.item, e.src, "tls is missing: write tls: {default: reject}, or http, tcp or udp")
	}
}

// edgePlace checks where nginx runs.
func (l *loader) edgePlace(e *edge) {
	if e.At == "" {
		e.At = atLocal
	}
	if e.At == atLocal {
		return
	}
	src := e.at("at")
	if !strings.Contains(e.At, "/") && !l.isGuestName(e.At) {
		l.wrong(e.item, src, "at: %q: write local, vm/NAME, ct/NAME or host/NAME", e.At)
		return
	}
	doc, ok := l.reference(e.item, src, "at", e.At, KindVM, KindContainer, KindHost)
	if !ok || !doc.kind.guest() {
		return
	}
	if l.checkRunning(e.item, src, "at", doc.id, "take the edge out, or let it run") {
		l.checkReachable(e.item, src, "at", doc.id)
	}
}

// atLocal is the agent's own host.
const atLocal = "local"

// isGuestName tells whether a guest or Host has a name.
func (l *loader) isGuestName(name string) bool {
	return l.named[MakeID(KindVM, name)] != nil || l.named[MakeID(KindContainer, name)] != nil || l.named[MakeID(KindHost, name)] != nil
}

// side checks how tls or http is listened to.
func (l *loader) side(e *edge, word string, listen *List, trust Trust, port string) {
	if !e.wrote(word) {
		return
	}
	at := Path(word).Sub("listen")
	if len(*listen) == 0 && !e.bad[at] {
		*listen = List{port}
		e.set.put(at, e.key(word))
		l.listen(e, string(at), port, e.key(word))
	}
	for _, node := range e.items(word, "listen") {
		if node.form == scalarForm {
			l.listen(e, string(at), node.text, node.src())
		}
	}
	l.trust(e, word, trust)
}

// probe says how names are asked unless the manifest does.
func (l *loader) probe(e *edge) {
	if !e.has("probe.timeout") {
		e.Probe.Timeout = Duration(3 * time.Second)
	} else if e.Probe.Timeout <= 0 && !e.bad["probe.timeout"] {
		l.wrong(e.item, e.at("probe", "timeout"), "probe.timeout: nothing answers in no time: write 1s or more")
	}
	if !e.has("probe.sample") {
		e.Probe.Sample = 20
	} else if e.Probe.Sample < 0 {
		l.wrong(e.item, e.at("probe", "sample"), "probe.sample: %d: write 0 or more", e.Probe.Sample)
	}
}

// guest finds a guest that is being loaded; nil if there is none.
func (l *loader) guest(id ID) *guest {
	i, ok := slices.BinarySearchFunc(l.guests, id, func(g *guest, id ID) int { return strings.Compare(string(g.id), string(id)) })
	if !ok {
		return nil
	}
	return l.guests[i]
}

// lostKind tells whether a document of a kind could not be read.
func (l *loader) lostKind(short string) bool {
	for id := range l.lost {
		if id.Kind() == short {
			return true
		}
	}
	return false
}
