package applyertest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// dump writes values out in full, through pointers and private fields, so that
// what has changed in them can be told. Functions and channels have no content.
func dump(values ...any) string {
	d := dumper{seen: make(map[uintptr]bool)}
	for _, v := range values {
		d.value(reflect.ValueOf(v))
	}
	return d.out.String()
}

type dumper struct {
	out  strings.Builder
	seen map[uintptr]bool
}

func (d *dumper) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || d.seen[v.Pointer()] {
			fmt.Fprintf(&d.out, "%v ", v.IsNil())
			return
		}
		d.seen[v.Pointer()] = true
		d.value(v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			d.out.WriteString("nil ")
			return
		}
		d.value(v.Elem())
	case reflect.Struct:
		d.out.WriteString("{")
		for _, field := range v.Fields() {
			d.value(field)
		}
		d.out.WriteString("}")
	case reflect.Slice, reflect.Array:
		d.out.WriteString("[")
		for i := range v.Len() {
			d.value(v.Index(i))
		}
		d.out.WriteString("]")
	case reflect.Map:
		d.entries(v)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Invalid:
		d.out.WriteString("- ")
	default:
		fmt.Fprintf(&d.out, "%#v ", v)
	}
}

// entries writes a map in the order of its keys as text.
func (d *dumper) entries(v reflect.Value) {
	type entry struct {
		key   string
		value reflect.Value
	}
	var all []entry
	for iter := v.MapRange(); iter.Next(); {
		all = append(all, entry{fmt.Sprintf("%#v", iter.Key()), iter.Value()})
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	d.out.WriteString("map[")
	for _, e := range all {
		d.out.WriteString(e.key + ":")
		d.value(e.value)
	}
	d.out.WriteString("]")
}
