package desired

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Load reads the manifests below fsys into a Fleet. The error is a [Problems]
// that lists every mistake, or says why fsys could not be read; there is no
// Fleet then. A file that fsys refuses by an error with a method Refusal() string
// is a mistake, told by what that says. The same manifests always give the same Fleet.
func Load(fsys fs.FS) (*Fleet, error) { return newLoader(fsys).load() }

func newLoader(fsys fs.FS) *loader {
	l := &loader{
		fsys:     fsys,
		shapes:   maps.Clone(kindShapes()),
		kinds:    map[string]*kind{},
		lost:     map[ID]bool{},
		seen:     map[Problem]bool{},
		clashed:  map[Source]bool{},
		defaults: map[string]*tree{},
		stacks:   map[string]*profileStack{},
		macs:     map[string]taken{},
		static6:  map[place6]taken{},
		besides:  map[string]string{},

		scratches: map[*shape]reflect.Value{},
		endpoints: map[string]taken{},
		fleet: &Fleet{
			Sites: map[string]*Site{}, Hosts: map[string]*Host{},
			Users: map[string]*User{}, Images: map[string]*Image{},
			Templates: map[string]*Template{}, Secrets: map[string]*SecretPlace{},
		},
	}
	for _, k := range kinds() {
		l.kinds[k.word] = k
	}
	return l
}

func (l *loader) load() (*Fleet, error) {
	documents := 0
	if l.known != nil {
		documents = l.known.documents
	}
	l.named = make(map[ID]*document, documents)
	l.docs = make([]*document, 0, documents)
	if err := l.readAll(); err != nil {
		return nil, err
	}
	if l.known != nil && !l.sameOthers() {
		return nil, errAnew
	}
	l.fleetDocument()
	l.profileDocuments()
	l.siteDocuments()
	l.userDocuments()
	l.hostDocuments()
	l.imageDocuments()
	l.templateDocuments()
	l.secretDocuments()
	l.dataDocuments()
	l.projectDocuments()
	l.guestDocuments()
	if l.known != nil && (l.doubt || len(l.problems) > 0) {
		return nil, errAnew
	}
	l.edgeDocuments()
	l.playbookDocuments()
	l.approvalDocuments()
	l.unnamedSeals()
	l.finish()
	switch {
	case len(l.problems) > 0:
		return nil, Problems(l.sorted(l.problems))
	case l.known != nil && l.doubt:
		return nil, errAnew
	}
	l.fleet.Notes = l.sorted(l.fleet.Notes)
	return l.fleet, nil
}

// loader holds what one Load knows so far.
type loader struct {
	fsys   fs.FS
	shapes shapes
	// scratches are values to look at layers with, paths those that were met.
	scratches map[*shape]reflect.Value
	paths     pathNode
	kinds     map[string]*kind
	docs      []*document
	named     map[ID]*document
	problems  Problems
	seen      map[Problem]bool
	fleet     *Fleet
	fleetDoc  *item
	// lost holds the ids of documents that could not be read at all: what names
	// them is no mistake. lostAny tells that there are some whose id is unknown.
	lost    map[ID]bool
	lostAny bool

	defaults map[string]*tree
	profiles map[string]*profile
	// stacks are the profiles of `uses` lists laid over each other, by kind and
	// names; stackTold tells that there is one too high.
	stacks    map[string]*profileStack
	stackTold bool
	sites     map[string]*site
	// macs are the MACs that guests have: no two in the fleet have one, on whatever
	// site. static6 are the IPv6 addresses.
	macs    map[string]taken
	static6 map[place6]taken
	// clashed are the names of which one that they stand for was somebody's.
	clashed map[Source]bool
	// made counts the guests that count makes, and guesses the names that were
	// compared with wrong ones.
	made, guesses int
	// bytes and values are what the files read so far hold.
	bytes, values int
	// listed holds the names of the documents by kind, of so many documents.
	listed   map[string][]candidate
	listedOf int

	endpoints map[string]taken
	hosts     map[string]*item
	images    map[string]*imageUse
	guests    []*guest
	datas     []*dataVM
	uses      []volumeUse
	// secrets are the Secret documents; nil until asked for.
	secrets []candidate
	// expanded counts the guests that projects make.
	expanded  int
	edges     []*edge
	playbooks []*playbook

	// remembers tells that another load may go by this one; known is what an
	// earlier one left, and doubt that it does not tell what is so now.
	remembers bool
	known     *memory
	doubt     bool
	// files are those that were read, besides the digests of those that guests'
	// manifests name, runs what playbooks must have run.
	files   []*knownFile
	besides map[string]string
	runs    map[string]knownRuns
	// contents are the files of playbooks that this load has read or known, and before
	// those of the last one; playDirs the directories of playbooks.
	contents, before map[string]content
	playDirs         map[string]*playDir
	// settler makes the settings of items.
	settler settler
	// diskSets are the disks of guests that were looked at.
	diskSets diskSets
	// fresh are the resources that this load has made.
	fresh []*Resource
	// sealed are the encrypted files among the manifests, secretFiles those that Secrets
	// and varsFiles name, forgiven those of them that are wrong.
	sealed      []*sealedFile
	secretFiles map[string]bool
	forgiven    []string
	// looking is the guest that is looked at by itself; nil in between.
	looking *guest
}

// item is a document whose layers are merged and decoded.
type item struct {
	*document
	merged *tree
	set    draft
	bad    map[Path]bool
	// own is the document's tree without `kind`.
	own *tree
}

// report adds a mistake, once. A mistake in a layer belongs to the layer, not
// to the guests that use it.
func (l *loader) report(src Source, id ID, text string) {
	id = l.owner(src, id)
	src.Layer = ""
	p := Problem{Source: src, Text: oneLine(withoutKey(text))}
	if l.seen[p] {
		return
	}
	l.seen[p] = true
	p.ID = ID(oneLine(string(id)))
	l.problems = append(l.problems, p)
}

// owner is whose a mistake is: what stands in a layer is the layer's.
func (l *loader) owner(src Source, id ID) ID {
	switch {
	case strings.HasPrefix(src.Layer, KindProfile+"/"), strings.HasPrefix(src.Layer, KindProject+"/"):
		return ID(src.Layer)
	case src.Layer == layerDefaults && l.fleetDoc != nil:
		return l.fleetDoc.id
	}
	return id
}

// withoutKey keeps a private key that stands where it should not out of what is
// printed.
func withoutKey(text string) string {
	if !strings.Contains(text, "PRIVATE KEY") {
		return text
	}
	field, _, _ := strings.Cut(text, ": ")
	if strings.Contains(field, "PRIVATE KEY") {
		field = "keys"
	}
	return field + ": this is a private key: take it out of Git and make a new one"
}

// oneLine keeps what was written by hand from breaking the line, or the
// terminal, that it is printed on.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// note adds a remark that is no mistake, once. Like a mistake it belongs to the
// layer that it is about.
func (l *loader) note(src Source, id ID, format string, args ...any) {
	id = l.owner(src, id)
	src.Layer = ""
	p := Problem{Source: src, ID: ID(oneLine(string(id))), Text: oneLine(fmt.Sprintf(format, args...))}
	if l.looking != nil {
		l.looking.notes = append(l.looking.notes, p)
	}
	l.remark(p)
}

// remark takes a remark in, once.
func (l *loader) remark(p Problem) {
	once := p
	once.ID = ""
	if !l.seen[once] {
		l.seen[once] = true
		l.fleet.Notes = append(l.fleet.Notes, p)
	}
}

func (l *loader) sorted(p []Problem) []Problem {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if c := strings.Compare(a.Source.File, b.Source.File); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Source.Line, b.Source.Line), cmp.Compare(a.Source.Col, b.Source.Col), strings.Compare(a.Text, b.Text))
	})
	return p
}

// check reports what is wrong with one layer by itself; within is where it
// stands in its document.
func (l *loader) check(id ID, called string, within Path, t *tree, s *shape) {
	d := decoder{called: called, dry: true, report: func(src Source, text string, _ complaint) { l.report(src, id, text) }}
	d.structure(l.layerAt(within), t, s, l.scratch(s))
}

// scratch is a value to look at layers with, which nobody keeps.
func (l *loader) scratch(s *shape) reflect.Value {
	v, ok := l.scratches[s]
	if !ok {
		v = reflect.New(s.typ).Elem()
		l.scratches[s] = v
	}
	v.SetZero()
	return v
}

// layerAt is where a layer stands in its document.
func (l *loader) layerAt(within Path) at { return at{&l.paths, l.paths.of(within)} }

// open checks a document, merges it with the layers below it and decodes the
// result into spec, a pointer.
func (l *loader) open(doc *document, spec any, below ...*tree) *item {
	return l.openOver(doc, spec, &tree{form: mapForm}, below)
}

// openOver is open where some layers were merged before, which lie below the
// others.
func (l *loader) openOver(doc *document, spec any, merged *tree, layers []*tree) *item {
	s := l.shapes.of(reflect.TypeOf(spec))
	it := &item{document: doc, own: doc.tree.without("kind")}
	if doc.layers == nil {
		// A Project's layers have been checked, each once.
		l.check(doc.id, doc.kind.word, "", it.own, s)
	}
	m := merger{report: func(src Source, text string) { l.report(src, doc.id, text) }}
	it.merged = m.over(m.over(merged, s, layers...), s, it.own)
	it.set = l.settler.draft(it.merged.leaves() + followingLeaves)
	d := decoder{set: &it.set, bad: &it.bad, called: doc.kind.word}
	d.structure(l.layerAt(""), it.merged, s, reflect.ValueOf(spec).Elem())
	it.set.drop("name")
	return it
}

// followingLeaves is about how many leaves follow from elsewhere: a guest's site,
// its storage classes and networks.
const followingLeaves = 8

// at is where a value stands; where it is missing, where its document begins.
func (it *item) at(keys ...string) Source {
	if t := it.merged.find(keys...); t != nil {
		return t.src()
	}
	return it.src
}

// key is where a key stands; where it is missing, where its document begins.
func (it *item) key(keys ...string) Source {
	if src, ok := it.merged.find(keys[:len(keys)-1]...).keyAt(keys[len(keys)-1]); ok {
		return src
	}
	return it.src
}

// items are the nodes of a list, or of nothing.
func (it *item) items(keys ...string) []*tree {
	if t := it.merged.find(keys...); t != nil {
		return t.items
	}
	return nil
}

// words are the words of a list, and where they stand.
func (it *item) words(keys ...string) []candidate {
	var words []candidate
	for _, node := range it.items(keys...) {
		if node.form == scalarForm {
			words = append(words, candidate{node.text, node.src()})
		}
	}
	return words
}

// has tells whether something was written at path, be it right or wrong.
func (it *item) has(path Path) bool {
	_, set := it.set.lookup(path)
	return set || it.bad[path]
}

// takenOut tells whether the document itself, or its Project, says null, so that
// nothing shall follow from elsewhere.
func (it *item) takenOut(keys ...string) bool {
	for _, layer := range slices.Backward(append(slices.Clip(it.layers), it.own)) {
		if t := layer.find(keys...); t != nil {
			return t.form == nullForm
		}
	}
	return false
}

// wrong reports a mistake of the item.
func (l *loader) wrong(it *item, src Source, format string, args ...any) {
	l.report(src, it.id, fmt.Sprintf(format, args...))
}
