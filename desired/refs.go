package desired

import (
	"fmt"
	"slices"
	"strings"
)

// candidate is something that a reference could name.
type candidate struct {
	name string
	src  Source
}

// maxGuesses is how many names a load compares to find what wrong references may
// have meant. Where most of a large fleet's are wrong, a guess for each would take
// minutes, and one cause explains them all.
const maxGuesses = 1_000_000

// mayGuess tells whether so many names may still be compared, and counts them.
func (l *loader) mayGuess(names int) bool {
	l.guesses += names
	return l.guesses <= maxGuesses
}

// missing says that a reference names nothing, and what it may have meant.
func (l *loader) missing(what, name string, candidates []candidate) string {
	if !l.mayGuess(len(candidates)) {
		return fmt.Sprintf("no %s %q: correct the name, or add it", what, name)
	}
	names := make([]string, len(candidates))
	for i, c := range candidates {
		names[i] = c.name
	}
	text := fmt.Sprintf("no %s %q", what, name)
	near := nearest(name, names)
	if single(what) {
		near = slices.DeleteFunc(near, func(n string) bool { return withoutNumbers(n) == withoutNumbers(name) })
	}
	if len(near) > 0 {
		for i, n := range near {
			if src := candidates[slices.Index(names, n)].src; src.File != "" {
				near[i] += " (" + src.place() + ")"
			}
		}
		return text + "; did you mean " + oneOf(near) + "?"
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return text + ": there is none, add it"
	case len(names) <= 8:
		return text + ": write " + oneOf(names) + ", or add it"
	}
	return text + ": correct the name, or add it"
}

// single tells whether names that differ in their numbers alone are different
// things, none of which is a mistyped other: who takes web-2 for web-3, or one's
// data for another's, does harm.
func single(what string) bool {
	switch what {
	case "data VM", "disk", "guest", kindWord(KindVM), kindWord(KindContainer), kindWord(KindHost):
		return true
	}
	return false
}

func withoutNumbers(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, name)
}

// documents lists the documents of some kinds, as candidates by name.
func (l *loader) documents(short ...string) []candidate {
	if l.listedOf != len(l.docs) {
		// Projects add documents.
		l.listed, l.listedOf = map[string][]candidate{}, len(l.docs)
	}
	var out []candidate
	for _, kind := range short {
		if _, known := l.listed[kind]; !known {
			l.listed[kind] = nil
			for _, doc := range l.docs {
				if doc.kind.short == kind {
					l.listed[kind] = append(l.listed[kind], candidate{doc.name, doc.nameSrc})
				}
			}
		}
		if len(short) == 1 {
			return slices.Clip(l.listed[kind])
		}
		out = append(out, l.listed[kind]...)
	}
	return out
}

// named says whether a document exists, or may exist and could not be read.
func (l *loader) exists(id ID) bool {
	return l.named[id] != nil || l.lost[id] || l.lostAny || id.Guest() && l.lostKind(KindProject)
}

// reference checks a reference "kind/name" to one of some kinds. ok tells that
// the document can be used; where it can't, the reason has been reported.
func (l *loader) reference(it *item, src Source, field, text string, short ...string) (doc *document, ok bool) {
	id := ID(text)
	if !strings.Contains(text, "/") {
		var kindsText []string
		for _, s := range short {
			kindsText = append(kindsText, s+"/"+text)
			if l.named[MakeID(s, text)] != nil {
				l.wrong(it, src, "%s: %q lacks its kind: write %s/%s", field, text, s, text)
				return nil, false
			}
		}
		l.wrong(it, src, "%s: %q lacks its kind: write %s", field, text, oneOf(kindsText))
		return nil, false
	}
	if !slices.Contains(short, id.Kind()) {
		l.wrong(it, src, "%s: %q can't stand here: write %s", field, text, oneOf(withName(short)))
		return nil, false
	}
	if doc := l.named[id]; doc != nil {
		return doc, true
	}
	if l.exists(id) {
		return nil, false
	}
	for _, s := range short {
		if other := l.named[MakeID(s, id.Name())]; other != nil {
			l.wrong(it, src, "%s: no %s, but %s: write that", field, id, other.id)
			return nil, false
		}
	}
	var candidates []candidate
	for _, c := range l.documents(id.Kind()) {
		if l.guesses >= maxGuesses {
			break
		}
		if src.Layer == "" && MakeID(id.Kind(), c.name) == it.id {
			continue // Nothing means itself.
		}
		candidates = append(candidates, candidate{id.Kind() + "/" + c.name, c.src})
	}
	l.wrong(it, src, "%s: %s", field, l.missing(kindWord(id.Kind()), text, candidates))
	return nil, false
}

func withName(short []string) []string {
	out := make([]string, len(short))
	for i, s := range short {
		out[i] = s + "/NAME"
	}
	return out
}

// kindWord is what a short kind is called in messages.
func kindWord(short string) string {
	for _, k := range kinds() {
		if k.short == short {
			switch k.word {
			case "VM":
				return "VM"
			case "DataVM":
				return "data VM"
			}
			return strings.ToLower(k.word)
		}
	}
	return short
}
