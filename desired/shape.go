package desired

import (
	"net/netip"
	"reflect"
	"strings"
	"sync"
)

// A shape is a Go type as the loader sees it: what may be written where a value
// of the type is wanted.
type shape struct {
	is     shapeIs
	typ    reflect.Type
	fields []*field
	byWord map[string]*field
	elem   *shape
	// short is the key that a plain scalar stands for.
	short string
	// detachable tells that the word "absent" alone stands for {state: absent}.
	detachable bool
}

type shapeIs uint8

const (
	isScalar shapeIs = iota
	isStruct
	isMap
	isList
	isCommand // a shell line or an argument list
	isAny     // whatever is written
	isLater
)

// A field is a word of a struct.
type field struct {
	word    string
	index   []int
	shape   *shape
	pointer bool
	// short is the key that a plain scalar stands for. Where the field itself is
	// a scalar, it is the one key that a map may have.
	short   string
	replace bool
	// literal tells that an item "-x" of the list means just that.
	literal bool
	// six tells that an address or a subnet is IPv6's: the word ends in 6.
	six  bool
	enum []string
	// or is what may stand in the place of a word of enum that no word is.
	or    string
	later string
	// instead names the word that this one takes the place of when it stands in
	// a higher layer.
	instead string
}

// shapes remembers the shapes of one load.
type shapes map[reflect.Type]*shape

// kindShapes are the shapes of all kinds, which a load begins with: nothing changes a shape
// once it is made. The map is not to be written to.
var kindShapes = sync.OnceValue(func() shapes {
	s := shapes{}
	for _, k := range kinds() {
		s.of(k.spec)
	}
	return s
})

// of is the shape of a type; pointers are looked through.
func (s shapes) of(t reflect.Type) *shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if known, ok := s[t]; ok {
		return known
	}
	out := &shape{typ: t}
	s[t] = out
	switch {
	case oneScalar(t):
		out.is = isScalar
	case t == reflect.TypeFor[Later]():
		out.is = isLater
	case t == reflect.TypeFor[Command]():
		out.is = isCommand
	case t.Kind() == reflect.Interface:
		out.is = isAny
	case t.Kind() == reflect.Slice:
		out.is, out.elem = isList, s.of(t.Elem())
	case t.Kind() == reflect.Map:
		out.is, out.elem = isMap, s.of(t.Elem())
	case t.Kind() == reflect.Struct:
		out.is, out.byWord = isStruct, map[string]*field{}
		switch t {
		case reflect.TypeFor[CloudUser]():
			out.short = "name"
		case reflect.TypeFor[Server]():
			out.short = "to"
		case reflect.TypeFor[Trigger]():
			out.short = "when"
		case reflect.TypeFor[Header]():
			out.short = "value"
		case reflect.TypeFor[Disk](), reflect.TypeFor[NIC]():
			out.detachable = true
		}
		s.fields(out, t, nil)
	}
	return out
}

// oneScalar tells whether values of a type are written as one word.
func oneScalar(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[AddrRange](),
		reflect.TypeFor[IDRange](), reflect.TypeFor[Target]():
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	default:
		return false
	}
}

func (s shapes) fields(out *shape, t reflect.Type, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(append([]int(nil), index...), i)
		word, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if options == "inline" {
			s.fields(out, sf.Type, at)
			continue
		}
		if word == "" || word == "-" {
			continue
		}
		f := &field{
			word:    word,
			index:   at,
			shape:   s.of(sf.Type),
			pointer: sf.Type.Kind() == reflect.Pointer,
			short:   sf.Tag.Get("short"),
			replace: sf.Tag.Get("list") == "replace",
			literal: sf.Tag.Get("list") == "literal",
			six:     strings.HasSuffix(word, "6"),
			later:   sf.Tag.Get("later"),
			instead: sf.Tag.Get("instead"),
			or:      sf.Tag.Get("or"),
		}
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, "|")
		}
		out.fields = append(out.fields, f)
		out.byWord[word] = f
	}
}

// shortOf is the key that a scalar stands for in a field or, without a field,
// in an item of a list.
func shortOf(s *shape, f *field) string {
	if f != nil && f.short != "" && s.is == isStruct {
		return f.short
	}
	return s.short
}

// fieldWords are the words of a struct.
func (s *shape) fieldWords() []string {
	words := make([]string, len(s.fields))
	for i, f := range s.fields {
		words[i] = f.word
	}
	return words
}

// words tells whether "-x" in such a list takes x out.
func (s *shape) words() bool {
	return s.elem.is == isScalar && s.elem.typ.Kind() == reflect.String || s.elem.short != ""
}
