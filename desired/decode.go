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
	// set gets a path for each value that was written.
	set map[Path]Source
	// bad gets a path for each value that could not be read.
	bad map[Path]bool
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
type at struct{ path, shown Path }

func (a at) sub(key string) at { return at{a.path.Sub(key), a.shown.Sub(key)} }

func (d *decoder) wrong(a at, src Source, format string, args ...any) {
	d.complain(a, src, mistaken, format, args...)
}

func (d *decoder) unfit(a at, src Source, format string, args ...any) {
	d.complain(a, src, unfit, format, args...)
}

func (d *decoder) complain(a at, src Source, c complaint, format string, args ...any) {
	if d.bad != nil {
		d.bad[a.path] = true
	}
	if d.report == nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if a.shown != "" {
		text = string(a.shown) + ": " + text
	}
	d.report(src, text, c)
}

// structure decodes a map into a struct.
func (d *decoder) structure(a at, t *tree, s *shape, v reflect.Value) {
	if t.holed && d.bad != nil {
		d.bad[a.path] = true
	}
	if t.form != mapForm {
		d.unfit(a, t.src, "%s stands where a map is wanted: write %s", t.form.called(), exampleOf(s))
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
			d.broken(below)
		case e.value.form == nullForm:
			if e.value.empty {
				d.wrong(below, e.src, "nothing is written here: write a value, or null to take out what lower layers gave")
			}
		case f.later != "":
			d.complain(below, e.src, notYet, "%s", f.later)
			if field := v.FieldByIndex(f.index); field.Kind() == reflect.Pointer {
				field.Set(reflect.New(field.Type().Elem()))
			}
		default:
			d.field(below, e.value, f, v.FieldByIndex(f.index))
		}
	}
}

// broken remembers what could not be read, which has been reported.
func (d *decoder) broken(a at) {
	if d.bad != nil {
		d.bad[a.path] = true
	}
}

func (d *decoder) unknown(a at, e entry, s *shape) {
	words := make([]string, len(s.fields))
	for i, f := range s.fields {
		words[i] = f.word
	}
	where := d.called
	if a.shown != "" {
		where = string(a.shown)
	}
	if e.key == "secret" && a.path != "" {
		d.secret(a, e.src)
		return
	}
	if near := nearest(e.key, words); len(near) > 0 {
		d.unfit(a, e.src, "unknown field %q; did you mean %s?", e.key, oneOf(near))
		return
	}
	slices.Sort(words)
	if len(words) > 12 {
		d.unfit(a, e.src, "unknown field %q: %s has none of this name, take it out", e.key, where)
		return
	}
	d.unfit(a, e.src, "unknown field %q: %s has %s", e.key, where, strings.Join(words, ", "))
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
			d.field(at{a.path.Sub(f.short), a.shown}, t, inner, v.FieldByIndex(inner.index))
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
			d.field(at{a.path.Sub(s.short), a.shown}, t, inner, v.FieldByIndex(inner.index))
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
		d.set[a.path] = t.src
	}
}

func (d *decoder) scalar(a at, t *tree, f *field, v reflect.Value) {
	switch {
	case t.form == mapForm && t.get("secret") != nil:
		d.secret(a, t.src)
		return
	case t.form == mapForm && t.get("secret") == nil && t.braced():
		d.wrong(at{a.path, ""}, t.src, "%s begins with \"{\", which YAML reads as a map: put it in quotes", last(a.shown))
		return
	case t.form != scalarForm:
		d.unfit(a, t.src, "%s stands where one value is wanted: write %s", t.form.called(), exampleOfScalar(v.Type()))
		return
	}
	if err := scalar(t.text, v); err != nil {
		d.wrong(a, t.src, "%s", err)
		return
	}
	if f != nil && f.enum != nil && !slices.Contains(f.enum, t.text) {
		d.choice(a, t, f.enum)
		v.SetZero()
		return
	}
	d.mark(a, t)
}

func (d *decoder) choice(a at, t *tree, words []string) {
	if near := nearest(t.text, words); len(near) > 0 {
		d.wrong(a, t.src, "%q is not known here; did you mean %s?", t.text, oneOf(near))
		return
	}
	d.wrong(a, t.src, "%q is not known here: write %s", t.text, oneOf(words))
}

// secret reports a secret where none may stand.
func (d *decoder) secret(a at, src Source) {
	switch a.path.Keys()[0] {
	case "cloudInit":
		d.wrong(a, src, "visible to every user of the guest: use a Playbook's vars")
	case "vars":
		d.wrong(a, src, "secrets in vars are not built yet: let the play read it on the agent's host")
	default:
		d.wrong(a, src, "a secret can't stand here: only a site's token and ssh.key take one")
	}
}

func (d *decoder) table(a at, t *tree, s *shape, v reflect.Value) {
	if t.form != mapForm {
		d.unfit(a, t.src, "%s stands where a map is wanted: write %s: {…}", t.form.called(), last(a.shown))
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(t.entries)))
	if len(t.entries) == 0 {
		d.mark(a, t)
	}
	for _, e := range t.entries {
		below := a.sub(e.key)
		if e.value.form == brokenForm {
			d.broken(below)
			continue
		}
		if e.value.form == nullForm {
			if e.value.empty && s.elem.is != isAny {
				d.wrong(below, e.src, "nothing is written here: write a value, or null to take out what lower layers gave")
			}
			continue
		}
		if s.elem.typ == reflect.TypeFor[Disk]() && e.value.form == scalarForm && e.value.text == "absent" {
			d.wrong(below, e.value.src, "detaching a disk is not built yet: leave the slot out, it is then unmanaged")
			continue
		}
		item := reflect.New(s.elem.typ).Elem()
		d.value(below, e.value, s.elem, nil, item)
		v.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), item)
	}
}

func (d *decoder) list(a at, t *tree, s *shape, f *field, v reflect.Value) {
	if t.form != listForm {
		if t.form == scalarForm {
			example := t.text
			if len(example) > 40 || strings.ContainsAny(example, "\n\"[]{},") {
				example = "…"
			}
			d.unfit(a, t.src, "one value stands where a list is wanted: write [%s]", example)
			return
		}
		d.unfit(a, t.src, "%s stands where a list is wanted: write %s: […]", t.form.called(), last(a.shown))
		return
	}
	d.mark(a, t)
	inner := decoder{report: d.report, called: d.called, bad: d.bad}
	out := reflect.MakeSlice(v.Type(), 0, len(t.items))
	for _, item := range t.items {
		if _, ok := item.removal(); ok && s.words() && (f == nil || !f.replace) {
			continue
		}
		if item.form == brokenForm {
			d.broken(a)
			continue
		}
		if item.form == nullForm {
			d.wrong(a, item.src, "nothing is written in this place of the list: take it out")
			continue
		}
		if f != nil && f.word == "runs" && item.form == mapForm {
			d.wrong(a, item.src, "schedules are not built yet: write created, changed or manual")
			continue
		}
		value := reflect.New(s.elem.typ).Elem()
		inner.value(a, item, s.elem, f, value)
		out = reflect.Append(out, value)
	}
	v.Set(out)
}

func (d *decoder) command(a at, t *tree, v reflect.Value) {
	to := v.Addr().Interface().(*Command)
	switch {
	case t.form == scalarForm:
		to.Shell = t.text
	case t.form == mapForm && t.get("secret") != nil:
		d.secret(a, t.src)
	case t.form != listForm:
		d.wrong(a, t.src, "a map stands where a command is wanted: put it in quotes, or write a list of arguments")
	case len(t.items) == 0:
		d.wrong(a, t.src, "an empty list is no command: take it out")
	default:
		for _, item := range t.items {
			var word string
			d.scalar(a, item, nil, reflect.ValueOf(&word).Elem())
			to.Args = append(to.Args, word)
		}
	}
}

// any decodes what is nobody's field.
func (d *decoder) any(a at, t *tree) (value any, ok bool) {
	switch t.form {
	case nullForm:
		return nil, true
	case brokenForm:
		d.broken(a)
		return nil, false
	case listForm:
		list := make([]any, 0, len(t.items))
		for _, item := range t.items {
			value, one := d.any(a, item)
			if !one {
				return nil, false
			}
			list = append(list, value)
		}
		return list, true
	case mapForm:
		if t.get("secret") != nil && len(t.entries) <= 2 && len(t.without("secret", "key").entries) == 0 {
			d.secret(a, t.src)
			return nil, false
		}
		table := make(map[string]any, len(t.entries))
		for _, e := range t.entries {
			value, one := d.any(a.sub(e.key), e.value)
			if !one {
				return nil, false
			}
			table[e.key] = value
		}
		return table, true
	default:
		return guess(t), true
	}
}

// braced tells whether a map is what YAML makes of an unquoted {word}.
func (t *tree) braced() bool {
	return t.form == mapForm && len(t.entries) == 1 && t.entries[0].value.empty
}

// last is a path's last key.
func last(p Path) string {
	keys := p.Keys()
	if len(keys) == 0 {
		return ""
	}
	return keys[len(keys)-1]
}

// exampleOf shows how a struct is written.
func exampleOf(s *shape) string {
	if len(s.fields) == 0 {
		return "{…}"
	}
	return "{" + s.fields[0].word + ": …}"
}

// exampleOfScalar shows how a scalar is written.
func exampleOfScalar(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Size]():
		return "a size as in 512MiB"
	case reflect.TypeFor[Duration]():
		return "a length of time as in 10m"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Float64:
		return "a number"
	default:
		return "one word, in quotes if need be"
	}
}
