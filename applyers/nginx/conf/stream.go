package conf

import (
	"maps"
	"slices"
	"time"

	"berth/desired"
)

// udpIdle is how long a UDP session without an upstream of its own may be silent:
// there is no closing one, and nginx holds a socket for each.
const udpIdle = desired.Duration(2 * time.Minute)

func renderStream(edge *desired.Edge, o Options, use uses) []byte {
	if !use.stream {
		return nil
	}
	f := &file{o: o}
	longest, count := f.longest(edge.TLS.Routes)
	f.out.Grow(2048 + 64*count)
	for name := range edge.Upstreams {
		longest = max(longest, len(o.Mark.upstream(name)))
	}
	f.head(longest, max(count, len(edge.Upstreams)))
	f.upstreams(edge, use, use.inStream, false)
	if hasTLS(edge) {
		f.tls(edge, use)
	}
	for _, listen := range slices.Sorted(maps.Keys(edge.TCP)) {
		f.port(edge, listen, "", edge.TCP[listen], plainWay())
	}
	for _, listen := range slices.Sorted(maps.Keys(edge.UDP)) {
		// Without reuseport, packets of one session reach workers that know nothing of
		// it.
		plain := plainWay()
		plain.idle = udpIdle
		f.port(edge, listen, " udp reuseport", edge.UDP[listen], plain)
	}
	return f.out.Bytes()
}

// tls writes the listener of names, and the servers within that speak in other
// ways than it.
func (f *file) tls(edge *desired.Edge, use uses) {
	f.names(edge, "$ssl_preread_server_name", f.o.Mark.variable("target"), edge.TLS.Default, edge.TLS.Routes, f.o.Witness.Stream)
	p := plan(waysOf(edge, use.tls, false), use.tlsPlain, true)
	pass := f.turn(edge, use, p)
	f.line("server {")
	f.listens(edge.TLS.Listen, edge.TLS.ProxyProtocol, "")
	f.trust(edge.TLS.ProxyProtocol)
	f.preread(p.outer, pass)
	f.innerServers(edge.TLS.Listen, p, pass)
}

// preread writes how a server reads names, how it speaks, and its end.
func (f *file) preread(w way, pass string) {
	f.line("    ssl_preread on;\n    preread_timeout 5s;")
	f.speak(w)
	f.line("    proxy_pass", pass+";\n}")
}

func (f *file) trust(t desired.Trust) {
	for _, from := range t.From {
		f.line("    set_real_ip_from", from+";")
	}
}

// speak writes how a server of the stream block speaks.
func (f *file) speak(w way) {
	if w.proxy {
		f.line("    proxy_protocol on;")
	}
	f.linef("    proxy_connect_timeout %s;\n    proxy_timeout %s;\n", span(w.connect), span(w.idle))
}

// port writes a further port.
func (f *file) port(edge *desired.Edge, listen, more string, t desired.Target, w way) {
	f.line("server {")
	f.listens(desired.List{listen}, desired.Trust{}, more)
	if t.Text == reject {
		f.line("    return \"\";\n}")
		return
	}
	if up, named := edge.Upstreams[t.Text]; named {
		w = wayOf(up)
	}
	f.speak(w)
	f.line("    proxy_pass", f.word(edge, t)+";\n}")
}
