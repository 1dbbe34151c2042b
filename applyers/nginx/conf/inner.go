package conf

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"berth/desired"
)

// nginx has how a server is spoken to for each server block, not for each entry of
// a map. Where the targets of names are spoken to in more than one way, the listener
// passes connections on to inner servers of its own, one for each other way, and
// these read the name again. During a reload that is where former and new workers
// meet: both listen at the same places, so that whoever decides first may well be
// answered by the other. These rules keep each connection right all the same:
//
//   - Who speaks to a target is one that found name, target and way in one and the
//     same configuration. An inner server speaks to targets of its own way alone; all
//     others it hands to the entry, which decides anew as the listener does. It can
//     come to that only while two configurations are at work, so it ends with these:
//     in one configuration what the listener, or the entry, sends to an inner server
//     is of that server's way.
//   - Whether a PROXY header comes in at an inner place never changes: at the entry
//     there are two places, one with and one without, and all others have one. So the
//     listener speaks PROXY to inner servers even where no target wants it.
//   - No inner place goes away: the entry listens wherever no inner server does now,
//     up to [innerPlaces], though nothing may lead there now. Where a listener has all
//     addresses, a place that goes away would not refuse but lead to the listener,
//     PROXY header and all.
//   - What comes in by one port stays on it, so that other ports may come and go.
//
// One thing is lost: a connection that a former worker sends to an inner server
// without PROXY, whose name by the new configuration goes to a target that wants it,
// comes to the entry without who asked. Its header names innerSource.

// innerPlaces is how many inner servers there can be before the places of some go
// away with them, as too many ways become fewer.
const innerPlaces = 8

// The places of the entry, and from where inner servers come to it without a header.
const (
	entryHeaded = 253
	entryBare   = 254
	innerSource = 252
)

// innerAddress is an inner place: a loopback address of the edge's own, beside the
// listener's own port, which no port of another can stand in the way of and which,
// unlike a Unix socket, leaves nothing behind when nginx is killed.
func (m Mark) innerAddress(number int) string {
	inside := (&desired.Edge{Name: m.ID.Name()}).Inside().Addr().As4()
	third := int(inside[2])
	if number < innerSource {
		third, number = (third+number/250)%256, number%250
	}
	return fmt.Sprintf("%d.%d.%d.%d", inside[0], inside[1], third, number)
}

// isInner tells whether a word to listen on is an inner place, of whatever edge.
func isInner(word string) bool { return strings.HasPrefix(word, "127.66.") }

// turn writes the maps that lead from a target to the server that speaks to it, and
// tells what the listener passes on to.
func (f *file) turn(edge *desired.Edge, use uses, p paths) (pass string) {
	target := f.o.Mark.variable("target")
	if len(p.inner) == 0 {
		return target
	}
	f.line("map", target, f.o.Mark.variable("way"), "{")
	f.line("    default", strconv.Itoa(p.number(plainWay()))+";")
	f.line(`    "" 0;`)
	for _, name := range slices.Sorted(maps.Keys(use.tls)) {
		f.line("   ", f.o.Mark.upstream(name), strconv.Itoa(p.number(wayOf(edge.Upstreams[name])))+";")
	}
	f.line("}")
	f.places(p)
	return f.o.Mark.variable("pass")
}

// places writes where each way is passed on to, by the listener and by the inner
// servers.
func (f *file) places(p paths) {
	target, by := f.o.Mark.variable("target"), f.o.Mark.variable("way")
	f.line("map", by, f.o.Mark.variable("pass"), "{\n    default", target+";")
	for i := range p.inner {
		f.linef("    %d %s:$server_port;\n", i+1, f.o.Mark.innerAddress(i+1))
	}
	f.line("}")
	for i, w := range p.inner {
		entry := entryBare
		if w.proxy {
			entry = entryHeaded
		}
		f.linef("map %s %s {\n    default %s:$server_port;\n    %d %s;\n}\n", by, f.passing(i+1), f.o.Mark.innerAddress(entry), i+1, target)
		if !w.proxy {
			f.linef("map %s %s {\n    default %s;\n    %d \"\";\n}\n", by, f.source(i+1), f.o.Mark.innerAddress(innerSource), i+1)
		}
	}
}

// passing is what an inner server passes on to.
func (f *file) passing(number int) string { return f.o.Mark.variable("pass" + strconv.Itoa(number)) }

// source is from where an inner server without PROXY comes.
func (f *file) source(number int) string { return f.o.Mark.variable("from" + strconv.Itoa(number)) }

// innerServers writes the entry and the inner servers.
func (f *file) innerServers(listen desired.List, p paths, pass string) {
	var ports []string
	for _, listen := range listen {
		if port := portOf(listen); !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	at := func(number int, more string) {
		for _, port := range ports {
			f.line("    listen", f.o.Mark.innerAddress(number)+":"+port+more+";")
		}
	}
	const header = " proxy_protocol"
	f.line("# What comes from this file's own servers, of now and while former workers finish.")
	f.line("server {")
	at(entryBare, "")
	at(entryHeaded, header)
	for number := len(p.inner) + 1; number <= innerPlaces; number++ {
		at(number, header)
	}
	f.line("    set_real_ip_from 127.0.0.0/8;")
	f.preread(p.outer, pass)
	for i, w := range p.inner {
		f.line("server {")
		at(i+1, header)
		f.line("    set_real_ip_from 127.0.0.0/8;")
		if !w.proxy {
			f.line("    proxy_bind", f.source(i+1)+";")
		}
		f.preread(w, f.passing(i+1))
	}
}

// innerServer tells whether a server block is that of an inner server, and of which
// way.
func (p *page) innerServer(b block) (number int, ok bool) {
	word, found := strings.CutPrefix(b.pass, p.o.Mark.variable("pass"))
	number, err := strconv.Atoi(word)
	return number, found && err == nil && number > 0 && number < 1000 && b.inner()
}

// inside are the maps and servers between the listener and its targets as they have
// to be, however many ways there are and which: of these the fields tell.
func (p *page) inside() (crossplane.Directives, error) {
	f := &file{o: Options{Mark: p.o.Mark, IPv6: p.o.IPv6}}
	pass := p.o.Mark.variable("target")
	if len(p.laid.inner) > 0 {
		f.places(p.laid)
		pass = p.o.Mark.variable("pass")
	}
	f.innerServers(p.edge.TLS.Listen, p.laid, pass)
	return directives(p.path, f.out.Bytes())
}

// isInside tells whether a directive is one of [page.inside].
func (p *page) isInside(d *crossplane.Directive) bool {
	switch {
	case d.Directive == "server":
		return isInner(firstListen(d))
	case d.Directive == "map" && len(d.Args) == 2 && d.Args[0] == p.o.Mark.variable("way"):
		return !p.web
	default:
		return false
	}
}

// turns are where the small maps lead what goes to upstreams.
type turns struct {
	// numbers are the ways' by upstream, and places where each is passed on to.
	numbers, places map[string]string
}

// takeTurns reads the maps between the listener and its targets.
func (p *page) takeTurns() turns {
	t := turns{places: make(map[string]string)}
	by := p.o.Mark.variable("way")
	if small := p.find(p.o.Mark.variable("target"), by); small != nil {
		t.numbers = p.words(small.Block)
	}
	if small := p.find(by, p.o.Mark.variable("pass")); small != nil {
		for _, d := range small.Block {
			if len(d.Args) == 1 {
				t.places[d.Directive] = strings.TrimSuffix(d.Args[0], ":$server_port")
			}
		}
	}
	return t
}

// to is where an upstream is led to; "" for addresses.
func (t turns) to(upstream string) string {
	number, said := t.numbers[upstream]
	if !said {
		number = t.numbers[""]
	}
	if to, said := t.places[number]; said {
		return to
	}
	return t.places["default"]
}

// host is an inner place without its port.
func host(word string) string {
	at := strings.LastIndexByte(word, ':')
	return word[:max(at, 0)]
}
