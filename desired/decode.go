package desired

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A decoder puts trees into Go values. It is used twice: on each layer alone,
// to report what is wrong with it where it was written, and on the merged
// layers, silently, to learn the values and where each was set.
type decoder struct {
	// report is nil where mistakes are known already.
	report func(src Source, text string, c complaint)
	// called is the kind, for messages.
	called string
	// set gets a path for each value that was written; nil where nobody asks.
	set *draft
	// bad gets a path for each value that could not be read.
	bad *map[Path]bool
	// dry tells that nobody wants the values, so that no maps are made of them.
	dry bool
}

// spoil remembers a value that could not be read.
func (d *decoder) spoil(a at) {
	if d.bad == nil {
		return
	}
	if *d.bad == nil {
		*d.bad = make(map[Path]bool)
	}
	(*d.bad)[a.path.path] = true
}

// A complaint tells mistakes apart for profiles, which may be for one kind only.
type complaint uint8

const (
	mistaken complaint = iota
	// unfit: the type has no such field, or wants another form.
	unfit
	// notYet: the language has it, this version can't do it.
	notYet
)

// at is where a value stands: for the program, and for people, who may have
// written the short form.
type at struct{ path, shown *pathNode }

func (a at) sub(key string) at {
	path := a.path.sub(key)
	if a.shown == a.path {
		return at{path, path}
	}
	return at{path, a.shown.sub(key)}
}

func (d *decoder) wrong(a at, src Source, format string, args ...any) {
	d.complain(a, src, mistaken, format, args...)
}

func (d *decoder) unfit(a at, src Source, format string, args ...any) {
	d.complain(a, src, unfit, format, args...)
}

func (d *decoder) complain(a at, src Source, c complaint, format string, args ...any) {
	d.spoil(a)
	if d.report == nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if a.shown.path != "" {
		text = string(a.shown.path) + ": " + text
	}
	d.report(src, text, c)
}

// structure decodes a map into a struct.
func (d *decoder) structure(a at, t *tree, s *shape, v reflect.Value) {
	if t.holed {
		d.spoil(a)
	}
	if t.form == scalarForm && s.typ == reflect.TypeFor[SecretRef]() {
		d.unfit(a, t.src(), "%s", inlineSecret(t.text))
		return
	}
	if t.form != mapForm {
		d.unfit(a, t.src(), "%s stands where a map is wanted: write %s", t.form.called(), exampleOf(s))
		return
	}
	for _, e := range t.entries {
		f := s.byWord[e.key]
		if f == nil {
			d.unknown(a, e, s)
			continue
		}
		below := a.sub(e.key)
		switch {
		case e.value.form == brokenForm:
			d.spoil(below)
		case e.value.form == nullForm:
			if e.value.empty {
				d.wrong(below, e.src(), "nothing is written here: write a value, or null to take out what lower layers gave")
			}
		case f.later != "":
			d.complain(below, e.src(), notYet, "%s", f.later)
			if field := v.FieldByIndex(f.index); field.Kind() == reflect.Pointer {
				field.Set(reflect.New(field.Type().Elem()))
			}
		default:
			d.field(below, e.value, f, v.FieldByIndex(f.index))
		}
	}
}

// inlineSecret is for a text where the name of a secret is wanted. The text is
// not printed: it may be the secret itself.
func inlineSecret(text string) string {
	if strings.ContainsAny(text, "!=\n") {
		return "a secret can't stand here: write {secret: NAME}; this one is in Git's history now, revoke it and make a new one"
	}
	return "write {secret: NAME}; if this is the secret itself, it is in Git's history now: revoke it and make a new one"
}

func (d *decoder) unknown(a at, e entry, s *shape) {
	words := s.fieldWords()
	where := d.called
	if a.shown.path != "" {
		where = string(a.shown.path)
	}
	if e.key == "secret" && a.path.path != "" {
		d.secret(a, e.src())
		return
	}
	if known, ok := s.alias(e.key, a.path.path == ""); ok {
		d.unfit(a, e.src(), "unknown field %q: %s", e.key, known.remedy)
		return
	}
	if near := nearest(e.key, words); len(near) > 0 {
		d.unfit(a, e.src(), "unknown field %q; did you mean %s?", e.key, oneOf(near))
		return
	}
	slices.Sort(words)
	if len(words) > 12 {
		d.unfit(a, e.src(), "unknown field %q: %s has none of this name, take it out", e.key, where)
		return
	}
	d.unfit(a, e.src(), "unknown field %q: %s has %s", e.key, where, strings.Join(words, ", "))
}

// field decodes one field of a struct.
func (d *decoder) field(a at, t *tree, f *field, v reflect.Value) {
	if f.pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
		d.mark(a, t)
	}
	if f.short != "" {
		switch {
		case f.shape.is == isStruct && t.form == scalarForm:
			inner := f.shape.byWord[f.short]
			d.field(at{a.path.sub(f.short), a.shown}, t, inner, v.FieldByIndex(inner.index))
			return
		case f.shape.is == isScalar && t.form == mapForm && len(t.entries) == 1 && t.get(f.short) != nil:
			t = t.get(f.short)
		}
	}
	d.value(a, t, f.shape, f, v)
}

// value decodes whatever has a shape; f is nil below maps and lists.
func (d *decoder) value(a at, t *tree, s *shape, f *field, v reflect.Value) {
	switch s.is {
	case isScalar:
		d.scalar(a, t, f, v)
	case isStruct:
		if s.short != "" && t.form == scalarForm {
			inner := s.byWord[s.short]
			d.field(at{a.path.sub(s.short), a.shown}, t, inner, v.FieldByIndex(inner.index))
			return
		}
		if s.detachable && t.form == scalarForm && t.text == wordAbsent {
			inner := s.byWord["state"]
			d.field(at{a.path.sub("state"), a.shown}, t, inner, v.FieldByIndex(inner.index))
			return
		}
		d.structure(a, t, s, v)
	case isMap:
		d.table(a, t, s, v)
	case isList:
		d.list(a, t, s, f, v)
	case isCommand:
		d.command(a, t, v)
	case isAny:
		if value, ok := d.any(a, t); ok && value != nil {
			v.Set(reflect.ValueOf(value))
			d.mark(a, t)
		}
	case isLater:
	}
}

// mark remembers where a value was set.
func (d *decoder) mark(a at, t *tree) {
	if d.set != nil {
		d.set.open[a.path.path] = t.at
	}
}

func (d *decoder) scalar(a at, t *tree, f *field, v reflect.Value) {
	switch {
	case t.form == mapForm && t.get("secret") != nil:
		d.secret(a, t.src())
		return
	case t.form == mapForm && t.get("secret") == nil && t.braced():
		d.wrong(at{a.path, &pathNode{}}, t.src(), "%s begins with \"{\", which YAML reads as a map: put it in quotes", last(a.shown.path))
		return
	case t.form == mapForm && f != nil && f.short != "" && t.get(f.short) != nil && len(t.entries) > 1:
		d.narrow(a, t, f)
		return
	case t.holed:
		// What could not be read in it has been reported.
		d.spoil(a)
		return
	case t.form != scalarForm:
		d.unfit(a, t.src(), "%s stands where one value is wanted: write %s", t.form.called(), exampleOfScalar(v.Type()))
		return
	}
	if err := scalarOf(t.text, v, f); err != nil {
		d.wrong(a, t.src(), "%s", err)
		return
	}
	if f != nil && f.enum != nil && !slices.Contains(f.enum, t.text) {
		d.choice(a, t, f)
		v.SetZero()
		return
	}
	d.mark(a, t)
}

// narrow reports what a field has for the other kind of guests alone.
func (d *decoder) narrow(a at, t *tree, f *field) {
	for _, e := range t.entries {
		if e.key != f.short {
			d.unfit(a, e.src(), "%q: a %s has %s alone: take it out", e.key, d.called, f.short)
		}
	}
}

func (d *decoder) choice(a at, t *tree, f *field) {
	words := f.enum
	if near := nearest(t.text, words); len(near) > 0 {
		d.wrong(a, t.src(), "%q is not known here; did you mean %s?", t.text, oneOf(near))
		return
	}
	if f.or != "" {
		words = append(slices.Clip(words), f.or)
	}
	d.wrong(a, t.src(), "%q is not known here: write %s", t.text, oneOf(words))
}
