package desired

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A project is a Project being read: guests, and the environments that they are
// multiplied by.
type project struct {
	*document
	// tree is what all guests get.
	tree   *tree
	guests []projectPart
	envs   []projectPart
}

// A projectPart is a guest or an environment of a project.
type projectPart struct {
	name string
	src  Source
	// tree is what it gives; an environment's guests are parted from it.
	tree *tree
	// kind is the guest's; nil where it could not be read.
	kind *kind
	// guests are what an environment gives to one guest, by name. nullForm leaves
	// the guest out.
	guests map[string]*tree
}

func newProject(doc *document) *project {
	return &project{document: doc, tree: doc.tree.without("kind", "name", "description", "guests", "environments")}
}

// projectDocuments makes documents of guests of each Project.
func (l *loader) projectDocuments() {
	for _, doc := range slices.Clone(l.docs) {
		if doc.kind.word == "Project" {
			p, misnamed := newProject(doc), l.lost[doc.id]
			l.checkProject(p)
			if !misnamed {
				l.expand(p)
			}
		}
	}
}

// checkProject reads a project's parts and checks each by itself, so that a
// mistake is told where it was written, and once.
func (l *loader) checkProject(p *project) {
	l.projectWords(p)
	l.projectGuests(p)
	l.projectEnvironments(p)
	var kinds []projectPart
	for _, word := range []string{"VM", "Container"} {
		at := slices.IndexFunc(p.guests, func(g projectPart) bool { return g.kind != nil && g.kind.word == word })
		if at >= 0 {
			kinds = append(kinds, p.guests[at])
		}
	}
	p.tree = l.checkLayer(p, "", p.tree, kinds, wordsOfOne("")...)
	for i, g := range p.guests {
		at := Path("guests").Sub(g.name)
		if g.kind != nil {
			p.guests[i].tree = l.checkLayer(p, at, g.tree, []projectPart{g}, wordsOfOne(at)...)
		}
	}
	for i, e := range p.envs {
		at := Path("environments").Sub(e.name)
		words := append(wordsOfOne(at), refusal{"name", "a name is one guest's own: write it under guests"})
		p.envs[i].tree = l.checkLayer(p, at, e.tree, kinds, words...)
		for _, g := range p.guests {
			if own := e.guests[g.name]; own != nil && own.form == mapForm && g.kind != nil {
				e.guests[g.name] = l.checkLayer(p, at.Sub("guests").Sub(g.name), own, []projectPart{g})
			}
		}
	}
}

// projectWords checks the words that are the project's own.
func (l *loader) projectWords(p *project) {
	own := &tree{form: mapForm, src: p.src}
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
			l.report(e.src, p.id, fmt.Sprintf("unknown field %q: write %s", e.key, instead))
			p.tree = p.tree.without(e.key)
			p.document.tree.strange = append(p.document.tree.strange, instead)
		}
	}
}

// part is one of the project's two maps; nil where it can't be used, which has
// been reported.
func (l *loader) part(p *project, word, example string) *tree {
	t := p.document.tree.get(word)
	src, _ := p.document.tree.keyAt(word)
	switch {
	case slices.Contains(p.document.tree.strange, word) || p.document.tree.holed:
	case t == nil:
		l.report(p.src, p.id, word+" is missing: write "+example)
	case t.form == brokenForm:
	case t.form == listForm && word == "environments":
		l.report(t.src, p.id, "environments: a list stands where a map is wanted: write "+example+", {} for one that changes nothing")
	case t.form != mapForm:
		l.report(t.src, p.id, word+": "+t.form.called()+" stands where a map is wanted: write "+example)
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
		g := projectPart{name: e.key, src: e.src, tree: &tree{form: mapForm, src: e.src}}
		switch {
		case !regexpDotted.MatchString(e.key):
			l.report(e.src, p.id, fmt.Sprintf("guests: %q: write a-z, 0-9 and . _ - inside", e.key))
		case e.value.form == brokenForm:
		case e.value.form != mapForm:
			l.report(e.value.src, p.id, fmt.Sprintf("%s: %s stands where a map is wanted: write {kind: VM, …}", at, e.value.form.called()))
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
		l.report(e.src, p.id, fmt.Sprintf("%s: kind is missing: write kind: VM or kind: Container", at))
	case node.form == brokenForm:
	case node.form != scalarForm || !slices.Contains(words, node.text):
		if near := nearest(node.text, words); len(near) > 0 {
			l.report(node.src, p.id, fmt.Sprintf("%s.kind: %q is no kind of guests; did you mean %s?", at, node.text, oneOf(near)))
		} else {
			l.report(node.src, p.id, fmt.Sprintf("%s.kind: write VM or Container", at))
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
		env := projectPart{name: e.key, src: e.src, tree: &tree{form: mapForm, src: e.src}, guests: map[string]*tree{}}
		switch {
		case !regexpDotted.MatchString(e.key):
			l.report(e.src, p.id, fmt.Sprintf("environments: %q: write a-z, 0-9 and . _ - inside", e.key))
			l.lost[p.id] = true
			continue
		case e.value.form == nullForm:
			l.report(e.src, p.id, fmt.Sprintf("%s: nothing is written here: write {} if it changes nothing, or take it out", at))
		case e.value.form == brokenForm:
		case e.value.form != mapForm:
			l.report(e.value.src, p.id, fmt.Sprintf("%s: %s stands where a map is wanted: write %s: {…}", at, e.value.form.called(), e.key))
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
		l.report(t.src, p.id, fmt.Sprintf("%s: %s stands where a map is wanted: write {app: {…}}, or {app: null} to leave it out", at, t.form.called()))
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
			l.report(e.src, p.id, fmt.Sprintf("%s: %s", at, missing("guest", e.key, names)))
		case e.value.form == nullForm && e.value.empty:
			l.report(e.src, p.id, fmt.Sprintf("%s: nothing is written here: write null to leave the guest out, {} if nothing changes", below))
		case e.value.form != mapForm && e.value.form != nullForm && e.value.form != brokenForm:
			l.report(e.value.src, p.id, fmt.Sprintf("%s: %s stands where a map is wanted: write {…}, or null to leave the guest out", below, e.value.form.called()))
		default:
			env.guests[e.key] = e.value
			if src, ok := e.value.keyAt("kind"); ok {
				l.report(src, p.id, fmt.Sprintf("%s.kind: a guest is of one kind in all environments (%s): take it out", below, p.guests[i].src.place()))
				env.guests[e.key] = e.value.without("kind")
			}
		}
	}
}

// A refusal is a word that a layer of a project can't have, and why.
type refusal struct{ word, why string }

// wordsOfOne are the words that only one guest can have, refused in a layer for
// several.
func wordsOfOne(at Path) []refusal {
	where := "environments: {ENV: {guests: {NAME: …}}}"
	if keys := at.Keys(); len(keys) == 2 && keys[0] == "guests" {
		where = "environments: {ENV: {guests: {" + keys[1] + ": …}}}"
	}
	return []refusal{
		{"renamedFrom", "goes with one guest: write it below " + where},
		{"adopt", "goes with one guest: write it below " + where},
	}
}

// checkLayer checks a layer against the kinds of the guests that get it, and
// gives it without what none can have.
func (l *loader) checkLayer(p *project, at Path, t *tree, kinds []projectPart, refused ...refusal) *tree {
	refused = append(refused,
		refusal{"project", "a Project's guests have it from its name: take it out"},
		refusal{"environment", "a Project's guests have it from the environment's name: take it out"})
	for _, r := range refused {
		if src, ok := t.keyAt(r.word); ok {
			l.report(src, p.id, fmt.Sprintf("%s: %s", at.Sub(r.word), r.why))
			t = t.without(r.word)
		}
	}
	found := make([][]finding, len(kinds))
	for i, g := range kinds {
		d := decoder{called: g.kind.word, report: func(src Source, text string, c complaint) {
			found[i] = append(found[i], finding{src, text, c})
		}}
		s := l.shapes.of(g.kind.spec)
		d.structure(atLayer(at), t, s, reflect.New(s.typ).Elem())
	}
	for i, own := range found {
		others := found[len(found)-1-i]
		for _, f := range own {
			same := func(other finding) bool { return other.src == f.src }
			switch {
			case len(kinds) == 1 || f.what == mistaken:
				l.report(f.src, p.id, f.text)
			case !slices.ContainsFunc(others, same):
				l.report(f.src, p.id, fmt.Sprintf("%s (%s is a %s: write it at the guests that have it)", f.text, Path("guests").Sub(kinds[i].name), kinds[i].kind.word))
			case i == 0:
				l.report(f.src, p.id, f.text)
			}
		}
	}
	l.checkPlaceholders(p, at, t)
	return t
}

// atLayer is where a layer stands in its document.
func atLayer(path Path) at { return at{"", path} }

// expand makes a document of each guest in each environment.
func (l *loader) expand(p *project) {
	for _, e := range p.envs {
		for _, g := range p.guests {
			own := e.guests[g.name]
			if own != nil && own.form == nullForm {
				continue
			}
			if l.expanded++; l.expanded > maxExpanded {
				l.report(p.src, p.id, fmt.Sprintf("with this project, more than %d guests are made: make fewer", maxExpanded))
				return
			}
			l.product(p, g, e, own)
		}
	}
}

// maxExpanded is how many guests projects may make at most.
const maxExpanded = 50_000

// product makes the document of a guest in an environment. Its layers are the
// project's, in their order, with the placeholders filled in; on top stands what
// makes it this very guest.
func (l *loader) product(p *project, g, e projectPart, own *tree) {
	doc := &document{kind: g.kind, src: g.src, nameSrc: g.src}
	fill := filling{project: p.name, env: e.name}
	for _, t := range []*tree{p.tree, g.tree, e.tree, own} {
		if t != nil {
			doc.layers = append(doc.layers, fill.layer(t))
		}
	}
	name, count := doc.topmost("name"), doc.topmost("count")
	doc.name = p.name + "-" + e.name + "-" + g.name
	if count != nil {
		// With count even one has its number: another renames none.
		doc.name += "-{n}"
	}
	if name != nil && name.form == scalarForm {
		doc.name, doc.nameSrc = name.text, name.src
	}
	if g.kind == nil {
		for _, kind := range []string{KindVM, KindContainer} {
			l.lost[MakeID(kind, doc.name)] = true
		}
		return
	}
	doc.id = MakeID(g.kind.short, doc.name)
	doc.tree = &tree{form: mapForm, src: g.src}
	put := func(key string, value *tree) {
		doc.tree.entries = append(doc.tree.entries, entry{key: key, src: value.src, value: value})
	}
	put("name", &tree{text: doc.name, src: doc.nameSrc})
	put("project", &tree{text: p.name, src: labelled(p.nameSrc, p.id)})
	put("environment", &tree{text: e.name, src: e.src})
	if count != nil {
		put("count", count)
	}
	if name != nil && name.form != scalarForm {
		l.lost[doc.id] = true // Its mistake has been told.
		return
	}
	l.addProduct(doc)
}

// labelled is a source as one of a layer.
func labelled(src Source, layer ID) Source {
	src.Layer = string(layer)
	return src
}

// topmost finds what the highest layer says of a word; nil if none does, or the
// highest takes it out.
func (doc *document) topmost(word string) *tree {
	for _, t := range slices.Backward(doc.layers) {
		if found := t.get(word); found != nil {
			if found.form == nullForm {
				return nil
			}
			return found
		}
	}
	return nil
}

// addProduct takes the document in, if nobody has its name.
func (l *loader) addProduct(doc *document) {
	if first := l.named[doc.id]; first != nil && first.nameSrc == doc.nameSrc {
		l.report(doc.nameSrc, doc.id, fmt.Sprintf("name: %q would be the guest's name in more than one environment: put {env} into it", doc.name))
		return
	}
	if complaint := badName(doc.kind, doc.name); complaint != "" {
		l.report(doc.nameSrc, doc.id, "name: "+complaint)
		l.lost[doc.id] = true
	}
	if l.onlyOne(doc) {
		l.docs = append(l.docs, doc)
	}
}
