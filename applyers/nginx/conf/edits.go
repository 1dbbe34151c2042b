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
		before := len(p.notes)
		p.compare(0, "the file", p.all, want)
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

// compare notes in what two blocks differ. Lines and order do not count.
func (p *page) compare(line int, where string, have, want crossplane.Directives) {
	left := make(map[string][]*crossplane.Directive)
	for _, d := range want {
		left[text(d)] = append(left[text(d)], d)
	}
	var strange crossplane.Directives
	for _, d := range have {
		twins := left[text(d)]
		at := 0
		if d.Directive == "server" && len(d.Block) > 0 {
			at = slices.IndexFunc(twins, func(t *crossplane.Directive) bool { return sameServer(d, t) })
		}
		if at < 0 || len(twins) == 0 {
			strange = append(strange, d)
			continue
		}
		left[text(d)] = slices.Delete(slices.Clone(twins), at, at+1)
		if !p.namesMap(d) {
			p.compare(d.Line, text(d), d.Block, twins[at].Block)
		}
	}
	missing := make(map[string][]*crossplane.Directive)
	for _, d := range want {
		if slices.Contains(left[text(d)], d) {
			missing[d.Directive] = append(missing[d.Directive], d)
		}
	}
	for _, d := range strange {
		if twins := missing[d.Directive]; len(twins) > 0 {
			p.note(d.Line, "%s, where Berth writes %s", text(d), text(twins[0]))
			missing[d.Directive] = twins[1:]
			continue
		}
		p.note(d.Line, "%s is not of Berth's making", text(d))
	}
	for _, d := range want {
		if slices.Contains(missing[d.Directive], d) {
			p.note(line, "%s lacks %s", where, text(d))
		}
	}
}

// namesMap tells whether a directive is a listener's map, whose entries show as
// routes.
func (p *page) namesMap(d *crossplane.Directive) bool {
	return d.Directive == "map" && len(d.Args) == 2 && (d.Args[1] == p.o.Mark.variable("target") || d.Args[1] == p.o.Mark.variable("host"))
}

// sameServer tells whether two server blocks are for one port.
func sameServer(a, b *crossplane.Directive) bool {
	first := func(server *crossplane.Directive) string {
		for _, d := range server.Block {
			if d.Directive == "listen" && len(d.Args) > 0 {
				word := d.Args[0]
				if slices.Contains(d.Args, "udp") {
					word += " udp"
				}
				return word
			}
		}
		return ""
	}
	return first(a) == first(b)
}

// text is a directive as people would write it, without its block.
func text(d *crossplane.Directive) string {
	words := []string{d.Directive}
	for _, arg := range d.Args {
		if arg == "" || strings.ContainsAny(arg, " \t;{}") {
			arg = `"` + arg + `"`
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}
