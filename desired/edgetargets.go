package desired

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// An aim is what is being checked where it leads: a field of an edge, and what may
// stand there.
type aim struct {
	field string
	// side is tls, http, tcp or udp; "" for the server of an upstream.
	side string
	src  Source
	// port is one that a target there usually has, for what to write.
	port string
}

// called is what is being checked.
func (a aim) called() string {
	if a.side == "" {
		return "server"
	}
	return "route"
}

// write says what may be written.
func (a aim) write() string {
	switch a.side {
	case "tls":
		return "kind/name:port, address:port, an upstream or reject"
	case "http":
		return "kind/name:port, address:port, an upstream, redirect or reject"
	case "":
		return "kind/name:port or address:port"
	default:
		return "kind/name:port, address:port or an upstream"
	}
}

// sideTargets checks where the names of tls or http lead, and all others.
func (l *loader) sideTargets(e *edge, side string, def Target, routes map[string]Target) {
	if !e.wrote(side) {
		return
	}
	port := map[string]string{"tls": "443", "http": "80"}[side]
	at := Path(side)
	switch {
	case def.Text != "":
		l.target(e, aim{side + ".default", side, e.at(side, "default"), port}, def)
	case !e.explained(at, "default"):
		l.wrong(e.item, e.key(side), "%s.default is missing: write where all other names go, %s", side, aim{side: side}.write())
	}
	for _, name := range sortedKeys(routes) {
		path := at.Sub("routes").Sub(name)
		if complaint := badRoute(name); complaint != "" {
			l.wrong(e.item, e.key(side, "routes", name), "%s.routes: %s", side, complaint)
		}
		if !e.bad[path] {
			l.target(e, aim{string(path), side, e.at(side, "routes", name), port}, routes[name])
		}
	}
}

// portTargets checks where the ports of tcp or udp lead.
func (l *loader) portTargets(e *edge, side string, ports map[string]Target) {
	for _, key := range sortedKeys(ports) {
		if path := Path(side).Sub(key); !e.bad[path] {
			l.target(e, aim{string(path), side, e.at(side, key), key[strings.LastIndexByte(key, ':')+1:]}, ports[key])
		}
	}
}

// target checks where a field leads.
func (l *loader) target(e *edge, a aim, t Target) {
	if _, named := e.Upstreams[t.Text]; named && a.side != "" {
		e.use(t.Text, a)
		return
	}
	switch t.Text {
	case RejectTarget, RedirectTarget:
		l.nowhere(e, a, t)
		return
	}
	if strings.Contains(t.Text, "://") {
		l.wrong(e.item, a.src, "%s: %q is a URL: write %s", a.field, t.Text, a.write())
		return
	}
	i := strings.LastIndexByte(t.Text, ':')
	if i < 0 || strings.HasSuffix(t.Text, "]") || isAddress(t.Text) && !isAddress(t.Text[:i]) {
		l.portless(e, a, t.Text)
		return
	}
	host, port := t.Text[:i], t.Text[i+1:]
	switch {
	case !strings.Contains(host, "/"):
		if addr, ok := l.addressTarget(e, a, t, host, port); ok && l.portTarget(e, a, t, port) {
			l.loop(e, a, t, addr, port)
		}
	case l.portTarget(e, a, t, port):
		doc, ok := l.reference(e.item, a.src, a.field, host, KindVM, KindContainer, KindHost)
		if !ok {
			return
		}
		if doc.kind.guest() {
			l.checkRouted(e.item, a.src, a.field, a.called(), doc.id)
		}
		if e.At == host {
			l.loop(e, a, t, l.addressOf(doc.id), port)
		}
	}
}

// isAddress tells whether a text is an address and nothing else.
func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// nowhere checks where reject and redirect stand.
func (l *loader) nowhere(e *edge, a aim, t Target) {
	switch {
	case t.Text == RejectTarget && (a.side == "tls" || a.side == "http"), a.side == "http":
	case a.side == "tls":
		l.wrong(e.item, a.src, "%s: redirect is for http, where a name is sent to this side: write %s", a.field, a.write())
	default:
		l.wrong(e.item, a.src, "%s: %q can't stand here: write %s", a.field, t.Text, a.write())
	}
}

// portless is for a target that has no port, and is no upstream.
func (l *loader) portless(e *edge, a aim, text string) {
	addr, complaint := parseHost(text)
	switch {
	case complaint == "" || complaint == notSo:
		l.wrong(e.item, a.src, "%s: %q lacks its port: write %s:%s", a.field, text, hostOf(addr), a.port)
	case strings.Contains(text, "/") && slices.Contains([]string{KindVM, KindContainer, KindHost}, ID(text).Kind()):
		l.wrong(e.item, a.src, "%s: %q lacks its port: write %s:%s", a.field, text, text, a.port)
	case l.kindless(e, a, text, text, text+":"+a.port):
	case a.side == "" && e.Upstreams[text].Servers != nil:
		l.wrong(e.item, a.src, "%s: %q is an upstream itself: write %s", a.field, text, a.write())
	case a.side == "" || !isUpstream(text) || len(e.Upstreams) == 0 && !e.bad["upstreams"]:
		l.wrong(e.item, a.src, "%s: %q: write %s", a.field, text, a.write())
	case e.wrote("upstreams", text) || e.bad["upstreams"]:
		// It has been reported there.
	default:
		var all []candidate
		for _, name := range slices.DeleteFunc(sortedKeys(e.Upstreams), func(name string) bool { return !isUpstream(name) }) {
			all = append(all, candidate{name, e.key("upstreams", name)})
		}
		l.wrong(e.item, a.src, "%s: %s", a.field, l.missing("upstream", text, all))
	}
}

// kindless is for a target that begins with the name of a guest, without its kind; it
// tells whether it does. rest is what is to stand behind the kind.
func (l *loader) kindless(e *edge, a aim, text, name, rest string) bool {
	lacks := "kind"
	if text != rest {
		lacks = "kind and port"
	}
	for _, kind := range []string{KindVM, KindContainer, KindHost} {
		if l.named[MakeID(kind, name)] != nil {
			l.wrong(e.item, a.src, "%s: %q lacks its %s: write %s/%s", a.field, text, lacks, kind, rest)
			return true
		}
	}
	return false
}

func (l *loader) portTarget(e *edge, a aim, t Target, port string) bool {
	if isPort(port) {
		return true
	}
	l.wrong(e.item, a.src, "%s: %q: no such port: write 1 to 65535", a.field, t.Text)
	return false
}

// addressTarget checks the address of a target.
func (l *loader) addressTarget(e *edge, a aim, t Target, host, port string) (addr netip.Addr, ok bool) {
	addr, complaint := parseHost(host)
	switch {
	case host == "":
		l.wrong(e.item, a.src, "%s: %q: write %s", a.field, t.Text, a.write())
	case complaint == notAddress:
		if !l.kindless(e, a, t.Text, host, host+":"+cmp.Or(port, a.port)) {
			l.wrong(e.item, a.src, "%s: %q: nginx does not start when a name does not resolve: write an address, or kind/name:port", a.field, t.Text)
		}
	case complaint == notSo:
		l.wrong(e.item, a.src, "%s: %q: write %s:%s", a.field, t.Text, hostOf(addr), cmp.Or(port, a.port))
	case complaint != "":
		l.wrong(e.item, a.src, "%s: %q: %s", a.field, t.Text, complaint)
	case addr.IsUnspecified() || addr.IsMulticast():
		l.wrong(e.item, a.src, "%s: %q: %s is no machine's address: write that of one", a.field, t.Text, addr)
	default:
		return addr, true
	}
	return addr, false
}

// addressOf is where a guest or Host is reached, as far as its manifest tells; the
// zero address where only the guest itself can.
func (l *loader) addressOf(id ID) netip.Addr {
	text := ""
	if id.Kind() == KindHost {
		if h := l.fleet.Hosts[id.Name()]; h != nil {
			text = h.Address
		}
	} else if g := l.guest(id); g != nil {
		text, _ = g.address()
	}
	addr, _ := netip.ParseAddr(text)
	return addr
}

// loop refuses what comes back to where the edge itself listens.
func (l *loader) loop(e *edge, a aim, t Target, addr netip.Addr, port string) {
	if n, round := l.round(e, a.side, addr, port); round {
		l.wrong(e.item, a.src, "%s: %s is this edge itself (%s, %s) and would go round for ever: write where the service is", a.field, t.Text, n.field, n.src.place())
	}
}

// round finds where an edge listens to what it would send to an address, which is
// the zero one where its own machine is meant and has no known address.
func (l *loader) round(e *edge, side string, addr netip.Addr, port string) (n listener, round bool) {
	own := !addr.IsValid() || addr.IsLoopback() || e.At != atLocal && addr == l.addressOf(ID(e.At))
	for _, n := range e.listeners {
		switch {
		case strconv.Itoa(n.port) != port || n.udp != (side == "udp"):
		case addr.IsValid() && (n.addr == addr || own && n.takes(addr)), !addr.IsValid() && n.wide():
			return n, true
		}
	}
	return listener{}, false
}

// checkRunning refuses guests that do not run; it tells whether one does.
func (l *loader) checkRunning(it *item, src Source, field string, id ID, remedy string) bool {
	g := l.guest(id)
	if g == nil || g.State == Running || g.bad["state"] {
		return true
	}
	l.wrong(it, src, "%s: %s is %s (%s): %s", field, id, g.State, g.set.at("state").place(), remedy)
	return false
}

// checkRouted refuses routes, or servers, that are guests which can't answer.
func (l *loader) checkRouted(it *item, src Source, field, what string, id ID) {
	if l.checkRunning(it, src, field, id, "take the "+what+" out, or let it run") {
		l.checkReachable(it, src, field, id)
	}
}

// checkReachable refuses guests that have no address.
func (l *loader) checkReachable(it *item, src Source, field string, id ID) {
	g := l.guest(id)
	switch {
	case g == nil:
	case len(g.Networks) == 0 && !g.bad["networks"]:
		l.wrong(it, src, "%s: %s has no network, so no address: give it net0", field, id)
	case g.Networks[firstNIC(g.Networks)].Address == "none":
		l.wrong(it, src, "%s: %s has address: none: give it one", field, id)
	}
}

// badRoute says what is wrong with a name that is routed.
func badRoute(name string) string {
	bare := strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	quoted := strconv.Quote(name)
	_, err := netip.ParseAddr(bare)
	meant := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(name), "https://"), "http://")
	meant = strings.TrimSuffix(strings.TrimSuffix(meant, "/"), ".")
	switch {
	case name == "*":
		return quoted + ": all other names go to default: write that"
	case meant != strings.ToLower(name) && badRoute(meant) == "":
		return quoted + ": write " + meant
	case strings.Contains(bare, "*") || strings.HasPrefix(name, "*") && !strings.HasPrefix(name, "*.") || strings.HasPrefix(name, "~"):
		return quoted + ": nginx has no such pattern here: write *.name for all below a name, .name for it and all below it, or the names themselves"
	case bare != strings.ToLower(bare) && isRoute(strings.ToLower(bare)):
		return quoted + ": write " + strings.ToLower(name) + ", names are compared in lower case"
	case !isRoute(bare) || len(bare) > 253:
		return quoted + ": write a DNS name, .name for it and all below it, or *.name for all below it"
	case err == nil:
		return quoted + ": this is an address: who asks for one gets what default says"
	case slices.Contains([]string{"default", "hostnames", "include", "volatile"}, bare):
		return quoted + ": nginx has a use of its own for this word: write the whole name"
	case bare == keptDomain || strings.HasSuffix(bare, "."+keptDomain):
		return fmt.Sprintf("%s: %s is kept for Berth's own use: write another", quoted, keptDomain)
	}
	return ""
}

// keptDomain is where the names are that the agent itself asks nginx for.
const keptDomain = "berth.invalid"
