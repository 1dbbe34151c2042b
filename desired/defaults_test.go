package desired

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"gopkg.in/yaml.v3"
)

// TestDefaults holds that a default which is a value is what a document gets
// that does not write it.
func TestDefaults(t *testing.T) {
	checked := 0
	for _, s := range newManual(t).sections() {
		for _, kind := range s.kinds {
			text, err := exampleFleet(kind, "description", "x")
			if kind == "Approval" {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			fleet, err := Load(fstest.MapFS{
				"fleet.yaml":           {Data: []byte(text)},
				"ansible/base.yml":     {Data: []byte("- hosts: all\n")},
				"ansible/.berthignore": {},
			})
			if err != nil {
				t.Errorf("%s: %v", kind, err)
				continue
			}
			spec := loaded(fleet, kind)
			if !spec.IsValid() {
				continue
			}
			each(s.words, func(w *word) {
				def := w.tag.Get("default")
				if def == "" || def == "required" || strings.ContainsAny(w.path, "[N") {
					return
				}
				v := spec
				for key := range strings.SplitSeq(w.path, ".") {
					v = fieldByWord(v, key)
					if !v.IsValid() {
						return
					}
				}
				want, ok := literal(w, def)
				if !ok {
					return
				}
				checked++
				if !reflect.DeepEqual(v.Interface(), want.Interface()) {
					t.Errorf("%s %s: default %q, loaded %v", kind, w.path, def, v)
				}
			})
		}
	}
	if checked < 50 {
		t.Errorf("only %d defaults were looked at", checked)
	}
}

// loaded is the document of a kind that exampleFleet made.
func loaded(fleet *Fleet, kind string) reflect.Value {
	switch kind {
	case "Fleet":
		return reflect.ValueOf(fleet.Spec)
	case "Site":
		return reflect.ValueOf(*fleet.Sites["far"])
	case "User":
		return reflect.ValueOf(*fleet.Users["subject"])
	case "Image":
		return reflect.ValueOf(*fleet.Images["subject"])
	}
	if r := fleet.Resource(MakeID(kindOf(kind).short, "subject")); r != nil {
		return reflect.ValueOf(r.Spec).Elem()
	}
	return reflect.Value{}
}

// fieldByWord finds the field of a struct that a manifest's word means.
func fieldByWord(v reflect.Value, word string) reflect.Value {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if options == "inline" {
			if in := fieldByWord(v.Field(i), word); in.IsValid() {
				return in
			}
		}
		if name == word {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// literal reads a default that is a value; prose is none.
func literal(w *word, def string) (reflect.Value, bool) {
	v := reflect.New(w.field.shape.typ).Elem()
	switch {
	case w.field.shape.is == isList:
		var list []string
		if !strings.HasPrefix(def, "[") || yaml.Unmarshal([]byte(def), &list) != nil {
			return v, false
		}
		for _, item := range list {
			if short := w.field.shape.elem.short; short != "" {
				one := reflect.New(v.Type().Elem()).Elem()
				fieldByWord(one, short).SetString(item)
				v = reflect.Append(v, one)
				continue
			}
			v = reflect.Append(v, reflect.ValueOf(item).Convert(v.Type().Elem()))
		}
		return v, true
	case w.field.shape.is != isScalar || v.Kind() == reflect.String && strings.Contains(def, " "):
		return v, false
	}
	return v, scalar(def, v) == nil
}
