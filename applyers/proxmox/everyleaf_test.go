package proxmox

import (
	"reflect"
	"slices"
	"strings"

	"berth/desired"
)

// everyLeaf lists the paths that are compared in a kind, found in its type: one
// key stands for all of a map, "x".
func everyLeaf(kind string, spec any) []desired.Path {
	fillIn(reflect.ValueOf(spec).Elem())
	var paths []desired.Path
	for _, leaf := range desired.Leaves(kind, spec) {
		paths = append(paths, leaf.Path)
	}
	slices.Sort(paths)
	return paths
}

// fillIn gives every map one key and every pointer something to point at, so that
// no leaf hides.
func fillIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillIn(v.Field(i))
			}
		}
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem() != reflect.TypeFor[desired.Later]() {
			v.Set(reflect.New(v.Type().Elem()))
			fillIn(v.Elem())
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String || v.Type().Elem().Kind() == reflect.Interface {
			return
		}
		one := reflect.New(v.Type().Elem()).Elem()
		fillIn(one)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x").Convert(v.Type().Key()), one)
	default:
	}
}

// patternOf is a path with the keys of maps replaced as everyLeaf does.
func patternOf(path desired.Path) desired.Path {
	keys := path.Keys()
	if len(keys) > 1 && (keys[0] == "disks" || keys[0] == "networks" || keys[0] == "options") {
		keys[1] = "x"
	}
	return desired.Path(strings.Join(keys, "."))
}

// onlyFor are the kinds that have a field, by its pattern, where its tag names
// them.
func onlyFor(spec any) map[desired.Path]string {
	only := make(map[desired.Path]string)
	var walk func(at desired.Path, t reflect.Type, above string)
	walk = func(at desired.Path, t reflect.Type, above string) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
			if t.Kind() == reflect.Map {
				at = at.Sub("x")
			}
			t = t.Elem()
		}
		if above != "" {
			only[at] = above
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for field := range t.Fields() {
			word, inline, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if word == "-" {
				word = field.Tag.Get("path")
			}
			if word == "" && inline != "inline" || t == reflect.TypeFor[desired.Later]() {
				continue
			}
			next := at
			if word != "" {
				next = at.Sub(word)
			}
			tag := field.Tag.Get("only")
			if tag == "" {
				tag = above
			}
			walk(next, field.Type, tag)
		}
	}
	walk("", reflect.TypeOf(spec).Elem(), "")
	return only
}
