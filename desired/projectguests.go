package desired

import (
	"fmt"
	"slices"
)

// expand makes a document of each guest in each environment.
func (l *loader) expand(p *project) {
	if l.expanded += len(p.envs) * len(p.guests); l.expanded > maxExpanded {
		l.report(p.src, p.id, fmt.Sprintf("with this project, more than %d guests are made: make fewer", maxExpanded))
		l.lost[p.id] = true
		return
	}
	for _, e := range p.envs {
		for _, g := range p.guests {
			if own := e.guests[g.name]; own == nil || own.form != nullForm {
				l.product(p, g, e, own)
			}
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
		doc.name, doc.nameSrc = name.text, name.src()
	}
	if g.kind == nil {
		for _, kind := range []string{KindVM, KindContainer} {
			l.lost[MakeID(kind, doc.name)] = true
		}
		return
	}
	doc.id = MakeID(g.kind.short, doc.name)
	doc.tree = &tree{form: mapForm, at: spotOf(g.src)}
	put := func(key string, value *tree) {
		doc.tree.entries = append(doc.tree.entries, entry{key: key, at: value.at, value: value})
	}
	put("name", &tree{text: doc.name, at: spotOf(doc.nameSrc)})
	put("project", &tree{text: p.name, at: spotOf(labelled(p.nameSrc, p.id))})
	put("environment", &tree{text: e.name, at: spotOf(e.src)})
	if count != nil {
		put("count", count)
	}
	if name != nil && name.form != scalarForm {
		l.lost[doc.id] = true // Its mistake has been told.
		return
	}
	if many, err := parseInt(doc.counts()); err == nil && many > 1 && !hasNumber(doc.name) {
		l.report(doc.nameSrc, doc.id, "name: with count it would be that of several guests: put {n} into it, as in NAME-{n}")
		l.lost[doc.id] = true
		return
	}
	l.addProduct(doc)
}

// counts is what a document says of count, as it was written.
func (doc *document) counts() string {
	if count := doc.tree.get("count"); count != nil {
		return count.text
	}
	return ""
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

// addProduct takes the document in, as often as its count says, if nobody has
// its names.
func (l *loader) addProduct(doc *document) {
	for _, one := range l.products(doc) {
		if first := l.named[one.id]; first != nil && first.nameSrc == one.nameSrc {
			l.report(one.nameSrc, one.id, fmt.Sprintf("name: %q would be the guest's name in more than one environment: put {env} into it", one.name))
			return
		}
		complaint := badName(one.kind, one.name)
		switch {
		case complaint == "" || one.n != 0:
		case hasNumber(one.name):
			l.report(one.nameSrc, one.id, "name: {n} goes with count: add count, or write the name without")
			l.lost[one.id] = true
		default:
			l.report(one.nameSrc, one.id, "name: "+complaint)
			l.lost[one.id] = true
		}
		if l.onlyOne(one) {
			l.docs = append(l.docs, one)
		}
	}
}
