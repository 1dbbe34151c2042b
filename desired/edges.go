package desired

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// rejectTarget closes connections.
const rejectTarget = "reject"

// An edge is an Edge being loaded.
type edge struct {
	*item
	*Edge
	// upstreams are named ones, which can't be done yet: what names them has
	// been reported where they are.
	upstreams []string
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
		if t := e.merged.get("upstreams"); t != nil {
			for _, up := range t.entries {
				e.upstreams = append(e.upstreams, up.key)
			}
		}
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

func (l *loader) checkEdge(e *edge) {
	switch {
	case e.At == "":
		e.At = "local"
	case e.At != "local":
		l.wrong(e.item, e.at("at"), "at: %q: an edge on another machine is not built yet: run the agent beside nginx and write local", e.At)
	}
	l.nginxDefaults(e)
	if len(e.TLS.Listen) == 0 && !e.bad["tls.listen"] {
		e.TLS.Listen = List{"443"}
		e.set["tls.listen"] = e.src
	}
	listens := map[string]bool{}
	for _, node := range e.items("tls", "listen") {
		if listens[node.text] && node.form == scalarForm {
			l.wrong(e.item, node.src, "tls.listen: %q stands here twice: keep one", node.text)
		}
		listens[node.text] = true
		if complaint := badListen(node.text); complaint != "" && node.form == scalarForm {
			l.wrong(e.item, node.src, "tls.listen: %s", complaint)
		}
	}
	switch {
	case e.TLS.Default.Text != "":
		l.checkTarget(e, "tls.default", e.at("tls", "default"), e.TLS.Default)
	case e.own.get("tls") == nil && (e.TCP != nil || e.UDP != nil):
		// An edge for ports alone, which can't be done yet.
	case !e.explained("tls", "default") && (e.own.get("tls") != nil || !e.explained("", "tls")):
		l.wrong(e.item, e.key("tls"), "tls.default is missing: write where all other names go, kind/name:port or reject")
	}
	for _, name := range sortedKeys(e.TLS.Routes) {
		field := string(Path("tls.routes").Sub(name))
		if complaint := badRoute(name); complaint != "" {
			l.wrong(e.item, e.key("tls", "routes", name), "tls.routes: %s", complaint)
		}
		if !e.bad[Path(field)] {
			l.checkTarget(e, field, e.at("tls", "routes", name), e.TLS.Routes[name])
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
	}{{"stream", &n.Stream, "/etc/nginx/berth/stream.conf"}, {"config", &n.Config, "/etc/nginx/nginx.conf"}} {
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
	case strings.HasPrefix(name, "*.") && isRoute(name[2:]):
		return strconv.Quote(name) + ": wildcards are not built yet: for the name and all below it write " + name[1:]
	case strings.Contains(name, "*") || strings.HasPrefix(name, "~"):
		return strconv.Quote(name) + ": patterns are not built yet: write the names out"
	case bare != strings.ToLower(bare) && isRoute(strings.ToLower(bare)):
		return strconv.Quote(name) + ": write " + strings.ToLower(name) + ", names are compared in lower case"
	case !isRoute(bare) || len(bare) > 253:
		return strconv.Quote(name) + ": write a DNS name, or .name for it and all below it"
	}
	return ""
}

// checkTarget checks where a route goes.
func (l *loader) checkTarget(e *edge, field string, src Source, t Target) {
	if t.Text == rejectTarget || slices.Contains(e.upstreams, t.Text) {
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
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case err == nil && !addr.Is4():
		l.wrong(e.item, src, "%s: %q: IPv6 is not built yet: write an IPv4 address", field, t.Text)
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

// checkRouted refuses routes to guests that can't answer.
func (l *loader) checkRouted(it *item, src Source, field string, id ID) {
	g := l.guest(id)
	switch {
	case g == nil:
	case g.State != Running && !g.bad["state"]:
		l.wrong(it, src, "%s: %s is %s (%s): take the route out, or let it run", field, id, g.State, g.set["state"].place())
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
