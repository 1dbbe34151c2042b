package desired

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// object is a JSON object.
type object = map[string]any

// A schemer makes the JSON Schema of the language. Texts may be written without
// quotes and numbers with, so types are generous where the loader is; forms are
// flat, without oneOf, since editors then say what is wrong in the very place.
type schemer struct {
	*manual
	defs object
	// kind is the short kind of the guest being written; "" is any guest.
	kind string
}

// schemaOf makes the schema of one document.
func schemaOf(t *testing.T, m *manual) []byte {
	t.Helper()
	s := &schemer{manual: m, defs: object{}}
	var words []any
	var byKind []any
	for _, k := range kinds() {
		if k.spec == nil {
			continue
		}
		words = append(words, k.word)
		s.defs[k.word] = s.document(k)
		byKind = append(byKind, object{
			"if":   object{"required": []any{"kind"}, "properties": object{"kind": object{"const": k.word}}},
			"then": ref(k.word),
		})
	}
	root := object{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"title":       "Berth manifest",
		"description": "One document of Berth's manifest language.",
		"type":        "object",
		"required":    []any{"kind"},
		"properties":  object{"kind": object{"description": "What the document is about.", "enum": words}},
		"allOf":       byKind,
		"definitions": s.defs,
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

// document is the schema of a whole document.
func (s *schemer) document(k *kind) object {
	props := object{"kind": object{"const": k.word}}
	own := s.words([]string{k.short}, []reflect.Type{specOf(k)})
	s.kind = ""
	if guestKind(k.short) {
		s.kind = k.short
	}
	s.into(props, own)
	required := []any{"kind"}
	for _, w := range own {
		switch {
		case w.field.word == "name":
			props["name"] = s.nameOf(k, w)
			required = append(required, "name")
		case w.tag.Get("default") == "required" && !layered(k.word):
			required = append(required, w.field.word)
		}
	}
	switch k.word {
	case "Fleet":
		props["defaults"] = s.defaults(own)
	case "Profile":
		s.into(props, s.anyGuest("hostname", "count", "renamedFrom", "state"))
	case "Project":
		s.project(props)
	}
	return object{
		"title": k.word, "description": s.comments[specOf(k).Name()], "type": "object",
		"required": required, "properties": props, "additionalProperties": false,
	}
}

// nameOf is the schema of a document's name.
func (s *schemer) nameOf(k *kind, w *word) object {
	form := "name"
	switch {
	case k.dotted:
		form = "dotted"
	case k.guest():
		form = "guestname"
	case k.word == "User":
		form = "login"
	}
	out := s.scalar(reflect.TypeFor[string](), form, nil)
	out["description"] = s.describe(w)
	return out
}

// anyGuest lists the words that a VM or a Container may have, but those taken
// out and what tells one document from another.
func (s *schemer) anyGuest(out ...string) []*word {
	s.kind = ""
	words := s.words([]string{KindVM, KindContainer}, []reflect.Type{reflect.TypeFor[VM](), reflect.TypeFor[Container]()})
	return slices.DeleteFunc(words, func(w *word) bool {
		return w.field.word == "name" || w.field.word == "description" || slices.Contains(out, w.field.word)
	})
}

// defaults is the lowest layer, by kind.
func (s *schemer) defaults(own []*word) object {
	kinds, byKind := kinds(), object{}
	for _, k := range kinds {
		if !layered(k.word) || k.spec == nil {
			continue
		}
		if s.kind = ""; guestKind(k.short) {
			s.kind = k.short
		}
		words := s.words([]string{k.short}, []reflect.Type{specOf(k)})
		words = slices.DeleteFunc(words, func(w *word) bool { return w.field.word == "name" || w.field.word == "hostname" })
		props := object{}
		s.into(props, words)
		byKind[k.word] = object{"type": []any{"object", "null"}, "properties": props, "additionalProperties": false}
	}
	s.kind = ""
	at := slices.IndexFunc(own, func(w *word) bool { return w.field.word == "defaults" })
	return object{"description": s.describe(own[at]), "type": []any{"object", "null"}, "properties": byKind, "additionalProperties": false}
}

// project adds a project's guests and environments, with what may stand beside
// and within them.
func (s *schemer) project(props object) {
	layer := s.anyGuest("renamedFrom", "adopt", "project", "environment")
	s.into(props, layer)
	described := object{"$ref": "#/definitions/Guest.description"}
	named := s.scalar(reflect.TypeFor[string](), "guestname", nil)
	named["description"] = "The guest's name; {project}-{env}-{guest} unless it is set."

	guest := object{
		"kind": object{"description": "The guest's kind.", "enum": []any{"VM", "Container"}},
		"name": named, "description": described,
	}
	s.into(guest, layer)
	s.defs["guest-of-a-Project"] = object{"type": []any{"object"}, "properties": guest, "required": []any{"kind"}, "additionalProperties": false}

	own := object{"name": named, "description": described}
	s.into(own, s.anyGuest("project", "environment"))
	s.defs["guest-of-an-environment"] = object{"type": []any{"object", "null"}, "properties": own, "additionalProperties": false}

	environment := object{"guests": s.byName("guest-of-an-environment", "What the environment gives to one guest, by name; null leaves it out."), "description": described}
	s.into(environment, layer)
	s.defs["environment-of-a-Project"] = object{"type": []any{"object"}, "properties": environment, "additionalProperties": false}

	for word, name := range map[string]string{"guests": "guest-of-a-Project", "environments": "environment-of-a-Project"} {
		props[word] = s.byName(name, s.defs["projectSpec."+word].(object)["description"])
	}
}

// byName is a map of a definition's values, by name.
func (s *schemer) byName(definition string, description any) object {
	return object{
		"description": description, "type": []any{"object"},
		"patternProperties": object{anchored(forms("")["dotted"].pattern): ref(definition)}, "additionalProperties": false,
	}
}

// into adds words to an object's properties.
func (s *schemer) into(props object, words []*word) {
	for _, w := range words {
		if _, ok := props[w.field.word]; !ok {
			props[w.field.word] = ref(s.define(w))
		}
	}
}

// define puts the schema of a word into the definitions, once for all places
// where it is the same, and gives its name there.
func (s *schemer) define(w *word) string {
	def := s.word(w)
	for _, name := range []string{w.key(), w.key() + "-of-" + cmp.Or(s.kind, "any"), w.path + "-of-" + cmp.Or(s.kind, "any")} {
		if has, ok := s.defs[name]; !ok || reflect.DeepEqual(has, def) {
			s.defs[name] = def
			return name
		}
	}
	panic(w.path + ": its definition differs from that in another place")
}

// word is the schema of one word.
func (s *schemer) word(w *word) object {
	f := w.field
	if f.later != "" {
		return object{"description": "Not built yet: " + f.later + ".", "type": "null", "errorMessage": f.later, "doNotSuggest": true}
	}
	form := w.tag.Get("form")
	out := s.value(f.shape, w, form)
	if f.short != "" && f.shape.is == isStruct {
		inner := f.shape.byWord[f.short]
		both(out, s.short(inner, w.inner(f.short).tag.Get("form")))
	}
	if f.short != "" && f.shape.is == isScalar {
		short := maps.Clone(out)
		both(out, object{"type": []any{"object"}, "properties": object{f.short: short}, "additionalProperties": false})
	}
	orNull(out)
	if say, ok := out["patternErrorMessage"]; ok && out["properties"] == nil {
		// Editors say the same where the type is wrong. With properties they would
		// say it of these, too.
		out["errorMessage"] = say
	}
	out["description"] = s.describe(w)
	return out
}

// inner finds the word of a short form.
func (w *word) inner(name string) *word {
	for _, below := range w.words {
		if below.field.word == name {
			return below
		}
	}
	return &word{}
}

// value is the schema of a shape, without its description and without null.
func (s *schemer) value(sh *shape, w *word, form string) object {
	switch sh.is {
	case isScalar:
		return s.scalar(sh.typ, form, unbuilt(w))
	case isStruct:
		return s.structure(sh, w)
	case isMap:
		elem := s.value(sh.elem, w, form)
		if sh.elem.is != isAny {
			orNull(elem)
		}
		out := object{"type": []any{"object"}, "additionalProperties": elem}
		if keys := forms(s.kind)[w.tag.Get("keys")]; keys.pattern != "" {
			out["patternProperties"], out["additionalProperties"] = object{anchored(keys.pattern): elem}, false
		}
		return out
	case isList:
		items := s.value(sh.elem, w, form)
		if sh.elem.is == isStruct {
			s.require(items, w)
		}
		if pattern, ok := items["pattern"].(string); ok && sh.words() && !w.field.replace {
			// "-x" takes x out.
			items["pattern"] = "^-?" + strings.TrimPrefix(pattern, "^")
		}
		return object{"type": []any{"array"}, "items": items}
	case isCommand:
		return object{"type": []any{"string", "number", "boolean", "array"}, "items": object{"type": []any{"string", "number", "boolean"}}, "minItems": 1}
	default:
		return object{}
	}
}

// short is the schema of a short form.
func (s *schemer) short(f *field, form string) object {
	if len(f.enum) > 0 {
		return object{"type": []any{"string"}, "pattern": anchored(strings.Join(f.enum, "|")), "patternErrorMessage": "write " + oneOf(f.enum)}
	}
	return s.scalar(f.shape.typ, form, nil)
}

// unbuilt lists the words of an enum that this version can do.
func unbuilt(w *word) []string {
	later := strings.Split(w.tag.Get("unbuilt"), "|")
	return slices.DeleteFunc(slices.Clone(w.field.enum), func(word string) bool { return slices.Contains(later, word) })
}

func (s *schemer) structure(sh *shape, w *word) object {
	props := object{}
	s.into(props, w.words)
	out := object{"type": []any{"object"}, "properties": props, "additionalProperties": false}
	if sh.short != "" {
		both(out, s.short(sh.byWord[sh.short], ""))
	}
	if state := w.inner("state"); state.field != nil && slices.Equal(state.field.enum, []string{"absent"}) {
		both(out, object{"type": []any{"string"}, "pattern": "^absent$", "patternErrorMessage": "write a map, or absent"})
	}
	return out
}

// require lists what an item of a list must have: no other layer can give it.
func (s *schemer) require(items object, w *word) {
	var required []any
	for _, below := range w.words {
		if below.tag.Get("default") == "required" {
			required = append(required, below.field.word)
		}
	}
	if required != nil {
		items["required"] = required
	}
}

// scalar is the schema of one value.
func (s *schemer) scalar(t reflect.Type, form string, enum []string) object {
	text := func(pattern, say string, types ...any) object {
		return object{"type": append([]any{"string"}, types...), "pattern": anchored(pattern), "patternErrorMessage": "write " + say}
	}
	f := forms(s.kind)[form]
	switch {
	case len(enum) > 0:
		list := make([]any, len(enum))
		for i, word := range enum {
			list[i] = word
		}
		return object{"enum": list}
	case f.pattern != "" && f.number:
		return text(f.pattern, f.say, "number")
	case f.pattern != "":
		return text(f.pattern, f.say)
	}
	size := `[0-9]+(KiB|MiB|GiB|TiB)`
	v4 := `[0-9]{1,3}(\.[0-9]{1,3}){3}`
	v6 := `[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*`
	switch t {
	case reflect.TypeFor[Size]():
		return text(size, "a size as in 512MiB or 32GiB")
	case reflect.TypeFor[Rate]():
		return text(size+"/s", "a rate as in 100MiB/s")
	case reflect.TypeFor[Duration]():
		out := text(`0|([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?`, "a length of time as in 90s, 1h30m or 7d", "integer")
		out["maximum"], out["minimum"], out["minLength"] = 0, 0, 1
		return out
	case reflect.TypeFor[netip.Addr]():
		return text(v4+"|"+v6, "an address as in 10.1.1.1")
	case reflect.TypeFor[netip.Prefix]():
		return text("("+v4+"|"+v6+")/[0-9]{1,3}", "a subnet as in 10.1.1.0/24")
	case reflect.TypeFor[AddrRange]():
		return text("("+v4+"|"+v6+")( *- *("+v4+"|"+v6+"))?", "an address, or a range as in 10.1.1.21-10.1.1.99")
	case reflect.TypeFor[IDRange]():
		return text("[0-9]+( *- *[0-9]+)?", "a VMID, or a range as in 60000-60003", "integer")
	case reflect.TypeFor[Target]():
		return text(`.+:[0-9]+|[a-z0-9_.-]+`, "vm/NAME:443, 10.1.1.9:443 or reject")
	}
	switch t.Kind() {
	case reflect.Bool:
		return text("true|false", "true or false", "boolean")
	case reflect.Int:
		out := text(`-?(0|[1-9][0-9]*)`, "a whole number", "integer")
		if f.to != 0 {
			out["minimum"], out["maximum"] = f.from, f.to
		}
		return out
	case reflect.Float64:
		return text(`-?(0|[1-9][0-9]*)(\.[0-9]+)?`, "a number", "number")
	default:
		// Any text, which YAML may take for something else.
		return object{"type": []any{"string", "number", "boolean"}}
	}
}

func anchored(pattern string) string { return "^(" + pattern + ")$" }

// both lets a value be written as a says or as b does.
func both(a, b object) {
	types := slices.Clone(a["type"].([]any))
	for _, t := range b["type"].([]any) {
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	maps.Copy(a, b)
	a["type"] = types
}

// orNull lets null take out what lower layers gave.
func orNull(schema object) {
	if types, ok := schema["type"].([]any); ok && !slices.Contains(types, any("null")) {
		schema["type"] = append(slices.Clone(types), "null")
	}
	if enum, ok := schema["enum"].([]any); ok {
		schema["enum"] = append(slices.Clone(enum), nil)
	}
}

// describe is what an editor shows of a word.
func (s *schemer) describe(w *word) string {
	lines := []string{w.told()}
	if def := w.tag.Get("default"); def == "required" {
		lines = append(lines, "Required.")
	} else if def != "" {
		lines = append(lines, "Default: "+def+".")
	}
	if changes := w.changes(); changes != "" {
		lines = append(lines, changes)
	}
	if example := w.tag.Get("example"); example != "" {
		lines = append(lines, "Example: "+w.field.word+": "+example)
	}
	return strings.Join(lines, "\n\n")
}
