package desired

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An edge is an Edge being loaded.
type edge struct {
	*item
	*Edge
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
	l.clashes()
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
}

// clashes refuses two edges that keep one file or listen in one place: all are
// on the agent's own machine.
func (l *loader) clashes() {
	files, listens := map[string]taken{}, map[string]taken{}
	for _, e := range l.edges {
		if has, ok := files[e.Nginx.Stream]; ok {
			l.wrong(e.item, e.at("nginx", "stream"), "nginx.stream: %s is %s's file (%s): write another", e.Nginx.Stream, has.id, has.src.place())
			continue
		}
		files[e.Nginx.Stream] = taken{e.id, e.at("nginx", "stream")}
		for _, listen := range e.TLS.Listen {
			if has, ok := listens[listen]; ok && has.id != e.id {
				l.wrong(e.item, e.at("tls", "listen"), "tls.listen: %s is %s's (%s): write another", listen, has.id, has.src.place())
			}
			listens[listen] = taken{e.id, e.at("tls", "listen")}
		}
	}
}

// wrote tells whether something is written at keys, be it right or wrong; null is
// nothing.
func (e *edge) wrote(keys ...string) bool { return e.merged.find(keys...) != nil }

func (l *loader) checkEdge(e *edge) {
	l.edgePlace(e)
	l.nginxDefaults(e)
	l.probeDefaults(e)
	l.edgeUpstreams(e)
	if e.wrote("tls") {
		l.edgeSide(e, &side{word: "tls", listen: &e.TLS.Listen, port: "443", trust: &e.TLS.ProxyProtocol, def: e.TLS.Default, routes: e.TLS.Routes})
	}
	if e.wrote("http") {
		l.edgeSide(e, &side{word: "http", listen: &e.HTTP.Listen, port: "80", trust: &e.HTTP.ProxyProtocol, def: e.HTTP.Default, routes: e.HTTP.Routes})
	}
	l.edgePorts(e)
	if !e.wrote("tls") && !e.wrote("http") && !e.wrote("tcp") && !e.wrote("udp") && !e.explained("", "tls") {
		l.wrong(e.item, e.src, "tls is missing: write tls: {default: reject}, or http, tcp or udp")
	}
}

// edgePlace checks where nginx runs.
func (l *loader) edgePlace(e *edge) {
	switch {
	case e.At == "":
		e.At = "local"
	case e.At != "local":
		if doc, ok := l.reference(e.item, e.merged.get("at").src, "at", e.At, KindVM, KindContainer, KindHost); ok && doc.kind.guest() {
			l.checkRunning(e.item, e.merged.get("at").src, "at", doc.id, "take the edge out, or let it run")
		}
	}
}

// A side is an edge's tls or http.
type side struct {
	word   string
	listen *List
	port   string
	trust  *Trust
	def    Target
	routes map[string]Target
}

func (l *loader) edgeSide(e *edge, s *side) {
	if len(*s.listen) == 0 && !e.bad[Path(s.word).Sub("listen")] {
		*s.listen = List{s.port}
		e.set[Path(s.word).Sub("listen")] = e.key(s.word)
	}
	listens := map[string]bool{}
	for _, node := range e.items(s.word, "listen") {
		if listens[node.text] && node.form == scalarForm {
			l.wrong(e.item, node.src, "%s.listen: %q stands here twice: keep one", s.word, node.text)
		}
		listens[node.text] = true
		if complaint := badListen(node.text); complaint != "" && node.form == scalarForm {
			l.wrong(e.item, node.src, "%s.listen: %s", s.word, complaint)
		}
	}
	switch {
	case s.def.Text != "":
		l.checkTarget(e, s.word+".default", e.at(s.word, "default"), s.def)
	case !e.explained(Path(s.word), "default"):
		l.wrong(e.item, e.key(s.word), "%s.default is missing: write where all other names go, kind/name:port or reject", s.word)
	}
	for _, name := range sortedKeys(s.routes) {
		field := string(Path(s.word).Sub("routes").Sub(name))
		if complaint := badRoute(name); complaint != "" {
			l.wrong(e.item, e.key(s.word, "routes", name), "%s.routes: %s", s.word, complaint)
		}
		if !e.bad[Path(field)] {
			l.checkTarget(e, field, e.at(s.word, "routes", name), s.routes[name])
		}
	}
}

// probeDefaults are how names are asked unless the manifest says otherwise.
func (*loader) probeDefaults(e *edge) {
	if e.Probe.Timeout == 0 && !e.item.has("probe.timeout") {
		e.Probe.Timeout = Duration(3 * time.Second)
	}
	if e.Probe.Sample == 0 && !e.item.has("probe.sample") {
		e.Probe.Sample = 20
	}
}

// edgeUpstreams checks upstreams, and sets all that nginx's file shows of them.
func (l *loader) edgeUpstreams(e *edge) {
	for _, name := range sortedKeys(e.Upstreams) {
		at := Path("upstreams").Sub(name)
		if e.bad[at] {
			continue
		}
		up := e.Upstreams[name]
		src := e.key("upstreams", name)
		if !isUpstream(name) {
			l.wrong(e.item, src, "upstreams: %q: write a-z, 0-9 and - inside, the first a letter; reject and redirect are taken", name)
		}
		nodes := e.items("upstreams", name, "servers")
		if len(up.Servers) == 0 && !e.explained(at, "servers") {
			l.wrong(e.item, src, "%s.servers is missing: write where it leads, as in [\"vm/web-1:443\"]", at)
		}
		for i := range up.Servers {
			up.Servers[i].Weight = max(up.Servers[i].Weight, 1)
			if len(nodes) == len(up.Servers) {
				l.checkTarget(e, string(at.Sub("servers")), nodes[i].src, up.Servers[i].To)
			}
		}
		e.follow(at.Sub("proxyProtocol"), src)
		e.follow(at.Sub("keepalive"), src)
		if e.follow(at.Sub("connect"), src) {
			up.Connect = usualConnect
		}
		if e.follow(at.Sub("idle"), src) {
			up.Idle = usualIdle
		}
		e.Upstreams[name] = up
	}
}

// How upstreams are spoken to, unless they say otherwise.
const (
	usualConnect = Duration(5 * time.Second)
	usualIdle    = Duration(10 * time.Minute)
)

// follow sets what follows from elsewhere, unless the manifest says it.
func (e *edge) follow(path Path, src Source) bool {
	if e.item.has(path) {
		return false
	}
	e.set[path] = src
	return true
}

// isUpstream tells whether a text can be the name of an upstream: nothing that
// looks like an address, a port or another target.
func isUpstream(name string) bool {
	return isName(name) && lower(name[0]) && name != RejectTarget && name != RedirectTarget
}

// edgePorts checks the further ports.
func (l *loader) edgePorts(e *edge) {
	for _, proto := range []struct {
		word  string
		ports map[string]Target
	}{{"tcp", e.TCP}, {"udp", e.UDP}} {
		for _, port := range sortedKeys(proto.ports) {
			if complaint := badListen(port); complaint != "" {
				l.wrong(e.item, e.key(proto.word, port), "%s: %s", proto.word, complaint)
			}
			if field := string(Path(proto.word).Sub(port)); !e.bad[Path(field)] {
				l.checkTarget(e, field, e.at(proto.word, port), proto.ports[port])
			}
		}
	}
}

// nginxDefaults are Debian's ways.
func (l *loader) nginxDefaults(e *edge) {
	n := &e.Nginx
	for _, f := range []struct {
		word string
		to   *string
		def  string
	}{{"stream", &n.Stream, "/etc/nginx/berth/stream.conf"}, {"http", &n.HTTP, "/etc/nginx/berth/http.conf"}, {"config", &n.Config, "/etc/nginx/nginx.conf"}} {
		if *f.to == "" {
			*f.to = f.def
		} else if !strings.HasPrefix(*f.to, "/") || strings.ContainsAny(*f.to, "\n\"';{} ") {
			l.wrong(e.item, e.at("nginx", f.word), "nginx.%s: %q: write a whole path", f.word, *f.to)
		}
	}
	if len(n.Test) == 0 {
		n.Test = List{"nginx", "-t"}
	}
	if len(n.Reload) == 0 {
		n.Reload = List{"nginx", "-s", "reload"}
	}
	if n.Engine == "" && !e.item.has("nginx.engine") {
		n.Engine = "docker"
	}
}

// badListen says what is wrong with a port or address:port.
func badListen(text string) string {
	port := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		port = text[i+1:]
		if _, err := netip.ParseAddr(strings.Trim(text[:i], "[]")); err != nil {
			return strconv.Quote(text) + `: write a port, or an address and a port as in "10.1.1.4:443"`
		}
	}
	if !isPort(port) {
		return strconv.Quote(text) + ": no such port: write 1 to 65535"
	}
	return ""
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535 && whole(text)
}

// badRoute says what is wrong with a name that is routed.
func badRoute(name string) string {
	bare := strings.TrimPrefix(name, ".")
	switch {
	case strings.HasPrefix(name, "*.") && isRoute(name[2:]) && len(name) <= 255:
	case strings.Contains(name, "*") || strings.HasPrefix(name, "~"):
		return strconv.Quote(name) + ": nginx knows no such pattern here: write the names out, or .name for it and all below it"
	case bare != strings.ToLower(bare) && isRoute(strings.ToLower(bare)):
		return strconv.Quote(name) + ": write " + strings.ToLower(name) + ", names are compared in lower case"
	case !isRoute(bare) || len(bare) > 253:
		return strconv.Quote(name) + ": write a DNS name, or .name for it and all below it"
	}
	return ""
}

// checkTarget checks where a route goes.
func (l *loader) checkTarget(e *edge, field string, src Source, t Target) {
	_, upstream := e.Upstreams[t.Text]
	if upstream || t.Text == RejectTarget || t.Text == RedirectTarget && strings.HasPrefix(field, "http.") {
		return
	}
	i := strings.LastIndexByte(t.Text, ':')
	if i < 0 {
		l.wrong(e.item, src, "%s: %q: write kind/name:port, address:port or reject", field, t.Text)
		return
	}
	host, port := t.Text[:i], t.Text[i+1:]
	if !isPort(port) {
		l.wrong(e.item, src, "%s: %q: no such port: write 1 to 65535", field, t.Text)
		return
	}
	if !strings.Contains(host, "/") {
		l.checkTargetAddress(e, field, src, t, host)
		return
	}
	doc, ok := l.reference(e.item, src, field, host, KindVM, KindContainer, KindHost)
	if ok && doc.kind.guest() {
		l.checkRouted(e.item, src, field, doc.id)
	}
}

func (l *loader) checkTargetAddress(e *edge, field string, src Source, t Target, host string) {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case err == nil:
	default:
		for _, kind := range []string{KindVM, KindContainer, KindHost} {
			if l.named[MakeID(kind, host)] != nil {
				l.wrong(e.item, src, "%s: %q lacks its kind: write %s/%s", field, t.Text, kind, t.Text)
				return
			}
		}
		l.wrong(e.item, src, "%s: %q: nginx does not start when a name does not resolve: write an address, or kind/name:port", field, t.Text)
	}
}

// checkRunning refuses guests that do not run; it tells whether one does.
func (l *loader) checkRunning(it *item, src Source, field string, id ID, remedy string) bool {
	g := l.guest(id)
	if g == nil || g.State == Running || g.bad["state"] {
		return true
	}
	l.wrong(it, src, "%s: %s is %s (%s): %s", field, id, g.State, g.set["state"].place(), remedy)
	return false
}

// checkRouted refuses routes to guests that can't answer.
func (l *loader) checkRouted(it *item, src Source, field string, id ID) {
	g := l.guest(id)
	switch {
	case g == nil || !l.checkRunning(it, src, field, id, "take the route out, or let it run"):
	case len(g.Networks) == 0 && !g.bad["networks"]:
		l.wrong(it, src, "%s: %s has no network, so no address: give it net0", field, id)
	case g.Networks[firstNIC(g.Networks)].Address == "none":
		l.wrong(it, src, "%s: %s has address: none: give it one", field, id)
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
