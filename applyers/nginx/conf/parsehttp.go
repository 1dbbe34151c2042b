package conf

import (
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
			p.note(body.Line, "no server passes on what this map says")
		}
		if server != nil {
			p.note(server.Line, "there is no map for what this server passes on")
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
	used := map[string]bool{n.def.Text: true}
	for _, t := range n.routes {
		used[t.Text] = true
	}
	for _, name := range slices.Sorted(maps.Keys(p.upstreams)) {
		if !used[name] {
			continue
		}
		turn, said := turns[name]
		if !said {
			turn = turns[""]
		}
		if turn == "" {
			turn = "/"
		}
		w, there := locations[turn]
		if !there {
			p.note(server.Line, "upstream %s is led to %q, which is no location", name, turn)
		}
		p.ways[name] = w
	}
	return nil
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
