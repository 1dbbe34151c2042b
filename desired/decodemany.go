package desired

import (
	"reflect"
	"strings"
)

// table decodes a map whose keys are the user's.
func (d *decoder) table(a at, t *tree, s *shape, v reflect.Value) {
	if t.form != mapForm {
		d.unfit(a, t.src(), "%s stands where a map is wanted: write %s: {…}", t.form.called(), last(a.shown.path))
		return
	}
	if !d.dry {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(t.entries)))
	}
	item := reflect.New(s.elem.typ).Elem()
	if len(t.entries) == 0 {
		d.mark(a, t)
	}
	for _, e := range t.entries {
		below := a.sub(e.key)
		if e.value.form == brokenForm {
			d.spoil(below)
			continue
		}
		if e.value.form == nullForm {
			if e.value.empty && s.elem.is != isAny {
				d.wrong(below, e.src(), "nothing is written here: write a value, or null to take out what lower layers gave")
			}
			continue
		}
		item.SetZero()
		d.value(below, e.value, s.elem, nil, item)
		if d.dry {
			continue
		}
		v.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), item)
	}
}

// list decodes a list; what takes out is merging's affair.
func (d *decoder) list(a at, t *tree, s *shape, f *field, v reflect.Value) {
	if t.form != listForm {
		if t.form == scalarForm {
			example := listExample(f, t.text)
			if len(example) > 40 || strings.ContainsAny(example, "\n\"[]{}") || strings.Contains(example, ",") && example == t.text {
				example = "…"
			}
			d.unfit(a, t.src(), "one value stands where a list is wanted: write [%s]", example)
			return
		}
		d.unfit(a, t.src(), "%s stands where a list is wanted: write %s: […]", t.form.called(), last(a.shown.path))
		return
	}
	d.mark(a, t)
	inner := decoder{report: d.report, called: d.called, bad: d.bad, dry: d.dry}
	out := reflect.MakeSlice(v.Type(), len(t.items), len(t.items))
	read := 0
	for _, item := range t.items {
		if _, ok := item.removal(); ok && s.words() && (f == nil || !f.replace && !f.literal) {
			continue
		}
		if item.form == brokenForm {
			d.spoil(a)
			continue
		}
		if item.form == nullForm {
			d.wrong(a, item.src(), "nothing is written in this place of the list: take it out")
			continue
		}
		inner.value(a, item, s.elem, f, out.Index(read))
		read++
	}
	v.Set(out.Slice(0, read))
}

// listExample writes as the items of a list what Proxmox takes as one text.
func listExample(f *field, text string) string {
	if f == nil {
		return text
	}
	switch f.word {
	case "boot":
		text = strings.TrimPrefix(text, "order=")
	case "features":
		text = strings.ReplaceAll(text, "=1", "")
	case "tags":
	case "test", "reload":
		return strings.Join(strings.Fields(text), ", ")
	default:
		return text
	}
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; ", r) }), ", ")
}

// command decodes a shell line or a list of arguments.
func (d *decoder) command(a at, t *tree, v reflect.Value) {
	to := v.Addr().Interface().(*Command)
	switch {
	case t.form == scalarForm:
		to.Shell = t.text
	case t.form == mapForm && t.get("secret") != nil:
		d.secret(a, t.src())
	case t.form != listForm:
		d.wrong(a, t.src(), "a map stands where a command is wanted: put it in quotes, or write a list of arguments")
	case len(t.items) == 0:
		d.wrong(a, t.src(), "an empty list is no command: take it out")
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
		d.spoil(a)
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
		if t.refers() {
			return d.reference(a, t)
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
