package conf

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"berth/desired"
)

// names are the entries of a listener's map.
type names struct {
	*page
	def    desired.Target
	routes map[string]desired.Target
	// hostnames tells that the word stood before: nginx takes .name and *.name for
	// what they mean only from there on.
	hostnames bool
	// literal are such names that stood before it.
	literal []string
}

// takeNames reads the map of a listener.
func (p *page) takeNames(body *crossplane.Directive) (names, error) {
	n := names{page: p, def: desired.Target{Text: reject}, routes: make(map[string]desired.Target, len(body.Block))}
	if err := n.entries(body.Block, p.path, 0); err != nil {
		return n, err
	}
	for _, name := range slices.Collect(maps.Keys(n.routes)) {
		// Beside a name of its own, what stands for all below it is .name.
		below, wildcard := strings.CutPrefix(name, "*.")
		if !wildcard {
			continue
		}
		_, own := n.routes[below]
		if _, both := n.routes["."+below]; own && !both {
			n.routes["."+below] = n.routes[name]
			delete(n.routes, name)
		}
	}
	switch {
	case len(n.literal) > 0:
		slices.Sort(n.literal)
		more := ""
		if len(n.literal) > 1 {
			more = fmt.Sprintf(" and %d more", len(n.literal)-1)
		}
		p.explain(body.Line, "the map lacks the word hostnames before %s%s: nginx takes no name for them", n.literal[0], more)
	case !n.hostnames:
		p.note(body.Line, "the map lacks the word hostnames")
	}
	if len(n.routes) == 0 {
		n.routes = nil
	}
	return n, nil
}

// entries takes the entries of a map. The parser does not follow an include
// there, so it is followed here: what stands in such a file is routed, too.
func (n *names) entries(body crossplane.Directives, file string, depth int) error {
	for _, d := range body {
		word := strings.ToLower(d.Directive)
		switch {
		case d.Directive == "hostnames" && len(d.Args) == 0:
			n.hostnames = true
		case d.Directive == "volatile" && len(d.Args) == 0:
			n.say(file, d.Line, "volatile: nginx looks the name up more than once")
		case len(d.Args) != 1:
			n.say(file, d.Line, "%s has %d words behind it, where the map takes one", d.Directive, len(d.Args))
		case d.Directive == "include":
			n.say(file, d.Line, "include %s, whose names count as if they stood here", d.Args[0])
			if err := n.include(d.Args[0], depth); err != nil {
				return fmt.Errorf("%s:%d: %w", file, d.Line, err)
			}
		case d.Directive == "default":
			n.def = n.target(d, file)
		case word == "."+Domain:
		case strings.HasSuffix(word, "."+Domain):
			n.witness, n.leads = word, d.Args[0]
		case strings.HasPrefix(word, "~"):
			n.routes[d.Directive] = n.target(d, file)
		case !n.hostnames && (strings.HasPrefix(word, ".") || strings.HasPrefix(word, "*.") || strings.HasSuffix(word, ".*")):
			n.literal = append(n.literal, word)
		default:
			n.routes[word] = n.target(d, file)
		}
	}
	return nil
}

func (n *names) say(file string, line int, format string, args ...any) {
	n.notes = append(n.notes, Note{File: file, Line: line, Text: fmt.Sprintf(format, args...)})
}

func (n *names) include(pattern string, depth int) error {
	if depth > 5 {
		return fmt.Errorf("include %s: files include one another", pattern)
	}
	if n.o.Include == nil {
		return nil
	}
	files, err := n.o.Include(pattern)
	if err != nil {
		return fmt.Errorf("include %s: %w", pattern, err)
	}
	for _, f := range files {
		body, err := directives(f.Path, slices.Concat([]byte("map $a $b {"), f.Content, []byte("\n}")))
		if err != nil {
			return err
		}
		if len(body) != 1 {
			return fmt.Errorf("%s: it closes the map", f.Path)
		}
		if err := n.entries(body[0].Block, f.Path, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// target puts an entry's value in the manifest's words, and tells what nginx's
// test does not.
func (n *names) target(d *crossplane.Directive, file string) desired.Target {
	t, known := n.word(d.Args[0])
	if !known {
		n.say(file, d.Line, "%s goes to %q, which is neither an address nor an upstream of this file: nginx finds out only when somebody connects", d.Directive, d.Args[0])
		n.notes[len(n.notes)-1].Shown = true
	}
	return t
}

// word puts where something goes in the manifest's words; known is false where
// nobody can get there.
func (p *page) word(raw string) (t desired.Target, known bool) {
	if raw == "" {
		return desired.Target{Text: reject}, true
	}
	if raw == redirect && p.web {
		return desired.Target{Text: redirect}, true
	}
	if key, named := p.keys[strings.ToLower(raw)]; named {
		return desired.Target{Text: key}, true
	}
	if ap, err := netip.ParseAddrPort(raw); err == nil {
		return desired.Target{Text: ap.String()}, ap.Port() != 0 && ap.Addr().Zone() == ""
	}
	if _, taken := p.upstreams[raw]; taken || raw == reject || raw == redirect {
		// What nginx takes for a host's name is no upstream of that name.
		return desired.Target{Text: "host " + raw}, false
	}
	return desired.Target{Text: raw}, false
}
