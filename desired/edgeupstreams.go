package desired

import (
	"slices"
	"time"
)

// How upstreams are spoken to, unless they say otherwise.
const (
	usualConnect = Duration(5 * time.Second)
	usualIdle    = Duration(10 * time.Minute)
)

// patience is how long nginx can wait.
const patience = Duration(365 * 24 * time.Hour)

// most is how much a weight, or a number of connections, may be.
const most = 65535

// An upstreamUse is a field that leads to an upstream.
type upstreamUse struct{ aim }

// use notes that a field leads to an upstream.
func (e *edge) use(name string, a aim) {
	if e.uses == nil {
		e.uses = map[string][]upstreamUse{}
	}
	e.uses[name] = append(e.uses[name], upstreamUse{a})
}

// isUpstream tells whether a text can be the name of an upstream: nothing that
// looks like an address, a port or another target.
func isUpstream(name string) bool {
	return isName(name) && lower(name[0]) && name != RejectTarget && name != RedirectTarget
}

// upstreams checks upstreams, and sets all that nginx's file shows of them.
func (l *loader) upstreams(e *edge) {
	for _, name := range sortedKeys(e.Upstreams) {
		at, src := Path("upstreams").Sub(name), e.key("upstreams", name)
		if !isUpstream(name) {
			l.wrong(e.item, src, "upstreams: %q: write a-z, 0-9 and - inside, the first a letter, and neither reject nor redirect", name)
		}
		if e.bad[at] {
			continue
		}
		up := e.Upstreams[name]
		l.servers(e, name, up.Servers)
		l.bound(e, at.Sub("keepalive"), up.Keepalive, 0)
		e.follow(at.Sub("proxyProtocol"), src)
		e.follow(at.Sub("keepalive"), src)
		for _, d := range []struct {
			word  string
			to    *Duration
			usual Duration
		}{{"connect", &up.Connect, usualConnect}, {"idle", &up.Idle, usualIdle}} {
			switch path := at.Sub(d.word); {
			case e.follow(path, src):
				*d.to = d.usual
			case *d.to <= 0 && !e.bad[path]:
				l.wrong(e.item, e.set.at(path), "%s: nothing answers in no time: write 1s or more", path)
			case *d.to > patience && !e.bad[path]:
				l.wrong(e.item, e.set.at(path), "%s: %s is more than nginx reckons with: write %s or less", path, *d.to, patience)
			}
		}
		e.Upstreams[name] = up
	}
}

// bound refuses a number that is out of bounds.
func (l *loader) bound(e *edge, path Path, n, least int) {
	if _, set := e.set.lookup(path); set && (n < least || n > most) {
		l.wrong(e.item, e.set.at(path), "%s: %d: write %d to %d", path, n, least, most)
	}
}

// servers checks the servers of an upstream.
func (l *loader) servers(e *edge, name string, all Servers) {
	at := Path("upstreams").Sub(name).Sub("servers")
	nodes := e.items("upstreams", name, "servers")
	if e.bad[at] || len(nodes) != len(all) {
		return
	}
	if len(all) == 0 && !e.explained(Path("upstreams").Sub(name), "servers") {
		l.wrong(e.item, e.key("upstreams", name), "%s is missing: write where it leads, as in [\"vm/web-1:443\"]", at)
		return
	}
	for i := range all {
		node, server := nodes[i], &all[i]
		a := aim{field: string(at), src: node.src(), port: "443"}
		switch weight := node.get("weight"); {
		case weight == nil:
			server.Weight = 1
		case (server.Weight < 1 || server.Weight > most) && !e.bad[at.Sub("weight")]:
			l.wrong(e.item, weight.src(), "%s.weight: %d: write 1 to %d", at, server.Weight, most)
		}
		if server.To.Text == "" {
			if node.get("to") == nil && !node.holed {
				l.wrong(e.item, node.src(), "%s.to is missing: write %s", at, a.write())
			}
			continue
		}
		l.target(e, a, server.To)
		if first := slices.IndexFunc(all[:i], func(s Server) bool { return l.placeOf(s.To) == l.placeOf(server.To) }); first >= 0 {
			l.wrong(e.item, node.src(), "%s: %s is one already (%s): keep one", at, server.To, nodes[first].src().place())
		}
	}
	if len(all) > 0 && !slices.ContainsFunc(all, func(s Server) bool { return !s.Backup }) {
		l.wrong(e.item, e.at("upstreams", name, "servers"), "%s: all are backups, of nothing: take backup out of one", at)
	}
}

// placeOf is a target by its address, as far as the manifests tell that.
func (l *loader) placeOf(t Target) string {
	if id, port, ok := t.Guest(); ok {
		if addr := l.addressOf(id); addr.IsValid() {
			return hostOf(addr.Unmap()) + ":" + port
		}
	}
	return t.Text
}

// useOfUpstreams checks that upstreams are led to from where they can be.
func (l *loader) useOfUpstreams(e *edge) {
	for _, name := range sortedKeys(e.Upstreams) {
		at, src := Path("upstreams").Sub(name), e.key("upstreams", name)
		up, uses := e.Upstreams[name], e.uses[name]
		if len(uses) == 0 {
			if !e.halfRead() && isUpstream(name) {
				l.note(src, e.id, "%s: nothing leads to it", at)
			}
			continue
		}
		if up.Keepalive > 0 && !e.halfRead() && !slices.ContainsFunc(uses, func(u upstreamUse) bool { return u.side == "http" }) {
			l.wrong(e.item, e.set.at(at.Sub("keepalive")), "%s.keepalive: only http keeps connections, and %s leads here (%s): take it out", at, uses[0].field, uses[0].src.place())
		}
		for _, u := range uses {
			if !up.ProxyProtocol || u.side == "tls" || u.side == "tcp" {
				continue
			}
			why := map[string]string{"http": "HTTP tells who asks in X-Forwarded-For", "udp": "UDP has no place for it"}[u.side]
			l.wrong(e.item, u.src, "%s: %s has proxyProtocol (%s), and %s: write the servers, or an upstream without it", u.field, name, e.set.at(at.Sub("proxyProtocol")).place(), why)
		}
	}
}

// halfRead tells whether some of what may lead to an upstream could not be read.
func (e *edge) halfRead() bool {
	for path := range e.bad {
		if word := path.Keys()[0]; word != "nginx" && word != "probe" && word != "upstreams" {
			return true
		}
	}
	return false
}
