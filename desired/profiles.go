package desired

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// layerDefaults is the layer that Fleet.defaults makes.
const layerDefaults = "fleet defaults"

// A profile is a layer of guests.
type profile struct {
	*document
	spec profileSpec
	// tree is what guests get: the document without its own words.
	tree *tree
	// misfits holds, by kind, what a guest of that kind can't have.
	misfits map[string][]string
	// uses are the profiles below, in order, without those that are missing.
	uses []*profile
	// stack is the profile with all below it, the lowest first.
	stack []*profile
	// walk is 1 while the stack is being made and 2 after.
	walk int
}

// profileDocuments reads and checks the profiles.
func (l *loader) profileDocuments() {
	l.profiles = map[string]*profile{}
	var list []*profile
	for _, doc := range l.docs {
		if doc.kind.word != "Profile" {
			continue
		}
		p := newProfile(doc)
		l.profiles[doc.name] = p
		list = append(list, p)
		l.checkProfile(p)
	}
	for _, p := range list {
		p.uses = l.usedProfiles(p.id, p.document.tree.get("uses"))
	}
	for _, p := range list {
		l.stackProfile(p, nil)
	}
}

func newProfile(doc *document) *profile {
	return &profile{
		document: doc, misfits: map[string][]string{},
		tree: doc.tree.without("kind", "name", "description", "uses", "for"),
	}
}

// checkProfile checks a profile against the kinds that it is for. What is wrong
// for both is its own mistake; what is wrong for one matters to the guests of
// that kind that use it.
func (l *loader) checkProfile(p *profile) {
	own := &tree{form: mapForm, at: spotOf(p.src)}
	for _, e := range p.document.tree.entries {
		switch e.key {
		case "name", "description", "uses", "for":
			own.entries = append(own.entries, e)
		case "hostname", "count", "renamedFrom", "state", "adopt":
			l.report(e.src(), p.id, e.key+": a profile can't have it: write it at each guest")
			p.tree = p.tree.without(e.key)
		}
	}
	l.check(p.id, "Profile", "", own, l.shapes.of(reflect.TypeFor[profileSpec]()))
	d := decoder{}
	d.structure(l.layerAt(""), own, l.shapes.of(reflect.TypeFor[profileSpec]()), reflect.ValueOf(&p.spec).Elem())

	l.checkFit(p)
}

// A finding is what one kind says against a profile.
type finding struct {
	src  Source
	text string
	what complaint
}

func (l *loader) checkFit(p *profile) {
	found := map[string][]finding{}
	words := []string{"VM", "Container"}
	if p.spec.For != "" {
		words = []string{p.spec.For}
	}
	for _, word := range words {
		d := decoder{called: word, dry: true, report: func(src Source, text string, c complaint) {
			found[word] = append(found[word], finding{src, text, c})
		}}
		s := l.shapes.of(l.kinds[word].spec)
		d.structure(l.layerAt(""), p.tree, s, l.scratch(s))
	}
	for i, word := range words {
		for _, f := range found[word] {
			if f.what == mistaken || len(words) == 1 {
				l.report(f.src, p.id, f.text)
				continue
			}
			other := words[1-i]
			at := slices.IndexFunc(found[other], func(g finding) bool { return g.src == f.src })
			switch {
			case at < 0:
				p.misfits[word] = append(p.misfits[word], f.text)
			case f.what == notYet || found[other][at].what != notYet && i == 0:
				l.report(f.src, p.id, f.text)
			}
		}
	}
}

// usedProfiles finds the profiles of a `uses` list.
func (l *loader) usedProfiles(id ID, uses *tree) []*profile {
	if uses == nil || uses.form != listForm {
		return nil
	}
	var out []*profile
	for _, item := range uses.items {
		if item.form != scalarForm || strings.HasPrefix(item.text, "-") {
			continue
		}
		p := l.profiles[item.text]
		if p == nil {
			if !l.exists(MakeID(KindProfile, item.text)) {
				l.report(item.src(), id, "uses: "+l.missing("profile", item.text, l.documents(KindProfile)))
			}
			continue
		}
		out = append(out, p)
	}
	return out
}

// stackProfile lists a profile with all that it uses, and refuses circles.
func (l *loader) stackProfile(p *profile, above []*profile) []*profile {
	switch p.walk {
	case 2:
		return p.stack
	case 1:
		begin := slices.Index(above, p)
		var names []string
		for _, q := range append(above[begin:], p) {
			names = append(names, q.name)
		}
		src := p.src
		if uses := p.document.tree.get("uses"); uses != nil {
			src = uses.src()
		}
		l.report(src, p.id, fmt.Sprintf("uses: a circle of profiles, %s: take one out", strings.Join(names, " → ")))
		return nil
	}
	p.walk = 1
	in := map[*profile]bool{}
	for _, below := range p.uses {
		for _, q := range l.stackProfile(below, append(above, p)) {
			if !in[q] {
				in[q] = true
				p.stack = append(p.stack, q)
			}
		}
	}
	if len(p.stack) >= maxStack {
		if !l.stackTold {
			l.report(p.src, p.id, fmt.Sprintf("uses: more than %d profiles lie over each other here: make fewer", maxStack))
		}
		l.stackTold = true
		p.stack = nil
	}
	p.stack = append(p.stack, p)
	p.walk = 2
	return p.stack
}

// maxStack is how many profiles may lie over each other.
const maxStack = 1000

// A profileStack is what the profiles of one `uses` list come to for one kind.
type profileStack struct {
	// all are the profiles, the lowest first, and by those through which each
	// came in.
	all, by []*profile
	// tree is the fleet's defaults with the profiles over them.
	tree *tree
}

// layersOf gives what lies below a guest: the fleet's defaults with the profiles
// that it uses over them, merged, and the layers of its Project.
func (l *loader) layersOf(doc *document) (merged *tree, layers []*tree) {
	base := l.defaults[doc.kind.word]
	m := merger{report: func(src Source, text string) { l.report(src, doc.id, text) }}
	s, at := l.shapes.of(reflect.TypeFor[List]()), &trail{nil, "uses"}
	uses := m.merge(at, nil, base.get("uses"), s, nil)
	for _, t := range append(slices.Clip(doc.layers), doc.tree) {
		uses = m.merge(at, uses, t.get("uses"), s, nil)
	}
	stack := l.stacked(doc, l.usedProfiles(doc.id, uses))
	for i, p := range stack.all {
		l.misfit(doc, uses, stack.by[i], p)
	}
	return stack.tree, doc.layers
}

// stacked lays profiles over each other, once for all guests of a kind that use
// the same.
func (l *loader) stacked(doc *document, used []*profile) *profileStack {
	names := []string{doc.kind.word}
	for _, p := range used {
		names = append(names, p.name)
	}
	key := strings.Join(names, " ")
	if known := l.stacks[key]; known != nil {
		return known
	}
	out := &profileStack{}
	in, layers := map[*profile]bool{}, []*tree{l.defaults[doc.kind.word]}
	for _, p := range used {
		for _, q := range p.stack {
			if !in[q] {
				in[q] = true
				out.all, out.by = append(out.all, q), append(out.by, p)
				layers = append(layers, q.tree)
			}
		}
	}
	m := merger{report: func(src Source, text string) { l.report(src, doc.id, text) }}
	out.tree = m.layers(l.shapes.of(doc.kind.spec), layers...)
	l.stacks[key] = out
	return out
}

// misfit reports, at the `uses` line, that a profile has what the guest's kind
// can't have.
func (l *loader) misfit(doc *document, uses *tree, used, p *profile) {
	src := uses.src()
	for _, item := range uses.items {
		if item.text == used.name {
			src = item.src()
		}
	}
	if p.spec.For != "" && p.spec.For != doc.kind.word {
		l.report(src, doc.id, fmt.Sprintf("uses: profile %s is for a %s only: take it out, or change its for", p.name, p.spec.For))
		return
	}
	for _, text := range p.misfits[doc.kind.word] {
		l.report(src, doc.id, fmt.Sprintf("uses: profile %s does not fit a %s: %s", p.name, doc.kind.word, text))
	}
}
