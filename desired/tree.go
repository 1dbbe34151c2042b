package desired

import "slices"

// A tree is a YAML document as the loader keeps it: scalars are texts, and every
// node knows its place. What a text means is decided by the type of the field
// that it is for, never by YAML.
type tree struct {
	form form
	// plain tells that a scalar stands without quotes.
	plain bool
	// empty marks a null that is written as nothing at all.
	empty bool
	// holed marks a map of which something could not be read.
	holed bool
	text  string
	// at is where the node stands.
	at spot
	// strange tells what the unknown fields of a merged map were perhaps meant to be.
	strange *strange
	items   []*tree
	entries []entry
	// index finds entries by key where there are many; nil until asked for.
	index map[string]int
}

// src is where the node stands.
func (t *tree) src() Source { return t.at.source() }

type entry struct {
	key string
	// at is where the key stands.
	at    spot
	value *tree
}

// src is where the key stands.
func (e *entry) src() Source { return e.at.source() }

type form uint8

const (
	scalarForm form = iota
	listForm
	mapForm
	nullForm
	// brokenForm is what could not be read; the reason has been reported.
	brokenForm
)

// called is how messages speak of a node.
func (f form) called() string {
	switch f {
	case listForm:
		return "a list"
	case mapForm:
		return "a map"
	case nullForm:
		return "nothing"
	default:
		return "one value"
	}
}

// get finds the value of key; nil if there is none.
func (t *tree) get(key string) *tree {
	if i := t.position(key); i >= 0 {
		return t.entries[i].value
	}
	return nil
}

// manyEntries is from how many on an index pays.
const manyEntries = 24

// position finds the entry of key; -1 if there is none.
func (t *tree) position(key string) int {
	if t == nil || t.form != mapForm {
		return -1
	}
	if len(t.entries) < manyEntries {
		for i := range t.entries {
			if t.entries[i].key == key {
				return i
			}
		}
		return -1
	}
	if t.index == nil {
		t.index = make(map[string]int, len(t.entries))
		for i := range t.entries {
			t.index[t.entries[i].key] = i
		}
	}
	if i, ok := t.index[key]; ok {
		return i
	}
	return -1
}

// find walks down maps along keys; nil if the way ends.
func (t *tree) find(keys ...string) *tree {
	for _, key := range keys {
		if t = t.get(key); t == nil {
			return nil
		}
	}
	return t
}

// keyAt is where key itself stands.
func (t *tree) keyAt(key string) (Source, bool) {
	if i := t.position(key); i >= 0 {
		return t.entries[i].src(), true
	}
	return Source{}, false
}

// without is t without some of its keys. Nobody writes to what it has in common with
// t; without keys, it is a copy to write to.
func (t *tree) without(keys ...string) *tree {
	if t == nil || t.form != mapForm {
		return t
	}
	out := *t
	out.index = nil
	if len(keys) == 1 && len(t.entries) > 0 && t.entries[0].key == keys[0] {
		// Nearly every document begins with its kind.
		out.entries = t.entries[1:len(t.entries):len(t.entries)]
		return &out
	}
	out.entries = make([]entry, 0, len(t.entries))
	for _, e := range t.entries {
		if !slices.Contains(keys, e.key) {
			out.entries = append(out.entries, e)
		}
	}
	return &out
}

// put sets key to value, in the place of what is there.
func (t *tree) put(e entry) {
	if i := t.position(e.key); i >= 0 {
		t.entries[i] = e
		return
	}
	t.entries = append(t.entries, e)
	if t.index != nil {
		t.index[e.key] = len(t.entries) - 1
	}
}

// drop takes key out.
func (t *tree) drop(key string) {
	if i := t.position(key); i >= 0 {
		t.entries = slices.Delete(t.entries, i, i+1)
		t.index = nil
	}
}

// label writes layer into every node's source.
func (t *tree) label(layer string) { t.labelled(&origin{file: t.src().File, layer: layer}) }

func (t *tree) labelled(in *origin) {
	t.at.in = in
	for _, item := range t.items {
		item.labelled(in)
	}
	for i := range t.entries {
		t.entries[i].at.in = in
		t.entries[i].value.labelled(in)
	}
}

// leaves counts the values that are no maps.
func (t *tree) leaves() int {
	if t.form != mapForm {
		return 1
	}
	n := 0
	for i := range t.entries {
		n += t.entries[i].value.leaves()
	}
	return n
}

// same tells whether both say the same, wherever they stand.
func (t *tree) same(other *tree) bool {
	if t.form != other.form || t.text != other.text || len(t.items) != len(other.items) || len(t.entries) != len(other.entries) {
		return false
	}
	for i := range t.items {
		if !t.items[i].same(other.items[i]) {
			return false
		}
	}
	for _, e := range t.entries {
		v := other.get(e.key)
		if v == nil || !e.value.same(v) {
			return false
		}
	}
	return true
}

// says tells whether a node is a scalar of that text; nil says nothing.
func (t *tree) says(text string) bool { return t != nil && t.form == scalarForm && t.text == text }

// removal reads an item "-x" of a list of words.
func (t *tree) removal() (word string, ok bool) {
	if t.form != scalarForm || len(t.text) < 2 || t.text[0] != '-' || t.text[1] == '-' {
		return "", false
	}
	return t.text[1:], true
}
