package desired

import (
	"reflect"
	"strings"
	"sync"
)

// leafPlan is how the leaves of a type are found: what its tags say, read once.
type leafPlan struct {
	// leaf is what is said of the value itself, where it is compared as one; its Path
	// is relative to the map that it stands in, if any.
	leaf *Leaf
	// fields are a struct's that hold leaves, elem is what a map or a pointer leads to.
	fields []fieldPlan
	elem   *leafPlan
	table  bool
	// at is where the value stands, relative to the map that it stands in, if any.
	at Path
	// said tells that a value which says nothing is no leaf: what it stands in may be
	// left out whole.
	said bool
}

type fieldPlan struct {
	index int
	*leafPlan
}

// usualLeaves is about how many leaves a guest's manifest sets.
const usualLeaves = 32

// leafPath is a path in two parts: the entry of a map, and where a value stands in it.
type leafPath struct{ within, at Path }

// leafEntry is a map and the name of an entry.
type leafEntry struct {
	at   Path
	word string
}

// leafRoom holds an entry of a map.
type leafRoom struct{ key, value reflect.Value }

// join is [Path.join], made once.
func (r *LeafReader) join(within, at Path) Path {
	if within == "" {
		return at
	}
	key := leafPath{within, at}
	path, ok := r.paths[key]
	if !ok {
		if r.paths == nil {
			r.paths = make(map[leafPath]Path)
		}
		path = within.join(at)
		r.paths[key] = path
	}
	return path
}

// entry is [Path.Sub], made once.
func (r *LeafReader) entry(at Path, word string) Path {
	key := leafEntry{at, word}
	path, ok := r.entries[key]
	if !ok {
		if r.entries == nil {
			r.entries = make(map[leafEntry]Path)
		}
		path = at.Sub(word)
		r.entries[key] = path
	}
	return path
}

// room is for the entries of a map, to look at one after the other.
func (r *LeafReader) room(p *leafPlan, t reflect.Type) leafRoom {
	room, ok := r.rooms[p]
	if !ok {
		if r.rooms == nil {
			r.rooms = make(map[*leafPlan]leafRoom)
		}
		room = leafRoom{reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()}
		r.rooms[p] = room
	}
	return room
}

// leafWalk collects leaves.
type leafWalk struct {
	*LeafReader
	keep   func(Path, bool) bool
	leaves []Leaf
}

// value collects the leaves of a value; within is the entry of a map that it stands
// in.
func (w *leafWalk) value(within Path, v reflect.Value, p *leafPlan) {
	switch {
	case p.leaf != nil && p.said && Zero(v.Interface()):
	case p.leaf != nil:
		if at := w.join(within, p.at); w.keep(at, p.leaf.Exact) {
			if w.leaves == nil {
				w.leaves = make([]Leaf, 0, usualLeaves)
			}
			leaf := *p.leaf
			leaf.Path, leaf.Value = at, v.Interface()
			w.leaves = append(w.leaves, leaf)
		}
	case p.table:
		if v.Len() == 0 {
			return
		}
		at, room := w.join(within, p.at), w.room(p, v.Type())
		for entries := v.MapRange(); entries.Next(); {
			room.key.SetIterKey(entries)
			room.value.SetIterValue(entries)
			w.value(w.entry(at, room.key.String()), room.value, p.elem)
		}
	case p.elem != nil:
		if !v.IsNil() {
			w.value(within, v.Elem(), p.elem)
		}
	default:
		for _, f := range p.fields {
			w.value(within, v.Field(f.index), f.leafPlan)
		}
	}
}

// join is the path that leads on from p by q.
func (p Path) join(q Path) Path {
	switch {
	case p == "":
		return q
	case q == "" || q[0] == '[':
		return p + q
	}
	return p + "." + q
}

// leafType is what a plan is for.
type leafType struct {
	kind string
	spec reflect.Type
}

// leafPlans are the plans of the language's own types.
var leafPlans = sync.OnceValue(func() map[leafType]*leafPlan {
	all := make(map[leafType]*leafPlan)
	for _, k := range kinds() {
		all[leafType{k.short, k.spec}] = planLeaves(k.short, k.spec)
	}
	image := leafType{KindImage, reflect.TypeFor[ImageAt]()}
	all[image] = planLeaves(image.kind, image.spec)
	return all
})

// leafPlanOf finds the plan of a type, or makes it.
func leafPlanOf(kind string, spec reflect.Type) *leafPlan {
	if p := leafPlans()[leafType{kind, spec}]; p != nil {
		return p
	}
	return planLeaves(kind, spec)
}

func planLeaves(kind string, spec reflect.Type) *leafPlan {
	return &leafPlan{fields: leafPlanner{kind}.structure("", spec, inherited{})}
}

// inherited is what a value takes over from what it stands in.
type inherited struct {
	effect    Effect
	privilege string
	exact     bool
	said      bool
}

// leafPlanner makes plans for a kind.
type leafPlanner struct{ kind string }

func (m leafPlanner) structure(at Path, t reflect.Type, above inherited) []fieldPlan {
	var fields []fieldPlan
	for i := range t.NumField() {
		field := t.Field(i)
		word, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if options == "inline" {
			fields = append(fields, fieldPlan{i, &leafPlan{fields: m.structure(at, field.Type, above)}})
			continue
		}
		if word == "-" {
			if word = field.Tag.Get("path"); word == "" {
				continue
			}
		}
		tag := field.Tag.Get("drift")
		if tag == "-" || word == "" {
			continue
		}
		p := m.value(at.Sub(word), field.Type, inherited{
			effect:    Effect(byKind(m.kind, tag, string(above.effect))),
			privilege: byKind(m.kind, field.Tag.Get("priv"), above.privilege),
			exact:     above.exact || field.Tag.Get("exact") == "yes",
			said:      above.said || field.Tag.Get("zero") == "none",
		})
		if p != nil {
			fields = append(fields, fieldPlan{i, p})
		}
	}
	return fields
}

// value plans one value; nil where it holds no leaf.
func (m leafPlanner) value(at Path, t reflect.Type, has inherited) *leafPlan {
	if isLeaf(t) {
		if has.effect == "" {
			return nil
		}
		return &leafPlan{at: at, said: has.said, leaf: &Leaf{Effect: has.effect, Privilege: has.privilege, Exact: has.exact}}
	}
	switch t.Kind() {
	case reflect.Struct:
		if fields := m.structure(at, t, has); fields != nil {
			return &leafPlan{at: at, fields: fields}
		}
	case reflect.Map:
		if elem := m.value("", t.Elem(), has); elem != nil {
			return &leafPlan{at: at, table: true, elem: elem}
		}
	case reflect.Pointer:
		if t.Elem() == reflect.TypeFor[Later]() {
			return nil
		}
		if elem := m.value(at, t.Elem(), has); elem != nil {
			return &leafPlan{at: at, elem: elem}
		}
	default:
	}
	return nil
}
