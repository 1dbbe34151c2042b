package conf

import (
	"bytes"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

// edits notes the directives that are not as Render writes what was read: what
// people edited that no field shows.
func (l *Live) edits(files Files, stream, web *page) {
	again, err := Render(l.Edge, Options{Mark: markOf(stream, web), IPv6: ipv6Of(stream, web), Witness: l.Witness, Live: l.Edge})
	if err != nil {
		return
	}
	for _, p := range []struct {
		*page
		have, want []byte
	}{{stream, files.Stream, again.Stream}, {web, files.HTTP, again.HTTP}} {
		if p.page == nil || bytes.Equal(p.have, p.want) {
			continue
		}
		want, err := directives(p.path, p.want)
		if err != nil {
			continue
		}
		if !p.web && hasTLS(p.edge) {
			inside, err := p.inside()
			if err != nil {
				continue
			}
			want = append(slices.DeleteFunc(want, p.isInside), inside...)
		}
		before := len(p.notes)
		c := comparison{page: p.page, moved: !slices.Equal(p.layout(p.all), p.layout(want)), tolds: make(map[int]bool)}
		for _, n := range p.notes {
			c.tolds[n.Line] = true
		}
		c.compare(0, "the file", p.all, want)
		l.Notes = append(l.Notes, p.notes[before:]...)
	}
}

func markOf(stream, web *page) Mark {
	if stream != nil {
		return stream.o.Mark
	}
	return web.o.Mark
}

func ipv6Of(stream, web *page) bool {
	if stream != nil {
		return stream.o.IPv6
	}
	return web.o.IPv6
}

// compare notes in what two blocks differ. Lines and order do not count, nor, where
// fields show that the ways of upstreams are others, what follows from these.
func (c comparison) compare(line int, where string, have, want crossplane.Directives) {
	left := make(map[string][]*crossplane.Directive)
	for _, d := range want {
		left[c.text(d)] = append(left[c.text(d)], d)
	}
	var strange crossplane.Directives
	for _, d := range have {
		twins := left[c.text(d)]
		at := 0
		if d.Directive == "server" && len(d.Block) > 0 {
			at = slices.IndexFunc(twins, func(t *crossplane.Directive) bool { return c.sameServer(d, t) })
		}
		if at < 0 || len(twins) == 0 {
			strange = append(strange, d)
			continue
		}
		left[c.text(d)] = slices.Delete(slices.Clone(twins), at, at+1)
		if d.Directive != "map" || !c.shown(d) && !c.follows(d) {
			within := c
			within.moved = c.moved && !c.isInside(d)
			within.names = d.Directive == "location" || d.Directive == "server" && c.forNames(d)
			within.compare(d.Line, c.text(d), d.Block, twins[at].Block)
		}
	}
	missing := make(map[string]crossplane.Directives)
	for _, d := range want {
		if slices.Contains(left[c.text(d)], d) && !c.follows(d) {
			missing[d.Directive] = append(missing[d.Directive], d)
		}
	}
	for _, d := range strange {
		if c.follows(d) || c.told(d) {
			continue
		}
		if twins := missing[d.Directive]; len(twins) > 0 && len(d.Block) == 0 {
			c.note(d.Line, "%s, where Berth writes %s", c.text(d), c.text(twins[0]))
			missing[d.Directive] = twins[1:]
			continue
		}
		c.note(d.Line, "%s is not of Berth's making", c.text(d))
	}
	for _, d := range want {
		if slices.Contains(missing[d.Directive], d) {
			c.note(line, "%s lacks %s", where, c.text(d))
		}
	}
}

// comparison compares a page with what Render makes of it.
type comparison struct {
	*page
	// moved tells that the upstreams' ways are laid out otherwise.
	moved bool
	// names tells that this is within what speaks to the upstreams of names; further
	// ports each have their own.
	names bool
	// tolds are the lines that a note is about already.
	tolds map[int]bool
}

// told tells whether a note is about a directive already.
func (c comparison) told(d *crossplane.Directive) bool { return c.tolds[d.Line] }

// shown tells whether a directive is a listener's map, whose entries show as routes.
func (c comparison) shown(d *crossplane.Directive) bool {
	return d.Directive == "map" && len(d.Args) == 2 && (d.Args[1] == c.o.Mark.variable("target") || d.Args[1] == c.o.Mark.variable("host"))
}

// layout are the texts of what lays out the ways of upstreams.
func (p *page) layout(all crossplane.Directives) []string {
	c := comparison{page: p, moved: true}
	var texts []string
	var walk func(within string, all crossplane.Directives)
	walk = func(within string, all crossplane.Directives) {
		for _, d := range all {
			if p.isInside(d) {
				continue
			}
			follows := c.follows(d)
			if follows {
				texts = append(texts, within+c.text(d))
			}
			small := d.Directive == "map" && follows
			if small || d.Directive == "server" {
				for _, entry := range d.Block {
					if small {
						texts = append(texts, within+c.text(d)+" "+c.text(entry))
					}
				}
				walk(d.Directive+" ", d.Block)
			}
		}
	}
	walk("", all)
	slices.Sort(texts)
	return slices.Compact(texts)
}

// follows tells whether a directive is one that follows from the ways of upstreams,
// where these have moved.
func (c comparison) follows(d *crossplane.Directive) bool {
	if !c.moved {
		return false
	}
	switch d.Directive {
	case "map":
		return len(d.Args) == 2 && slices.Contains([]string{c.o.Mark.variable("way"), c.o.Mark.variable("kept")}, d.Args[1])
	case "upstream":
		return true
	case "location":
		return strings.HasPrefix(strings.Join(d.Args, " "), "@")
	case "if":
		return slices.Equal(d.Args, []string{c.o.Mark.variable("way")})
	case "error_page":
		return len(d.Args) > 0 && d.Args[0] == detour
	case "proxy_pass":
		return len(d.Args) == 1 && (d.Args[0] == c.o.Mark.variable("pass") || d.Args[0] == c.o.Mark.variable("target"))
	case "proxy_protocol", "proxy_connect_timeout", "proxy_timeout", "proxy_read_timeout", "proxy_send_timeout":
		return c.names
	default:
		return false
	}
}

// sameServer tells whether two server blocks are for the same.
func (c comparison) sameServer(a, b *crossplane.Directive) bool {
	if c.isInside(a) || c.isInside(b) {
		return firstListen(a) == firstListen(b)
	}
	forA, forB := c.forNames(a), c.forNames(b)
	return forA && forB || forA == forB && firstListen(a) == firstListen(b)
}

// forNames tells whether a server is a listener of names.
func (c comparison) forNames(server *crossplane.Directive) bool {
	return slices.ContainsFunc(server.Block, func(d *crossplane.Directive) bool {
		return d.Directive == "location" || d.Directive == "proxy_pass" && len(d.Args) == 1 &&
			(d.Args[0] == c.o.Mark.variable("pass") || d.Args[0] == c.o.Mark.variable("target"))
	})
}

// firstListen is what a server listens on first, by one word for all addresses.
func firstListen(server *crossplane.Directive) string {
	for _, d := range server.Block {
		if d.Directive == "listen" && len(d.Args) > 0 {
			word := strings.TrimPrefix(strings.TrimPrefix(d.Args[0], "*:"), "0.0.0.0:")
			if isInner(word) {
				// The port is the listener's.
				return host(word)
			}
			if slices.Contains(d.Args, "udp") {
				word += " udp"
			}
			return word
		}
	}
	return ""
}

// text is a directive as people would write it, without its block. Where it listens
// is left out: fields show it.
func (c comparison) text(d *crossplane.Directive) string {
	words := []string{d.Directive}
	for i, arg := range d.Args {
		if d.Directive == "listen" && i == 0 {
			arg = "…"
		}
		if arg == "" || strings.ContainsAny(arg, " \t;{}") {
			arg = `"` + arg + `"`
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}
