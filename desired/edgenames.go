package desired

import (
	"fmt"
	"strings"
)

// names checks the names of an edge, once guests have exposed theirs.
func (l *loader) names(e *edge) {
	l.overlapping(e, "tls", e.TLS.Routes)
	l.overlapping(e, "http", e.HTTP.Routes)
	l.twins(e)
}

// wildcard tells whether a name stands for others, too.
func wildcard(name string) bool { return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "*.") }

// covers finds the name that takes what name stands for, if nothing names it: the
// longest wildcard that it is below.
func covers(routes map[string]Target, name string) (cover string, found bool) {
	bare := strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	if apex := "." + bare; apex != name {
		if _, found := routes[apex]; found {
			return apex, true
		}
	}
	for below := true; below; {
		if _, bare, below = strings.Cut(bare, "."); !below {
			break
		}
		for _, cover := range []string{"." + bare, "*." + bare} {
			if _, found := routes[cover]; found {
				return cover, true
			}
		}
	}
	return "", false
}

// nameAt is where a name is routed, and by whom.
func (e *edge) nameAt(side, name string) (src Source, it ID, field string) {
	path := Path(side).Sub("routes")
	src, it, field = e.set.at(path.Sub(name)), e.id, string(path)
	if id := ID(src.Layer); id.Guest() {
		return src, id, "expose"
	}
	if e.wrote(side, "routes", name) {
		src = e.key(side, "routes", name)
	}
	return src, it, field
}

// overlapping refuses names that nginx can't tell apart, and notes what leaves the
// wildcard that it is below.
func (l *loader) overlapping(e *edge, side string, routes map[string]Target) {
	leave := map[string][]string{}
	wild := false
	for name := range routes {
		wild = wild || wildcard(name)
	}
	if !wild {
		return
	}
	for _, name := range sortedKeys(routes) {
		if below, all := strings.CutPrefix(name, "*."); all {
			l.doubled(e, side, name, "."+below, routes)
			l.doubled(e, side, name, below, routes)
		}
		if cover, below := covers(routes, name); below && routes[cover] != routes[name] {
			leave[cover] = append(leave[cover], name)
		}
	}
	for _, cover := range sortedKeys(leave) {
		src, id, field := e.nameAt(side, cover)
		l.note(src, id, "%s: %s goes to %s, but %s", field, cover, routes[cover], e.led(side, leave[cover], routes))
	}
}

// led says where names lead, the first of them.
func (e *edge) led(side string, names []string, routes map[string]Target) string {
	const shown = 3
	var words []string
	for _, name := range names[:min(shown, len(names))] {
		src, _, _ := e.nameAt(side, name)
		words = append(words, fmt.Sprintf("%s to %s (%s)", name, routes[name], src.place()))
	}
	if more := len(names) - len(words); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(words, ", "), more)
	}
	return strings.Join(words, ", ")
}

// doubled refuses *.name beside a name that says a part of it, or the same.
func (l *loader) doubled(e *edge, side, name, other string, routes map[string]Target) {
	if _, has := routes[other]; !has {
		return
	}
	src, id, field := e.nameAt(side, name)
	at, _, _ := e.nameAt(side, other)
	what := fmt.Sprintf("%s stands for all below it, too (%s): keep one", other, at.place())
	if !wildcard(other) {
		what = fmt.Sprintf("%s has a line of its own (%s): write %s, which leaves it that", other, at.place(), name[1:])
	}
	l.report(src, id, fmt.Sprintf("%s: %s: %s", field, name, what))
}

// twins holds that each name of tls has one of http, where there is http at all: a
// name that is forgotten there would go to http's default, which is another's. But
// redirect is right for every name.
func (l *loader) twins(e *edge) {
	def := e.HTTP.Default.Text
	if !e.wrote("http") || def == RedirectTarget || def == "" || e.bad["http"] || e.explained("http", "routes") {
		return
	}
	at := e.key("http")
	if e.wrote("http", "routes") {
		at = e.key("http", "routes")
	}
	for _, name := range sortedKeys(e.TLS.Routes) {
		if _, has := e.HTTP.Routes[name]; has {
			continue
		}
		if _, has := covers(e.HTTP.Routes, name); has || badRoute(name) != "" {
			continue
		}
		src, id, field := e.nameAt("tls", name)
		remedy := fmt.Sprintf("write it to http.routes (%s), with kind/name:80, redirect or reject", at.place())
		if id != e.id {
			remedy = fmt.Sprintf("write http: 80 here, or %s to http.routes (%s)", name, at.place())
		}
		l.report(src, id, fmt.Sprintf("%s: %s has no twin on port 80, where http.default (%s) would take it: %s", field, name, def, remedy))
	}
}
