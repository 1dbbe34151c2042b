package desired

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Document is one YAML document that is to be written, as [Load] reads it back.
type Document struct {
	// Kind is the manifest's word, "VM".
	Kind string
	Name string
	// Spec is a pointer to the kind's type; for a Profile to that of the guests
	// that it is for.
	Spec any
	// For is the one kind that a Profile is for; "" for both, and for all else.
	For string
	// Keep holds the paths of the values that are written, in the manifest's own
	// words: "memory.size". A kept entry of a map of which nothing is kept is
	// written as {}; a kept word that is empty as null, which takes out what
	// lower layers give.
	Keep map[Path]bool
	// Null holds paths that are written as null whatever stands there, so that
	// nothing of lower layers holds.
	Null map[Path]bool
	// Head is told above the document, Notes behind single values: for people.
	Head  []string
	Notes map[Path]string
}

// lineWidth is how long a line may be before what stands in it is put below.
const lineWidth = 100

// Write writes documents as the content of one file. The words stand in the
// order of their types, sets and maps are sorted, and short forms are used: the
// same documents always give the same text.
func Write(docs ...Document) ([]byte, error) {
	var out bytes.Buffer
	for i, doc := range docs {
		if i > 0 {
			out.WriteString("---\n")
		}
		for _, line := range doc.Head {
			out.WriteString(strings.TrimRight("# "+oneLine(line), " ") + "\n")
		}
		text, err := doc.text()
		if err != nil {
			return nil, fmt.Errorf("write %s %s: %w", doc.Kind, doc.Name, err)
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}

func (d *Document) text() (text []byte, err error) {
	// yaml.v3 panics at what it can't write.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	w := writer{keep: d.Keep, null: d.Null, notes: d.Notes}
	v := reflect.ValueOf(d.Spec)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, errors.New("there is no spec")
	}
	doc := &yaml.Node{Kind: yaml.MappingNode}
	putNode(doc, "kind", wordNode(d.Kind))
	putNode(doc, "name", wordNode(d.Name))
	if d.For != "" {
		putNode(doc, "for", wordNode(d.For))
	}
	w.fields(doc, "", v.Elem(), "name")
	for i := 1; i < len(doc.Content); i += 2 {
		layOut(doc.Content[i], len(doc.Content[i-1].Value)+2, 0)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return wrapped(out.Bytes()), nil
}

// writer turns values into nodes.
type writer struct {
	keep  map[Path]bool
	null  map[Path]bool
	notes map[Path]string
}

func putNode(m *yaml.Node, key string, value *yaml.Node) {
	m.Content = append(m.Content, wordNode(key), value)
}

// fields writes what is kept of a struct into a map.
func (w *writer) fields(into *yaml.Node, at Path, v reflect.Value, but ...string) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			w.fields(into, at, v.Field(i), but...)
			continue
		case name == "" || name == "-" || slices.Contains(but, name):
			continue
		}
		below := at.Sub(name)
		node := w.value(below, v.Field(i), field.Tag.Get("short"))
		if node == nil {
			continue
		}
		if note := w.notes[below]; note != "" && node.Kind == yaml.ScalarNode && !strings.Contains(node.Value, "\n") {
			node.LineComment = "# " + oneLine(note)
		}
		putNode(into, name, node)
	}
}

// value writes one value; nil if nothing of it is kept.
func (w *writer) value(at Path, v reflect.Value, short string) *yaml.Node {
	t := v.Type()
	switch {
	case w.null[at]:
		return plainNode("null")
	case t.Kind() == reflect.Pointer:
		if v.IsNil() || t.Elem() == reflect.TypeFor[Later]() {
			return nil
		}
		return w.value(at, v.Elem(), short)
	case oneScalar(t):
		if !w.keep[at] {
			return nil
		}
		return scalarNode(v)
	case t.Kind() == reflect.Slice:
		if !w.keep[at] {
			return nil
		}
		return listNode(v)
	case t.Kind() == reflect.Interface:
		if !w.keep[at] || v.IsNil() {
			return nil
		}
		return anyNode(v.Interface())
	case t.Kind() == reflect.Map:
		return w.table(at, v)
	case t.Kind() == reflect.Struct:
		node := &yaml.Node{Kind: yaml.MappingNode}
		w.fields(node, at, v)
		switch {
		case len(node.Content) == 0 && !w.keep[at]:
			return nil
		case short != "" && len(node.Content) == 2 && node.Content[0].Value == short:
			return node.Content[1]
		}
		return node
	}
	return nil
}

func (w *writer) table(at Path, v reflect.Value) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	keys := make([]string, 0, v.Len())
	for _, key := range v.MapKeys() {
		keys = append(keys, key.String())
	}
	slices.SortFunc(keys, naturally)
	for _, key := range keys {
		if value := w.value(at.Sub(key), v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key())), ""); value != nil {
			putNode(node, key, value)
		}
	}
	if len(node.Content) == 0 && !w.keep[at] {
		return nil
	}
	// The keys are people's: they are laid out below each other.
	node.Tag = tableTag
	return node
}

// tableTag marks maps whose keys are people's until they are laid out.
const tableTag = "table"

// naturally orders scsi2 before scsi10, and a container's root before all else.
func naturally(a, b string) int {
	if (a == slotRoot) != (b == slotRoot) {
		return map[bool]int{true: -1, false: 1}[a == slotRoot]
	}
	busA, m, okA := slot(a)
	busB, n, okB := slot(b)
	if okA && okB && busA == busB {
		return m - n
	}
	return cmp.Compare(a, b)
}
