package conf

import (
	"maps"
	"slices"
	"strconv"

	"berth/desired"
)

// detour is a status that no server answers by which nginx is led to the location
// that speaks in another way; it is never seen from outside.
const detour = "590"

func renderHTTP(edge *desired.Edge, o Options, use uses) []byte {
	if !use.web {
		return nil
	}
	f := &file{o: o}
	longest, count := f.longest(edge.HTTP.Routes)
	f.out.Grow(2048 + 64*count)
	for name := range edge.Upstreams {
		longest = max(longest, len(o.Mark.upstream(name)))
	}
	f.head(longest, max(count, len(edge.Upstreams)))
	f.upstreams(edge, use, use.inHTTP, true)
	target, turn := o.Mark.variable("host"), o.Mark.variable("way")
	f.names(edge, "$host", target, edge.HTTP.Default, edge.HTTP.Routes, o.Witness.HTTP)
	p := plan(waysOf(edge, use.http, true), use.httpPlain, false)
	if len(p.inner) > 0 {
		f.line("map", target, turn, "{")
		f.line("    default", f.location(p.number(plainWay()))+";")
		for _, name := range slices.Sorted(maps.Keys(use.http)) {
			w := wayOf(edge.Upstreams[name])
			w.proxy = false
			f.line("   ", o.Mark.upstream(name), f.location(p.number(w))+";")
		}
		f.line("}")
	}
	upgrade := o.Mark.variable("connection")
	f.line("map $http_upgrade", upgrade, "{\n    default upgrade;\n    \"\" \"\";\n}")
	asked := f.o.Mark.variable("asked")
	f.line("map $host", asked, "{\n    default $host;\n    \"\" $hostname;\n}")
	f.line("server {")
	f.listens(edge.HTTP.Listen, edge.HTTP.ProxyProtocol, " default_server")
	f.trust(edge.HTTP.ProxyProtocol)
	if len(edge.HTTP.ProxyProtocol.From) > 0 {
		f.line("    real_ip_header proxy_protocol;")
	}
	// How much may be sent is for the server to say.
	f.line("    client_max_body_size 0;\n    proxy_http_version 1.1;")
	// Who asks must not be able to say who they are: what they send of that is left
	// out. A request without a Host (HTTP/1.0) gets one, since servers refuse a request
	// of HTTP/1.1 that has none, and nginx sends no empty header.
	for _, header := range [][2]string{
		{"Host", asked},
		{"X-Real-IP", "$remote_addr"},
		{"X-Forwarded-For", "$remote_addr"},
		{"X-Forwarded-Proto", "$scheme"},
		{"Upgrade", "$http_upgrade"},
		{"Connection", upgrade},
	} {
		f.line("    proxy_set_header", header[0], header[1]+";")
	}
	f.line("    location / {")
	f.linef("        if (%s = \"\") {\n            return 444;\n        }\n", target)
	f.linef("        if (%s = redirect) {\n            return 301 https://$host$request_uri;\n        }\n", target)
	if len(p.inner) > 0 {
		f.linef("        error_page %s = %s;\n        if (%[2]s) {\n            return %[1]s;\n        }\n", detour, turn)
	}
	f.await(p.outer, target)
	for i, w := range p.inner {
		f.line("    location", f.location(i+1), "{")
		f.await(w, target)
	}
	f.line("}")
	return f.out.Bytes()
}

// location is the location of a way that is not the listener's own; of its own it
// is the empty word.
func (f *file) location(number int) string {
	if number == 0 {
		return `""`
	}
	return "@berth_" + f.o.Mark.ID.Name() + "_" + strconv.Itoa(number)
}

// await writes how a location speaks, and its end.
func (f *file) await(w way, target string) {
	f.linef("        proxy_connect_timeout %s;\n        proxy_read_timeout %[2]s;\n        proxy_send_timeout %[2]s;\n", span(w.connect), span(w.idle))
	f.linef("        proxy_pass http://%s;\n    }\n", target)
}
