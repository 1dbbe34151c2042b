package web

import (
	"encoding"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"berth/agent/internal/history"
)

// bodies are what each route takes and gives; nil is none, a string a kind of text.
func bodies() map[string][2]any {
	return map[string][2]any{
		"GET /v1/openapi.yaml":               {nil, "application/yaml"},
		"GET /v1/status":                     {nil, Status{}},
		"GET /v1/inventory":                  {nil, inventoryReply{}},
		"POST /v1/drift":                     {DriftRequest{}, reply{}},
		"POST /v1/routes":                    {nil, reply{}},
		"POST /v1/explain":                   {ExplainRequest{}, Explained{}},
		"POST /v1/sync":                      {SyncRequest{}, reply{}},
		"POST /v1/pause":                     {PauseRequest{}, Paused{}},
		"POST /v1/resume":                    {nil, Resumed{}},
		"POST /v1/unlock":                    {"application/octet-stream", Unlocked{}},
		"POST /v1/lock":                      {nil, Locked{}},
		"GET /v1/turns":                      {nil, []any{history.Turns{}, history.Told{}}},
		"GET /v1/turns/{turn}":               {nil, history.Shown{}},
		"GET /v1/turns/{turn}/log":           {nil, "application/x-ndjson"},
		"GET /v1/turns/{turn}/output/{file}": {nil, "text/plain"},
	}
}

// document is as much of an OpenAPI document as is held here.
type document struct {
	OpenAPI    string                          `yaml:"openapi"`
	Paths      map[string]map[string]operation `yaml:"paths"`
	Components struct {
		Schemas    map[string]schema    `yaml:"schemas"`
		Parameters map[string]parameter `yaml:"parameters"`
	} `yaml:"components"`
}

type operation struct {
	Summary     string `yaml:"summary"`
	Scope       string `yaml:"x-scope"`
	RequestBody struct {
		Content map[string]content `yaml:"content"`
	} `yaml:"requestBody"`
	Responses map[string]struct {
		Ref     string             `yaml:"$ref"`
		Content map[string]content `yaml:"content"`
	} `yaml:"responses"`
	Parameters []parameter `yaml:"parameters"`
}

type parameter struct {
	Ref  string `yaml:"$ref"`
	Name string `yaml:"name"`
	In   string `yaml:"in"`
}

type content struct {
	Schema schema `yaml:"schema"`
}

type schema struct {
	Ref         string            `yaml:"$ref"`
	Type        string            `yaml:"type"`
	Properties  map[string]schema `yaml:"properties"`
	Items       *schema           `yaml:"items"`
	Additional  *schema           `yaml:"additionalProperties"`
	OneOf       []schema          `yaml:"oneOf"`
	Required    []string          `yaml:"required"`
	Description string            `yaml:"description"`
}

func readDocument(t *testing.T) document {
	t.Helper()
	var d document
	if err := yaml.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTheDocumentHasEachRoute holds it against what is served, in both directions, with
// scopes and parameters.
func TestTheDocumentHasEachRoute(t *testing.T) {
	d := readDocument(t)
	if d.OpenAPI != "3.1.0" {
		t.Errorf("openapi: %q", d.OpenAPI)
	}
	served := API{}.routes().patterns
	types := bodies()
	documented := make(map[string]bool)
	for at, methods := range d.Paths {
		for method, op := range methods {
			pattern := strings.ToUpper(method) + " " + at
			documented[pattern] = true
			if !slices.Contains(served, pattern) {
				t.Errorf("%s is documented, and not served", pattern)
			}
			if op.Scope != string(scopeOf(pattern)) {
				t.Errorf("%s: x-scope is %q, and it takes %q", pattern, op.Scope, scopeOf(pattern))
			}
			if op.Summary == "" {
				t.Errorf("%s has no summary", pattern)
			}
			for part := range strings.SplitSeq(at, "/") {
				name, is := strings.CutPrefix(strings.TrimSuffix(part, "}"), "{")
				found := false
				for _, p := range op.Parameters {
					if named, shared := strings.CutPrefix(p.Ref, "#/components/parameters/"); shared {
						p = d.Components.Parameters[named]
					}
					found = found || p.In == "path" && p.Name == name
				}
				if is && !found {
					t.Errorf("%s: parameter %s is not documented", pattern, name)
				}
			}
		}
	}
	for _, pattern := range served {
		if !documented[pattern] {
			t.Errorf("%s is served, and not documented", pattern)
		}
		if _, known := types[pattern]; !known {
			t.Errorf("%s: this test does not know what it takes and gives", pattern)
		}
	}
}

// TestTheDocumentHasEachField holds each schema against the Go type that is sent, in both
// directions.
func TestTheDocumentHasEachField(t *testing.T) {
	d := readDocument(t)
	w := &walk{t: t, schemas: d.Components.Schemas, seen: map[string]reflect.Type{}}
	for pattern, body := range bodies() {
		method, at, _ := strings.Cut(pattern, " ")
		op := d.Paths[at][strings.ToLower(method)]
		w.body(pattern+" takes", op.RequestBody.Content, body[0])
		w.body(pattern+" gives", op.Responses["200"].Content, body[1])
		if op.Responses["default"].Ref != "#/components/responses/Failure" {
			t.Errorf("%s does not say how it fails", pattern)
		}
	}
	w.is("a failure", schema{Ref: ref("Failure")}, reflect.TypeFor[failure]())
	w.is("a refusal", schema{Ref: ref("UnlockFailure")}, reflect.TypeFor[refusal]())
	for _, name := range slices.Sorted(maps.Keys(w.schemas)) {
		if w.seen[name] == nil {
			t.Errorf("schema %s is nothing that is sent", name)
		}
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	rec := httptest.NewRecorder()
	API{}.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/openapi.yaml", http.NoBody))
	if rec.Code != http.StatusOK || rec.Body.String() != string(openAPI) || rec.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("%d %s", rec.Code, rec.Header())
	}
}

// walk goes through types and their schemas together.
type walk struct {
	t       *testing.T
	schemas map[string]schema
	seen    map[string]reflect.Type
}

func ref(name string) string { return "#/components/schemas/" + name }

// nameOf is how a type is called in the document.
func nameOf(of reflect.Type) string {
	name := []rune(of.Name())
	name[0] = unicode.ToUpper(name[0])
	switch pkg := path.Base(of.PkgPath()); {
	case of == reflect.TypeFor[refusal]():
		return "UnlockFailure"
	case pkg == "history", pkg == "explain" && string(name) != "Explanation", pkg == "routes", pkg == "journal":
		return string(unicode.ToUpper(rune(pkg[0]))) + pkg[1:] + string(name)
	}
	return string(name)
}

func (w *walk) body(what string, in map[string]content, body any) {
	w.t.Helper()
	if kind, text := body.(string); body == nil || text {
		if got := slices.Sorted(maps.Keys(in)); text && !slices.Equal(got, []string{kind}) || body == nil && len(got) > 0 {
			w.t.Errorf("%s %v, want %v", what, got, body)
		}
		return
	}
	s := in["application/json"].Schema
	all, several := body.([]any)
	if !several {
		w.is(what, s, reflect.TypeOf(body))
		return
	}
	if len(s.OneOf) != len(all) {
		w.t.Errorf("%s one of %d, want %d", what, len(s.OneOf), len(all))
		return
	}
	for i, one := range all {
		w.is(what, s.OneOf[i], reflect.TypeOf(one))
	}
}

// is holds a schema against a type.
func (w *walk) is(what string, s schema, of reflect.Type) {
	w.t.Helper()
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	want := ""
	switch {
	case of == reflect.TypeFor[time.Time](), of.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		want = "string"
	case of.Kind() == reflect.Struct:
		w.structure(what, s, of)
		return
	case of == reflect.TypeFor[json.RawMessage]():
		want = ""
	case of.Kind() == reflect.String:
		want = "string"
	case of.Kind() == reflect.Bool:
		want = "boolean"
	case of.Kind() >= reflect.Int && of.Kind() <= reflect.Uint64:
		want = "integer"
	case of.Kind() == reflect.Float64:
		want = "number"
	case of.Kind() == reflect.Slice:
		want = "array"
		if s.Items == nil {
			w.t.Errorf("%s: it does not say of what it is a list", what)
			return
		}
		w.is(what+"[]", *s.Items, of.Elem())
	case of.Kind() == reflect.Map:
		want = "object"
		if s.Additional == nil {
			w.t.Errorf("%s: it does not say of what it is a map", what)
			return
		}
		w.is(what+"{}", *s.Additional, of.Elem())
	}
	if s.Type != want {
		w.t.Errorf("%s: type %q, want %q", what, s.Type, want)
	}
}

// structure holds the properties of a schema against the fields of a type.
func (w *walk) structure(what string, s schema, of reflect.Type) {
	w.t.Helper()
	name := nameOf(of)
	if s.Ref != ref(name) {
		w.t.Errorf("%s: $ref %q, want %q", what, s.Ref, ref(name))
		return
	}
	if was := w.seen[name]; was != nil {
		if was != of {
			w.t.Errorf("%s stands for %s and %s", name, was, of)
		}
		return
	}
	w.seen[name] = of
	documented := w.schemas[name]
	if documented.Type != "object" {
		w.t.Errorf("%s: type %q, want object", name, documented.Type)
	}
	fields := fieldsOf(of)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		has, there := documented.Properties[field]
		if !there {
			w.t.Errorf("%s: it lacks %s", name, field)
			continue
		}
		w.is(name+"."+field, has, fields[field].Type)
		_, options, _ := strings.Cut(fields[field].Tag.Get("json"), ",")
		if always := options == ""; always != slices.Contains(documented.Required, field) {
			w.t.Errorf("%s.%s: required is %t", name, field, !always)
		}
	}
	for field := range documented.Properties {
		if _, is := fields[field]; !is {
			w.t.Errorf("%s: %s is documented, and not sent", name, field)
		}
	}
}

// fieldsOf are those of a type as JSON has them, with those of embedded types.
func fieldsOf(of reflect.Type) map[string]reflect.StructField {
	all := make(map[string]reflect.StructField)
	for field := range of.Fields() {
		word, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		in := field.Type
		if in.Kind() == reflect.Pointer {
			in = in.Elem()
		}
		switch {
		case word == "-" || !field.IsExported() && !field.Anonymous:
		case field.Anonymous && word == "":
			maps.Copy(all, fieldsOf(in))
		case word == "":
			all[field.Name] = field
		default:
			all[word] = field
		}
	}
	return all
}
