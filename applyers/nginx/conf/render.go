package conf

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/desired"
)

// Render writes an edge's files, nil where the edge has nothing for one. The same
// edge gives the same bytes. Its error is an [UnfitError] where the edge has what
// can't be written.
func Render(edge *desired.Edge, o Options) (Files, error) {
	if all := unforgiven(edge, o.Live); len(all) > 0 {
		return Files{}, &UnfitError{Faults: all}
	}
	if hasTLS(edge) {
		if _, err := Listens(edge.TLS.Listen, o.IPv6); err != nil {
			return Files{}, &UnfitError{Faults: []Fault{{"tls.listen", err.Error()}}}
		}
	}
	if hasHTTP(edge) {
		if _, err := Listens(edge.HTTP.Listen, o.IPv6); err != nil {
			return Files{}, &UnfitError{Faults: []Fault{{"http.listen", err.Error()}}}
		}
	}
	use := usesOf(edge)
	return Files{Stream: renderStream(edge, o, use), HTTP: renderHTTP(edge, o, use)}, nil
}

// uses tell which upstreams are spoken to from where. One that nothing goes to
// stands in one of the files all the same: its routes may be held.
type uses struct {
	tls, tcp, udp, http map[string]bool
	// These tell whether tls or http have targets that are plain addresses.
	tlsPlain, httpPlain bool
	// stream and web tell which files there are.
	stream, web bool
}

func usesOf(edge *desired.Edge) uses {
	u := uses{tls: map[string]bool{}, tcp: map[string]bool{}, udp: map[string]bool{}, http: map[string]bool{}}
	note := func(in map[string]bool, t desired.Target) (plain bool) {
		if _, named := edge.Upstreams[t.Text]; named {
			in[t.Text] = true
			return false
		}
		return t.Text != reject && t.Text != redirect && t.Text != ""
	}
	each := func(in map[string]bool, all map[string]desired.Target) (plain bool) {
		for _, t := range all {
			plain = note(in, t) || plain
		}
		return plain
	}
	u.tlsPlain = each(u.tls, edge.TLS.Routes)
	u.tlsPlain = note(u.tls, edge.TLS.Default) || u.tlsPlain
	u.httpPlain = each(u.http, edge.HTTP.Routes)
	u.httpPlain = note(u.http, edge.HTTP.Default) || u.httpPlain
	each(u.tcp, edge.TCP)
	each(u.udp, edge.UDP)
	u.web = hasHTTP(edge)
	u.stream = hasTLS(edge) || len(edge.TCP)+len(edge.UDP) > 0 || len(edge.Upstreams) > 0 && !u.web
	return u
}

// inStream tells whether an upstream stands in the stream file.
func (u uses) inStream(name string) bool {
	return u.tls[name] || u.tcp[name] || u.udp[name] || u.stream && !u.http[name]
}

// inHTTP tells whether an upstream stands in the http file.
func (u uses) inHTTP(name string) bool { return u.http[name] || !u.inStream(name) }

// kept are words for what of an upstream no server block shows, since nothing goes
// to it in that way now.
func (u uses) kept(name string, up desired.Upstream) string {
	var words []string
	if up.ProxyProtocol && !u.tls[name] && !u.tcp[name] {
		words = append(words, keptProxy)
	}
	if !u.tls[name] && !u.tcp[name] && !u.udp[name] && !u.http[name] {
		w := wayOf(up)
		words = append(words, keptConnect+span(w.connect), keptIdle+span(w.idle))
	}
	if up.Keepalive != 0 && !u.http[name] {
		words = append(words, keptKeepalive+strconv.Itoa(up.Keepalive))
	}
	return strings.Join(words, " ")
}

// The words of what is kept.
const (
	keptProxy     = "proxyProtocol"
	keptConnect   = "connect="
	keptIdle      = "idle="
	keptKeepalive = "keepalive="
)

// file is a managed file being written.
type file struct {
	out bytes.Buffer
	o   Options
}

func (f *file) line(words ...string) {
	for i, w := range words {
		if i > 0 {
			f.out.WriteByte(' ')
		}
		f.out.WriteString(w)
	}
	f.out.WriteByte('\n')
}

// linef writes lines by a format.
func (f *file) linef(format string, args ...any) { _, _ = fmt.Fprintf(&f.out, format, args...) }

// head writes the mark, and the sizes of nginx's hashes where its own do not do:
// another file may set them, too, which nginx takes for a double.
func (f *file) head(longest, entries int) {
	f.line(f.o.Mark.firstLine())
	// nginx sizes a bucket by the longest name: 64 is enough for 46 characters, 512
	// for the 253 that a name may have. Names that share buckets of 512 also let
	// nginx build a hash of 100,000 of them at once.
	if longest > 46 || entries > 100 {
		f.line("map_hash_bucket_size 512;")
	}
	if entries > 100 {
		size := 65536
		for size < entries {
			size *= 2
		}
		f.line("map_hash_max_size " + strconv.Itoa(size) + ";")
	}
}

// upstreams writes the upstreams that stand in a file, and what it keeps of them.
func (f *file) upstreams(edge *desired.Edge, use uses, in func(string) bool, web bool) {
	var kept [][2]string
	for _, name := range slices.Sorted(maps.Keys(edge.Upstreams)) {
		if !in(name) {
			continue
		}
		up := edge.Upstreams[name]
		f.line("upstream", f.o.Mark.upstream(name), "{")
		for _, s := range up.Servers {
			f.out.WriteString("    server " + s.To.Text)
			if s.Weight > 1 {
				f.out.WriteString(" weight=" + strconv.Itoa(s.Weight))
			}
			if s.Backup {
				f.out.WriteString(" backup")
			}
			f.out.WriteString(";\n")
		}
		if web && up.Keepalive > 0 {
			f.line("    keepalive " + strconv.Itoa(up.Keepalive) + ";")
		}
		f.line("}")
		if words := use.kept(name, up); words != "" && (!web || !use.inStream(name)) {
			kept = append(kept, [2]string{f.o.Mark.upstream(name), words})
		}
	}
	if len(kept) == 0 {
		return
	}
	f.line("# How upstreams will be spoken to that nothing goes to now.")
	f.line("map $hostname", f.o.Mark.variable("kept"), "{")
	for _, k := range kept {
		f.line("   ", k[0], `"`+k[1]+`";`)
	}
	f.line("}")
}

// word is a target as nginx has it.
func (f *file) word(edge *desired.Edge, t desired.Target) string {
	if t.Text == reject {
		return `""`
	}
	if _, named := edge.Upstreams[t.Text]; named {
		return f.o.Mark.upstream(t.Text)
	}
	return t.Text
}

// names writes the map of a listener.
func (f *file) names(edge *desired.Edge, from, variable string, def desired.Target, routes map[string]desired.Target, witness string) {
	f.line("map", from, variable, "{\n    hostnames;")
	entry := func(words ...string) {
		f.out.WriteString("    ")
		for _, word := range words {
			f.out.WriteString(word)
		}
		f.out.WriteString(";\n")
	}
	entry("default ", f.word(edge, def))
	entry("."+Domain, ` ""`)
	if f.o.Witness.Name != "" && witness != "" {
		entry(f.o.Witness.Name, " ", witness)
	}
	names := slices.AppendSeq(make([]string, 0, len(routes)), maps.Keys(routes))
	slices.Sort(names)
	for _, name := range names {
		star := ""
		if name != "" && name[0] == '.' {
			// nginx takes .name for name as well, and refuses to have it twice.
			if _, own := routes[name[1:]]; own {
				star = "*"
			}
		}
		entry(star, name, " ", f.word(edge, routes[name]))
	}
	f.line("}")
}

// listens writes what a server listens on, with further words behind it. What
// can't be listened on has been refused.
func (f *file) listens(listen desired.List, trust desired.Trust, more string) {
	words, err := Listens(listen, f.o.IPv6)
	if err != nil {
		return
	}
	if len(trust.From) > 0 {
		more += " proxy_protocol"
	}
	for _, word := range words {
		f.line("    listen", word+more+";")
	}
}

// longest is the longest of a listener's names, and how many there are.
func (f *file) longest(routes map[string]desired.Target) (length, count int) {
	length = len(f.o.Witness.Name)
	for name := range routes {
		length = max(length, len(name)+1)
	}
	return length, len(routes) + 3
}

// waysOf are the ways of the upstreams that a listener leads to.
func waysOf(edge *desired.Edge, used map[string]bool, web bool) []way {
	var all []way
	for _, name := range slices.Sorted(maps.Keys(used)) {
		w := wayOf(edge.Upstreams[name])
		w.proxy = w.proxy && !web
		all = append(all, w)
	}
	return all
}
