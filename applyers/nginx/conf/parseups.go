package conf

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"berth/desired"
)

// takeUpstreams reads what upstreams the file defines. One that people wrote
// counts under its own name, unless one of the manifest's has it.
func (p *page) takeUpstreams() {
	prefix := strings.ToLower(p.o.Mark.upstream(""))
	var others crossplane.Directives
	for _, d := range p.all {
		if d.Directive != "upstream" || len(d.Args) != 1 {
			continue
		}
		if len(d.Args[0]) > len(prefix) && strings.HasPrefix(strings.ToLower(d.Args[0]), prefix) {
			p.takeUpstream(d, d.Args[0][len(prefix):])
		} else {
			others = append(others, d)
		}
	}
	for _, d := range others {
		p.takeUpstream(d, d.Args[0])
	}
}

func (p *page) takeUpstream(d *crossplane.Directive, key string) {
	if _, taken := p.upstreams[key]; taken || validUpstream(key) != nil {
		p.note(d.Line, "upstream %s is not of Berth's making", d.Args[0])
		return
	}
	var up desired.Upstream
	for _, s := range d.Block {
		switch {
		case s.Directive == "server" && len(s.Args) > 0:
			if server, up2 := p.server(s.Args); up2 {
				up.Servers = append(up.Servers, server)
			}
		case s.Directive == "keepalive" && len(s.Args) == 1:
			up.Keepalive, _ = strconv.Atoi(s.Args[0])
		}
	}
	p.upstreams[key] = up
	p.keys[strings.ToLower(d.Args[0])] = key
}

// server is a server of an upstream; ok is false if nginx sends nothing there.
func (p *page) server(args []string) (s desired.Server, ok bool) {
	s = desired.Server{To: desired.Target{Text: args[0]}, Weight: 1}
	text := args[0]
	if _, err := netip.ParseAddr(text); err == nil && p.web {
		text += ":80"
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		s.To.Text = ap.String()
	}
	for _, arg := range args[1:] {
		if weight, said := strings.CutPrefix(arg, "weight="); said {
			if n, err := strconv.Atoi(weight); err == nil {
				s.Weight = n
			}
		}
		s.Backup = s.Backup || arg == "backup"
		if arg == "down" {
			return s, false
		}
	}
	return s, true
}

// join makes one of what both files say of the upstreams.
func join(stream, web *page) map[string]desired.Upstream {
	all := make(map[string]desired.Upstream)
	for _, p := range []*page{stream, web} {
		if p == nil {
			continue
		}
		for name, here := range p.upstreams {
			up, both := all[name]
			if !both {
				up.Servers = here.Servers
			} else if !up.Servers.Equal(here.Servers) {
				// Whichever was edited: this equals nothing that is wanted.
				p.explain(0, "upstream %s has other servers here than in %s", name, stream.path)
				up.Servers = slices.Concat(up.Servers, here.Servers)
			}
			p.speaking(name, &up, here)
			all[name] = up
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// speaking puts in how an upstream is spoken to, as far as this file tells.
func (p *page) speaking(name string, up *desired.Upstream, here desired.Upstream) {
	if w, shown := p.ways[name]; shown && up.Connect == 0 && up.Idle == 0 {
		up.Connect, up.Idle = w.connect, w.idle
	}
	if p.proxied[name] {
		up.ProxyProtocol = p.ways[name].proxy
	}
	if p.web && here.Keepalive != 0 {
		up.Keepalive = here.Keepalive
	}
	for word := range strings.FieldsSeq(p.kept[name]) {
		if value, said := strings.CutPrefix(word, keptConnect); said && up.Connect == 0 {
			up.Connect, _ = parseSpan(value)
		}
		if value, said := strings.CutPrefix(word, keptIdle); said && up.Idle == 0 {
			up.Idle, _ = parseSpan(value)
		}
		if value, said := strings.CutPrefix(word, keptKeepalive); said && up.Keepalive == 0 {
			up.Keepalive, _ = strconv.Atoi(value)
		}
		up.ProxyProtocol = up.ProxyProtocol || word == keptProxy && !p.proxied[name]
	}
	if w, known := p.would[name]; known && up.Connect == 0 && up.Idle == 0 {
		up.Connect, up.Idle = w.connect, w.idle
		up.ProxyProtocol = up.ProxyProtocol || w.proxy && p.kept[name] == ""
	}
}
