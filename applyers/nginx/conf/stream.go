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
	target := f.o.Mark.variable("target")
	f.names(edge, "$ssl_preread_server_name", target, edge.TLS.Default, edge.TLS.Routes, f.o.Witness.Stream)
	p := plan(waysOf(edge, use.tls, false), use.tlsPlain)
	pass := target
	port := portOf(edge.TLS.Listen[0])
	if len(p.inner) > 0 {
		pass = f.o.Mark.variable("pass")
		f.line("map", target, pass, "{")
		f.line("    default", f.passes(p, plainWay(), port, target)+";")
		f.line(`    "" "";`)
		for _, name := range slices.Sorted(maps.Keys(use.tls)) {
			f.line("   ", f.o.Mark.upstream(name), f.passes(p, wayOf(edge.Upstreams[name]), port, target)+";")
		}
		f.line("}")
	}
	f.line("server {")
	f.listens(edge.TLS.Listen, edge.TLS.ProxyProtocol, "")
	f.trust(edge.TLS.ProxyProtocol)
	f.line("    ssl_preread on;\n    preread_timeout 5s;")
	f.speak(p.outer)
	f.line("    proxy_pass", pass+";\n}")
	for i, w := range p.inner {
		own := f.own(edge, use, i+1, w, target, port)
		f.line("server {")
		f.innerListen(innerAddress(i+1, port), p.outer.proxy)
		f.speak(w)
		f.line("    proxy_pass", own+";\n}")
	}
	for _, headed := range []bool{false, true} {
		if slices.ContainsFunc(p.inner, func(w way) bool { return w.proxy == headed }) {
			f.line("server {")
			f.innerListen(anewAddress(headed, port), headed)
			f.speak(p.outer)
			f.line("    proxy_pass", pass+";\n}")
		}
	}
}

// own writes the map by which the inner server of a number tells what is spoken to in
// its way, and gives its variable. For a moment of each reload workers of the former
// files send it names that these files lead elsewhere: such a connection is let in
// anew, since to speak in a wrong way is to be refused.
func (f *file) own(edge *desired.Edge, use uses, number int, w way, target, port string) (variable string) {
	variable = f.o.Mark.own(number)
	to := func(of way) string {
		if of == w {
			return target
		}
		return anewAddress(w.proxy, port)
	}
	f.line("map", target, variable, "{")
	f.line("    default", to(plainWay())+";")
	f.line(`    "" "";`)
	for _, name := range slices.Sorted(maps.Keys(use.tls)) {
		f.line("   ", f.o.Mark.upstream(name), to(wayOf(edge.Upstreams[name]))+";")
	}
	f.line("}")
	return variable
}

// innerListen lets a server within listen, and read the name; headed tells whether who
// asks is told to it by a PROXY header.
func (f *file) innerListen(address string, headed bool) {
	if headed {
		f.line("    listen", address, "proxy_protocol;\n    set_real_ip_from 127.0.0.0/8;")
	} else {
		f.line("    listen", address+";")
	}
	f.line("    ssl_preread on;\n    preread_timeout 5s;")
}

// passes is where the listener passes on what is spoken to in a way.
func (f *file) passes(p paths, w way, port, target string) string {
	if number := p.number(w); number > 0 {
		return innerAddress(number, port)
	}
	return target
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
