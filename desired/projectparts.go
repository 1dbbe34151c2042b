package desired

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// projectWords checks the words that are the project's own.
func (l *loader) projectWords(p *project) {
	own := &tree{form: mapForm, at: spotOf(p.src)}
	for _, e := range p.document.tree.entries {
		if slices.Contains([]string{"name", "description"}, e.key) {
			own.entries = append(own.entries, e)
		}
	}
	l.check(p.id, "Project", "", own, l.shapes.of(reflect.TypeFor[projectSpec]()))
	for _, e := range p.tree.entries {
		instead := ""
		switch strings.ToLower(e.key) {
		case "apps", "vms", "containers", "guest", "members":
			instead = "guests"
		case "envs", "stages", "environment", "env", "stage":
			instead = "environments"
		}
		if instead != "" {
			l.report(e.src(), p.id, fmt.Sprintf("unknown field %q: write %s", e.key, instead))
			p.tree = p.tree.without(e.key)
			p.document.tree.strange = p.document.tree.strange.and(instead)
		}
	}
}

// part is one of the project's two maps; nil where it can't be used, which has
// been reported.
func (l *loader) part(p *project, word, example string) *tree {
	t := p.document.tree.get(word)
	src, _ := p.document.tree.keyAt(word)
	switch {
	case p.document.tree.strange.has(word) || p.document.tree.holed:
	case t == nil:
		l.report(p.src, p.id, word+" is missing: write "+example)
	case t.form == brokenForm:
	case t.form == listForm && word == "environments":
		l.report(t.src(), p.id, "environments: a list stands where a map is wanted: write "+example+", {} for one that changes nothing")
	case t.form != mapForm:
		l.report(t.src(), p.id, word+": "+t.form.called()+" stands where a map is wanted: write "+example)
	case len(t.entries) == 0 && !t.holed:
		l.report(src, p.id, word+": there is none: write "+example)
	default:
		return t
	}
	l.lost[p.id] = true
	return nil
}

func (l *loader) projectGuests(p *project) {
	t := l.part(p, "guests", "{app: {kind: VM, …}}")
	if t == nil {
		return
	}
	for _, e := range t.entries {
		at := Path("guests").Sub(e.key)
		g := projectPart{name: e.key, src: e.src(), tree: &tree{form: mapForm, at: e.at}}
		switch {
		case !isDotted(e.key):
			l.report(e.src(), p.id, fmt.Sprintf("guests: %q: write a-z, 0-9 and . _ - inside", e.key))
		case e.value.form == brokenForm:
		case e.value.form != mapForm:
			l.report(e.value.src(), p.id, fmt.Sprintf("%s: %s stands where a map is wanted: write {kind: VM, …}", at, e.value.form.called()))
		default:
			g.tree = e.value.without("kind")
			g.kind = l.guestKind(p, at, e)
		}
		p.guests = append(p.guests, g)
	}
}

// guestKind reads the kind of a project's guest.
func (l *loader) guestKind(p *project, at Path, e entry) *kind {
	node := e.value.get("kind")
	words := []string{"VM", "Container"}
	switch {
	case node == nil && e.value.holed:
	case node == nil:
		l.report(e.src(), p.id, fmt.Sprintf("%s: kind is missing: write kind: VM or kind: Container", at))
	case node.form == brokenForm:
	case node.form != scalarForm || !slices.Contains(words, node.text):
		if near := nearest(node.text, words); len(near) > 0 {
			l.report(node.src(), p.id, fmt.Sprintf("%s.kind: %q is no kind of guests; did you mean %s?", at, node.text, oneOf(near)))
		} else {
			l.report(node.src(), p.id, fmt.Sprintf("%s.kind: write VM or Container", at))
		}
	default:
		return l.kinds[node.text]
	}
	return nil
}

func (l *loader) projectEnvironments(p *project) {
	t := l.part(p, "environments", "{dev: {…}, prod: {…}}")
	if t == nil {
		return
	}
	for _, e := range t.entries {
		at := Path("environments").Sub(e.key)
		env := projectPart{name: e.key, src: e.src(), tree: &tree{form: mapForm, at: e.at}, guests: map[string]*tree{}}
		switch {
		case !isDotted(e.key):
			l.report(e.src(), p.id, fmt.Sprintf("environments: %q: write a-z, 0-9 and . _ - inside", e.key))
			l.lost[p.id] = true
			continue
		case e.value.form == nullForm:
			l.report(e.src(), p.id, fmt.Sprintf("%s: nothing is written here: write {} if it changes nothing, or take it out", at))
		case e.value.form == brokenForm:
		case e.value.form != mapForm:
			l.report(e.value.src(), p.id, fmt.Sprintf("%s: %s stands where a map is wanted: write %s: {…}", at, e.value.form.called(), e.key))
		default:
			env.tree = e.value.without("guests")
			l.environmentGuests(p, at, &env, e.value.get("guests"))
		}
		p.envs = append(p.envs, env)
	}
}

// environmentGuests reads what an environment gives to one guest.
func (l *loader) environmentGuests(p *project, at Path, env *projectPart, t *tree) {
	at = at.Sub("guests")
	switch {
	case t == nil || t.form == brokenForm:
		return
	case t.form != mapForm:
		l.report(t.src(), p.id, fmt.Sprintf("%s: %s stands where a map is wanted: write {app: {…}}, or {app: null} to leave it out", at, t.form.called()))
		return
	}
	var names []candidate
	for _, g := range p.guests {
		names = append(names, candidate{g.name, g.src})
	}
	for _, e := range t.entries {
		i := slices.IndexFunc(p.guests, func(g projectPart) bool { return g.name == e.key })
		below := at.Sub(e.key)
		switch {
		case i < 0 && len(p.guests) == 0:
		case i < 0:
			l.report(e.src(), p.id, fmt.Sprintf("%s: %s", at, l.missing("guest", e.key, names)))
		case e.value.form == nullForm && e.value.empty:
			l.report(e.src(), p.id, fmt.Sprintf("%s: nothing is written here: write null to leave the guest out, {} if nothing changes", below))
		case e.value.form != mapForm && e.value.form != nullForm && e.value.form != brokenForm:
			l.report(e.value.src(), p.id, fmt.Sprintf("%s: %s stands where a map is wanted: write {…}, or null to leave the guest out", below, e.value.form.called()))
		default:
			env.guests[e.key] = e.value
			if src, ok := e.value.keyAt("kind"); ok {
				l.report(src, p.id, fmt.Sprintf("%s.kind: a guest is of one kind in all environments (%s): take it out", below, p.guests[i].src.place()))
				env.guests[e.key] = e.value.without("kind")
			}
		}
	}
}
