package conf

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"berth/desired"
)

// takeHTTP reads the twin of port 80.
func (p *page) takeHTTP() error {
	target := p.o.Mark.variable("host")
	body := p.find("$host", target)
	var server *crossplane.Directive
	locations := make(map[string]way)
	for _, d := range p.all {
		if d.Directive != "server" {
			continue
		}
		found := false
		for _, l := range d.Block {
			if l.Directive == "location" && p.passesTo(l, target) {
				locations[strings.Join(l.Args, " ")] = p.location(l)
				found = true
			}
		}
		switch {
		case !found:
			p.note(d.Line, "a server that is not of Berth's making")
		case server != nil:
			p.note(d.Line, "a second server for the names")
		default:
			server = d
		}
	}
	if body == nil || server == nil {
		if body != nil {
			p.explain(body.Line, "no server passes on what this map says")
		}
		if server != nil {
			p.explain(server.Line, "there is no map for what this server passes on")
		}
		return nil
	}
	p.found = true
	n, err := p.takeNames(body)
	if err != nil {
		return err
	}
	b := block{}
	for _, d := range server.Block {
		if len(d.Args) == 0 {
			continue
		}
		switch d.Directive {
		case "listen":
			b.listen(d.Args, "80")
		case "set_real_ip_from":
			b.from = append(b.from, d.Args[0])
		}
	}
	p.edge.HTTP = desired.EdgeHTTP{Listen: listened(b.listens, p.o.IPv6), ProxyProtocol: b.trust(), Default: n.def, Routes: n.routes}
	var turns map[string]string
	if small := p.find(target, p.o.Mark.variable("way")); small != nil {
		turns = p.words(small.Block)
	}
	p.httpWays(n, server.Line, locations, turns)
	return nil
}

// httpWays tells how the upstreams are spoken to that names lead to.
func (p *page) httpWays(n names, line int, locations map[string]way, turns map[string]string) {
	by := func(upstream string) (w way, there bool, to string) {
		to, said := turns[upstream]
		if !said {
			to = turns[""]
		}
		w, there = locations[cmp.Or(to, "/")]
		return w, there, to
	}
	used, plain := n.used()
	for _, name := range slices.Sorted(maps.Keys(p.upstreams)) {
		w, there, to := by(name)
		switch {
		case !used[name]:
			p.would[name] = w
			continue
		case !there:
			p.explain(line, "upstream %s is led to %q, which is no location", name, to)
		}
		p.ways[name] = w
	}
	if w, there, to := by(""); plain && !there {
		p.note(line, "addresses are led to %q, which is no location", to)
	} else if plain && w != plainWay() {
		p.note(line, "addresses are spoken to with %s, where Berth has %s", w, plainWay())
	}
}

func (p *page) passesTo(location *crossplane.Directive, target string) bool {
	return slices.ContainsFunc(location.Block, func(d *crossplane.Directive) bool {
		return d.Directive == "proxy_pass" && slices.Equal(d.Args, []string{"http://" + target})
	})
}

// location tells how a location speaks.
func (p *page) location(l *crossplane.Directive) way {
	// nginx's own times, where none are said.
	w := way{connect: desired.Duration(time.Minute), idle: desired.Duration(time.Minute)}
	for _, d := range l.Block {
		if len(d.Args) == 0 {
			continue
		}
		switch d.Directive {
		case "proxy_connect_timeout":
			p.span(d, &w.connect)
		case "proxy_read_timeout":
			p.span(d, &w.idle)
		}
	}
	return w
}
