package conf

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"berth/desired"
)

// block is what matters of a server block.
type block struct {
	line    int
	listens []string
	// udp and proxied tell of how many of the listens it is said.
	udp, proxied int
	from         desired.List
	pass         string
	way          way
	// closes tells that connections are answered with nothing.
	closes bool
}

// server reads a server block of the stream block.
func (p *page) block(d *crossplane.Directive) block {
	// nginx's own times, where none are said.
	b := block{line: d.Line, way: way{connect: desired.Duration(time.Minute), idle: desired.Duration(10 * time.Minute)}}
	for _, d := range d.Block {
		if len(d.Args) == 0 {
			continue
		}
		switch d.Directive {
		case "listen":
			b.listen(d.Args, "")
		case "set_real_ip_from":
			b.from = append(b.from, d.Args[0])
		case "proxy_pass":
			b.pass = d.Args[0]
		case "proxy_protocol":
			b.way.proxy = d.Args[0] == "on"
		case "return":
			b.closes = d.Args[0] == ""
		case "proxy_connect_timeout":
			p.span(d, &b.way.connect)
		case "proxy_timeout":
			p.span(d, &b.way.idle)
		}
	}
	return b
}

func (b *block) listen(args []string, port string) {
	word := strings.TrimPrefix(args[0], "*:")
	if _, err := netip.ParseAddr(strings.Trim(word, "[]")); err == nil && port != "" {
		word += ":" + port
	}
	b.listens = append(b.listens, word)
	if slices.Contains(args[1:], "udp") {
		b.udp++
	}
	if slices.Contains(args[1:], "proxy_protocol") {
		b.proxied++
	}
}

// trust is whom the listener takes who asks from.
func (b *block) trust() desired.Trust {
	switch {
	case b.proxied == 0:
		return desired.Trust{}
	case b.proxied < len(b.listens):
		return desired.Trust{From: append(slices.Clone(b.from), "on some addresses only")}
	case len(b.from) == 0:
		return desired.Trust{From: desired.List{"nobody"}}
	default:
		return desired.Trust{From: b.from}
	}
}

func (b *block) inner() bool {
	return len(b.listens) > 0 && !slices.ContainsFunc(b.listens, func(word string) bool { return !isInner(word) })
}

func (p *page) span(d *crossplane.Directive, to *desired.Duration) {
	if value, err := parseSpan(d.Args[0]); err == nil {
		*to = value
	} else {
		p.note(d.Line, "%s %s: %v", d.Directive, d.Args[0], err)
	}
}

// takeStream reads the listener of names and the further ports.
func (p *page) takeStream() error {
	target, pass := p.o.Mark.variable("target"), p.o.Mark.variable("pass")
	body := p.find("$ssl_preread_server_name", target)
	var outer *block
	inner := make(map[string]block)
	for _, d := range p.all {
		if d.Directive != "server" {
			continue
		}
		b := p.block(d)
		number, isInner := p.innerServer(b)
		switch {
		case isInner:
			for _, word := range b.listens {
				inner[host(word)] = b
			}
			p.laid.inner = append(p.laid.inner, make([]way, max(0, number-len(p.laid.inner)))...)
			p.laid.inner[number-1] = b.way
		case (b.pass == target || b.pass == pass) && b.inner():
			// The entry. It leads where the listener does.
		case (b.pass == target || b.pass == pass) && outer == nil:
			outer = &b
		case b.pass == target || b.pass == pass:
			outer.listens = append(outer.listens, b.listens...)
			outer.proxied += b.proxied
			p.note(b.line, "a second server for the names")
		default:
			p.port(b)
		}
	}
	if body == nil || outer == nil {
		if body != nil {
			p.explain(body.Line, "no server passes on what this map says")
		}
		if outer != nil {
			p.explain(outer.line, "there is no map for what this server passes on")
		}
		return nil
	}
	p.found = true
	p.laid.outer = outer.way
	n, err := p.takeNames(body)
	if err != nil {
		return err
	}
	p.edge.TLS = desired.EdgeTLS{Listen: listened(outer.listens, p.o.IPv6), ProxyProtocol: outer.trust(), Default: n.def, Routes: n.routes}
	p.tlsWays(n, *outer, inner, p.takeTurns())
	return nil
}

// tlsWays tells how the upstreams are spoken to that names lead to, and checks that
// addresses are as they have to be: no field tells of those.
func (p *page) tlsWays(n names, outer block, inner map[string]block, t turns) {
	target := p.o.Mark.variable("target")
	by := func(upstream string) (b block, to string) {
		if outer.pass == target {
			return outer, ""
		}
		if to = t.to(upstream); to == target {
			return outer, to
		}
		return inner[to], to
	}
	used, plain := n.used()
	for _, name := range slices.Sorted(maps.Keys(p.upstreams)) {
		b, to := by(name)
		switch {
		case !used[name]:
			p.would[name] = b.way
			continue
		case b.line == 0:
			p.explain(outer.line, "upstream %s is led to %q, where no server listens", name, to)
		}
		p.ways[name], p.proxied[name] = b.way, true
	}
	if b, to := by(""); plain && b.line == 0 {
		p.note(outer.line, "addresses are led to %q, where no server listens", to)
	} else if plain && b.way != plainWay() {
		p.note(b.line, "addresses are spoken to with %s, where Berth has %s", b.way, plainWay())
	}
}

// used are the upstreams that names lead to, and whether any lead to addresses.
func (n *names) used() (upstreams map[string]bool, plain bool) {
	upstreams = make(map[string]bool)
	note := func(t desired.Target) {
		if _, named := n.upstreams[t.Text]; named {
			upstreams[t.Text] = true
		} else if t.Text != reject && t.Text != redirect {
			plain = true
		}
	}
	note(n.def)
	for _, t := range n.routes {
		note(t)
	}
	return upstreams, plain
}

// port reads a server for a further port.
func (p *page) port(b block) {
	if b.pass == "" && !b.closes || len(b.listens) == 0 || b.inner() {
		p.note(b.line, "a server that is not of Berth's making")
		return
	}
	t, known := p.word(b.pass)
	if !known {
		p.explain(b.line, "%s goes to %q, which is neither an address nor an upstream of this file", b.listens[0], b.pass)
	}
	udp := b.udp > 0
	to := &p.edge.TCP
	if udp {
		to = &p.edge.UDP
	}
	if *to == nil {
		*to = make(map[string]desired.Target)
	}
	for _, listen := range listened(b.listens, p.o.IPv6) {
		(*to)[listen] = t
	}
	p.found = true
	if _, named := p.upstreams[t.Text]; !named {
		return
	}
	if _, shown := p.ways[t.Text]; !shown || !udp && !p.proxied[t.Text] {
		p.ways[t.Text], p.proxied[t.Text] = b.way, !udp
	}
}
