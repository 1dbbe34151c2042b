package desired

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// identify makes a document of a tree: its kind, its name, its id.
func (l *loader) identify(t *tree) {
	doc := &document{tree: t, src: t.src()}
	if t.form != mapForm {
		l.lostAny = true
		l.report(t.src(), "", "this document is "+t.form.called()+", not a map with kind and name: write kind: and name:, "+notOurs(t.src().File))
		return
	}
	kindNode := t.get("kind")
	switch {
	case kindNode == nil:
		l.lostAny = true
		l.report(t.src(), "", "this document has no kind: add one, "+notOurs(t.src().File))
		return
	case kindNode.form == brokenForm:
		l.lostAny = true
		return
	case kindNode.form != scalarForm:
		l.lostAny = true
		l.report(kindNode.src(), "", "kind is one word: write kind: VM or another kind")
		return
	}
	if doc.kind = l.kinds[kindNode.text]; doc.kind == nil {
		l.lostAny = true
		l.unknownKind(kindNode)
		return
	}
	if !l.identifyName(doc) {
		l.checkNameless(doc)
		return
	}
	if doc.kind.word == "Profile" || doc.kind.word == "Project" {
		doc.tree.label(string(doc.id))
	}
	if doc.kind.short != KindSecret {
		// A Secret's own check tells more.
		l.checkLeaks(doc.id, nil, doc.tree, false)
	}
	for _, one := range l.products(doc) {
		if l.onlyOne(one) {
			l.docs = append(l.docs, one)
		}
	}
}

// notOurs says what to do with a file of another tool's. At the top an
// .berthignore would leave all manifests out.
func notOurs(file string) string {
	if path.Dir(file) == "." {
		return "or, if the file is not Berth's, move it into a directory of its own and put an empty " + ignoreFile + " there, or set repository.path in agent.yaml"
	}
	return "or put an empty " + ignoreFile + " into its directory if the file is not Berth's"
}

func (l *loader) unknownKind(node *tree) {
	var words []string
	for _, k := range kinds() {
		words = append(words, k.word)
	}
	if near := nearest(node.text, words); len(near) > 0 {
		l.report(node.src(), "", fmt.Sprintf("kind: no kind %q; did you mean %s?", node.text, oneOf(near)))
		return
	}
	l.report(node.src(), "", fmt.Sprintf("kind: no kind %q: write %s", node.text, oneOf(words)))
}

// identifyName reads a document's name; false if it has none that can be used.
func (l *loader) identifyName(doc *document) bool {
	node := doc.tree.get("name")
	if doc.kind.short == KindApproval {
		// An approval's identity is what it allows.
		doc.name, doc.nameSrc = doc.src.place(), doc.src
		if allow := doc.tree.get("allow"); allow != nil && allow.form == scalarForm && allow.text != "" {
			doc.name, doc.nameSrc = strings.Join(strings.Fields(allow.text), " "), allow.src()
		}
		doc.id = MakeID(doc.kind.short, doc.name)
		return true
	}
	if node == nil || node.form == nullForm {
		l.lostAny = true
		if l.misnamed(doc) {
			return false
		}
		l.report(doc.src, ID(doc.kind.short), "name is missing: add one")
		return false
	}
	if node.form == brokenForm {
		l.lostAny = true
		return false
	}
	if node.form != scalarForm {
		l.lostAny = true
		text := "name is one word: write one"
		if node.braced() {
			text = `name begins with "{", which YAML reads as a map: put it in quotes`
		}
		l.report(node.src(), ID(doc.kind.short), text)
		return false
	}
	doc.name, doc.nameSrc = node.text, node.src()
	doc.id = MakeID(doc.kind.short, node.text)
	if complaint := badName(doc.kind, node.text); complaint != "" && !doc.counted() {
		l.report(node.src(), doc.id, "name: "+complaint)
		l.lost[doc.id] = true
		// Whatever else is wrong with the document is still worth telling.
	}
	return true
}

// misnamed tells whether an unknown field was meant to be the name.
func (l *loader) misnamed(doc *document) bool {
	s := l.shapes.of(doc.kind.spec)
	return slices.ContainsFunc(doc.tree.entries, func(e entry) bool {
		if e.key == "kind" || s.byWord[e.key] != nil {
			return false
		}
		known, ok := s.alias(e.key, true)
		return ok && known.field == anyField || slices.Contains(s.meant("", e.key), "name")
	})
}

// checkNameless checks what stands in a document that has no name, so that all
// mistakes are told at once.
func (l *loader) checkNameless(doc *document) {
	doc.id = ID(doc.kind.short)
	switch doc.kind.word {
	case "Profile":
		l.checkProfile(newProfile(doc))
	case "Project":
		l.checkProject(newProject(doc))
	default:
		l.check(doc.id, doc.kind.word, "", doc.tree.without("kind", "name", "defaults"), l.shapes.of(doc.kind.spec))
	}
}

// badName says what is wrong with a name.
func badName(k *kind, name string) string {
	is, may := isName, "a-z, 0-9 and - inside"
	if k.dotted {
		is, may = isDotted, "a-z, 0-9 and . _ - inside"
	}
	if is(name) {
		return ""
	}
	better := strings.ToLower(name)
	if !k.dotted {
		better = strings.NewReplacer("_", "-", ".", "-", " ", "-").Replace(better)
	} else {
		better = strings.ReplaceAll(better, " ", "-")
	}
	switch {
	case name == "":
		return "it is empty: write " + may
	case k.guest() && hasNumber(name):
		return fmt.Sprintf("%q: {n} goes with count: add count, or write the name out", name)
	case strings.Contains(name, "{"):
		return fmt.Sprintf("%q: {project} and {env} are for the guests of a Project: write the name out", name)
	case len(name) > 63:
		return fmt.Sprintf("%q is longer than 63 letters: write a shorter one", name)
	case k.guest() && is(better):
		return fmt.Sprintf("Proxmox takes DNS names only: %s? (groups may have \"_\")", better)
	case is(better):
		return fmt.Sprintf("%q: write %s", name, better)
	}
	return fmt.Sprintf("%q: write %s", name, may)
}

// onlyOne refuses a second document of the same name. Guests and Hosts share
// one name space, as DNS and an inventory do.
func (l *loader) onlyOne(doc *document) bool {
	ids := []ID{doc.id}
	if doc.kind.guest() || doc.kind.short == KindHost {
		ids = []ID{MakeID(KindVM, doc.name), MakeID(KindContainer, doc.name), MakeID(KindHost, doc.name)}
	}
	for _, id := range ids {
		first := l.named[id]
		if first != nil && doc.kind.short == KindApproval {
			l.report(doc.nameSrc, doc.id, fmt.Sprintf("allow: %s is allowed already (%s): keep the one that ends later", doc.name, first.nameSrc.place()))
			return false
		}
		if first != nil && l.clashed[doc.nameSrc] {
			return false
		}
		if first != nil {
			// One name stands for many with count, or in a Project.
			l.clashed[doc.nameSrc] = true
			l.report(doc.nameSrc, doc.id, fmt.Sprintf("name: %s has this name already (%s): choose another", first.id, first.nameSrc.place()))
			return false
		}
	}
	l.named[doc.id] = doc
	return true
}

// stands tells whether both are one place in the manifests, through whatever layer.
func (s Source) stands(other Source) bool {
	return s.File == other.File && s.Line == other.Line && s.Col == other.Col
}

// whose says who has what only one can have: has, or, where one line gives it to
// several guests, which of them is the first.
func (has taken) whose(src Source) string {
	if has.src.stands(src) {
		return fmt.Sprintf("would be that of %s and of others: write it at each guest, each its own", has.id)
	}
	return fmt.Sprintf("is %s's (%s): choose another", has.id, has.src.place())
}

// place is "file:line", without the layer.
func (s Source) place() string { return fmt.Sprintf("%s:%d", s.File, s.Line) }

// hostname says what is wrong with a DNS name.
func badHostname(name string) string {
	if len(name) > 253 {
		return fmt.Sprintf("%q is longer than 253 letters: write a shorter one", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if isLabel(label) {
			continue
		}
		if better := strings.ReplaceAll(label, "_", "-"); isLabel(better) {
			return fmt.Sprintf("Proxmox takes DNS names only: %s? (groups may have \"_\")", strings.ReplaceAll(name, "_", "-"))
		}
		return fmt.Sprintf("%q is no DNS name: write letters, digits and - inside, parted by dots", name)
	}
	return ""
}
