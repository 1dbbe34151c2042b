package desired

import (
	"fmt"
	"slices"
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
	l.checkKinds(p, at, t, kinds)
	l.checkPlaceholders(p, at, t)
	return t
}

// checkKinds checks a layer against the kinds of guests that get it. What is
// wrong for all of them is told once; what is wrong for one, with the guest that
// is of that kind.
func (l *loader) checkKinds(p *project, at Path, t *tree, kinds []projectPart) {
	found := make([][]finding, len(kinds))
	for i, g := range kinds {
		d := decoder{called: g.kind.word, dry: true, report: func(src Source, text string, c complaint) {
			found[i] = append(found[i], finding{src, text, c})
		}}
		s := l.shapes.of(g.kind.spec)
		d.structure(l.layerAt(at), t, s, l.scratch(s))
	}
	told := map[Source]bool{}
	for i, g := range kinds {
		others := found[len(found)-1-i]
		for _, f := range found[i] {
			same := func(other finding) bool { return other.src == f.src }
			switch {
			case f.what != mistaken && told[f.src]:
			case f.what == mistaken || slices.ContainsFunc(others, same):
				l.report(f.src, p.id, f.text)
			default:
				l.report(f.src, p.id, fmt.Sprintf("%s (%s is a %s: write it at the guests that have it)", f.text, Path("guests").Sub(g.name), g.kind.word))
			}
			told[f.src] = true
		}
	}
}
