package desired

import (
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A manual is what the types and their comments say of the language. The
// reference and the editors' schema are made from it.
type manual struct {
	shapes shapes
	// comments of types by name, and of fields as in "Guest.Name".
	comments map[string]string
}

// newManual reads the comments of the package's types.
func newManual(t *testing.T) *manual {
	t.Helper()
	m := &manual{shapes: shapes{}, comments: map[string]string{}}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := goparser.ParseFile(token.NewFileSet(), name, text, goparser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if types, ok := decl.(*ast.GenDecl); ok && types.Tok == token.TYPE {
				m.read(types)
			}
		}
	}
	return m
}

func (m *manual) read(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		typ := spec.(*ast.TypeSpec)
		doc := typ.Doc
		if doc == nil {
			doc = decl.Doc
		}
		m.comments[typ.Name.Name] = flow(doc.Text())
		body, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range body.Fields.List {
			for _, name := range field.Names {
				m.comments[typ.Name.Name+"."+name.Name] = flow(field.Doc.Text())
			}
		}
	}
}

// flow makes one line of a comment.
func flow(text string) string { return strings.Join(strings.Fields(text), " ") }

// A word is a field of the language in one place.
type word struct {
	// path is where it stands: "disks.SLOT.size", "expose[].port".
	path  string
	field *field
	tag   reflect.StructTag
	// owner is the struct that declares it, name its field there.
	owner, name string
	// kinds are those that have it here, by short name; effect and priv say, for
	// each, what the tags do.
	kinds        []string
	effect, priv map[string]string
	meaning      string
	words        []*word
}

func (w *word) key() string { return w.owner + "." + w.field.word }

// words lists what may stand in documents of some kinds, each with its type:
// the words of the first kind, then what only the others have. A word that
// differs between them stands for each.
func (m *manual) words(kinds []string, specs []reflect.Type) []*word {
	var out []*word
	for i, kind := range kinds {
		root := reflect.New(specs[i]).Interface()
		for _, w := range m.below(kind, root, "", m.shapes.of(specs[i]), inherited{}) {
			if at := slices.IndexFunc(out, func(o *word) bool { return o.joins(w) }); at >= 0 {
				out[at].join(w)
				continue
			}
			out = append(out, w)
		}
	}
	return out
}

// joins tells whether two words say the same.
func (w *word) joins(o *word) bool {
	return w.field.word == o.field.word && w.field.shape == o.field.shape && w.meaning == o.meaning
}

func (w *word) join(o *word) {
	w.kinds = append(w.kinds, o.kinds...)
	for _, kind := range o.kinds {
		w.effect[kind], w.priv[kind] = o.effect[kind], o.priv[kind]
	}
	for _, below := range o.words {
		if at := slices.IndexFunc(w.words, func(p *word) bool { return p.joins(below) }); at >= 0 {
			w.words[at].join(below)
			continue
		}
		w.words = append(w.words, below)
	}
}

// below lists the words of a struct for one kind.
func (m *manual) below(kind string, root any, at string, s *shape, above inherited) []*word {
	var out []*word
	for _, f := range s.fields {
		owner := s.typ
		for _, i := range f.index[:len(f.index)-1] {
			owner = owner.Field(i).Type
		}
		sf := s.typ.FieldByIndex(f.index)
		if only := sf.Tag.Get("only"); only != "" && guestKind(kind) && !slices.Contains(strings.Split(only, ","), kind) {
			continue
		}
		w := &word{
			path: at + f.word, field: f, tag: sf.Tag, owner: owner.Name(), name: sf.Name, kinds: []string{kind},
			effect: map[string]string{}, priv: map[string]string{},
		}
		w.meaning = m.comments[w.owner+"."+w.name]
		has := inherited{privilege: byKind(kind, sf.Tag.Get("priv"), above.privilege)}
		if tag := sf.Tag.Get("drift"); tag == "-" {
			has.effect = "-"
		} else if above.effect != "-" {
			has.effect = Effect(byKind(kind, tag, string(above.effect)))
		}
		w.effect[kind], w.priv[kind] = m.effect(kind, root, w.path, has), has.privilege
		inner, path := f.shape, w.path
		for inner.is == isMap || inner.is == isList {
			if inner.is == isMap {
				path = string(Path(path).Sub(keyWord(sf.Tag.Get("keys"))))
			} else {
				path = strings.Join([]string{path, "[]"}, "")
			}
			inner = inner.elem
		}
		if inner.is == isStruct {
			w.words = m.below(kind, root, path+".", inner, has)
		}
		out = append(out, w)
	}
	return out
}

// effect is what a difference costs; "" where nothing is compared.
func (m *manual) effect(kind string, root any, path string, has inherited) string {
	if has.effect == "-" {
		return ""
	}
	// The VMID is compared under the word that the manifest has for it.
	if path == "id" && guestKind(kind) {
		return string(Recreate)
	}
	if path == "cloudInit" {
		return string(Create)
	}
	if own, ok := root.(effects); ok {
		return string(own.effectOf(Path(path), has.effect))
	}
	return string(has.effect)
}

func guestKind(kind string) bool { return kind == KindVM || kind == KindContainer || kind == KindData }

// keyWord is how a path names the keys of a map.
func keyWord(keys string) string {
	switch keys {
	case "slot":
		return "SLOT"
	case "nic":
		return "NET"
	case "path":
		return "PATH"
	case "apt":
		return "FILE"
	default:
		return "NAME"
	}
}

// each calls do for words and all below them.
func each(words []*word, do func(*word)) {
	for _, w := range words {
		do(w)
		each(w.words, do)
	}
}

// layered tells whether Fleet.defaults may have a layer for documents of a kind.
func layered(kind string) bool {
	return !slices.Contains([]string{"Fleet", "Profile", "Project", "Approval"}, kind)
}

// sections are the kinds as the reference orders them.
func (m *manual) sections() []section {
	out := []section{
		{title: "Fleet", kinds: []string{"Fleet"}},
		{title: "Site", kinds: []string{"Site"}},
		{title: "VM and Container", kinds: []string{"VM", "Container"}},
		{title: "DataVM", kinds: []string{"DataVM"}},
		{title: "Project", kinds: []string{"Project"}},
		{title: "Profile", kinds: []string{"Profile"}},
		{title: "Image", kinds: []string{"Image"}},
		{title: "Template", kinds: []string{"Template"}},
		{title: "User", kinds: []string{"User"}},
		{title: "Secret", kinds: []string{"Secret"}},
		{title: "Host", kinds: []string{"Host"}},
		{title: "Edge", kinds: []string{"Edge"}},
		{title: "Playbook", kinds: []string{"Playbook"}},
		{title: "Approval", kinds: []string{"Approval"}},
	}
	for i := range out {
		var short []string
		var specs []reflect.Type
		for _, name := range out[i].kinds {
			k := kindOf(name)
			short, specs = append(short, k.short), append(specs, specOf(k))
		}
		out[i].words = m.words(short, specs)
		out[i].meaning = m.comments[specs[0].Name()]
		if len(specs) > 1 {
			out[i].meaning = m.comments["VM"] + " " + m.comments["Container"]
		}
	}
	return out
}

// A section is a chapter of the reference.
type section struct {
	title, meaning string
	kinds          []string
	words          []*word
}

// specOf is a kind's type.
func specOf(k *kind) reflect.Type {
	if k.spec != nil {
		return k.spec
	}
	switch k.word {
	case "Template":
		return reflect.TypeFor[Template]()
	case "DataVM":
		return reflect.TypeFor[DataVM]()
	case "Project":
		return reflect.TypeFor[projectSpec]()
	case "Secret":
		return reflect.TypeFor[SecretPlace]()
	case "Approval":
		return reflect.TypeFor[Approval]()
	}
	panic(fmt.Sprintf("kind %s has no type", k.word))
}

// TestManual holds that every word is told of: what it means, and an example
// unless words below it have one, or it can't be done yet.
func TestManual(t *testing.T) {
	m := newManual(t)
	told := map[string]bool{}
	for _, s := range m.sections() {
		for _, name := range s.kinds {
			told[name] = true
		}
		each(s.words, func(w *word) {
			at := s.title + ": " + w.path
			switch {
			case w.meaning == "":
				t.Errorf("%s: %s.%s has no comment", at, w.owner, w.name)
			case !strings.HasPrefix(w.meaning, w.name+" "):
				t.Errorf("%s: the comment begins with %q, not with %q", at, w.meaning, w.name)
			}
			if w.field.later == "" && w.tag.Get("example") == "" && len(w.words) == 0 {
				t.Errorf("%s: %s.%s has no example", at, w.owner, w.name)
			}
			for _, form := range []string{w.tag.Get("form"), w.tag.Get("keys")} {
				if _, ok := forms("")[form]; form != "" && !ok {
					t.Errorf("%s: no form %q", at, form)
				}
			}
		})
	}
	for _, k := range kinds() {
		if !told[k.word] {
			t.Errorf("kind %s is in no section", k.word)
		}
	}
}

// TestPrivileges holds that every word of a guest that is compared tells the
// privilege that changing it needs.
func TestPrivileges(t *testing.T) {
	for _, s := range newManual(t).sections() {
		each(s.words, func(w *word) {
			for _, kind := range w.kinds {
				if guestKind(kind) && len(w.words) == 0 && w.effect[kind] != "" && w.priv[kind] == "" && w.path != "id" {
					t.Errorf("%s of %s: %s.%s is compared and has no priv tag", w.path, kind, w.owner, w.name)
				}
			}
		})
	}
	for _, kind := range []string{KindVM, KindContainer, KindData} {
		spec := map[string]any{KindVM: &VM{}, KindContainer: &Container{}, KindData: &DataVM{}}[kind]
		for _, leaf := range Leaves(kind, spec) {
			if leaf.Privilege == "" {
				t.Errorf("%s of %s is compared and has no priv tag", leaf.Path, kind)
			}
		}
	}
}
