package desired_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"gopkg.in/yaml.v3"

	"berth/desired"
)

// TestNobodyPrintsASecret tries every way in which Go writes a value out.
func TestNobodyPrintsASecret(t *testing.T) {
	const value = "hunter2-XyZ"
	s := desired.MakeSecret([]byte(value))
	if string(s.Reveal()) != value {
		t.Fatalf("a secret of %q is %q", value, s.Reveal())
	}
	type exported struct {
		Secret  desired.Secret
		Pointer *desired.Secret
		Any     any
	}
	type hidden struct {
		secret desired.Secret
		any    any
		list   []desired.Secret
		byName map[string]desired.Secret
	}
	shapes := map[string]any{
		"itself": s, "pointer": &s, "slice": []desired.Secret{s}, "array": [1]desired.Secret{s},
		"map": map[string]desired.Secret{"a": s}, "key": fmt.Errorf("read: %v", s),
		"struct":     exported{Secret: s, Pointer: &s, Any: s},
		"unexported": hidden{secret: s, any: s, list: []desired.Secret{s}, byName: map[string]desired.Secret{"a": s}},
		"error":      errors.Join(fmt.Errorf("wrap %w", &desired.LockedError{Secret: "apps"}), fmt.Errorf("%+v", s)),
	}
	forms := []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), fmt.Sprintf("%v", []byte(value)), fmt.Sprintf("%#v", []byte(value)), "aHVudGVyMi1YeVo"}
	clean := func(way, text string) {
		t.Helper()
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s shows it: %s", way, text)
			}
		}
	}
	for shape, v := range shapes {
		for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "+#", "20.10", "# "} {
				clean(shape+" %"+flags+string(verb), fmt.Sprintf("%"+flags+string(verb), v))
			}
		}
		clean(shape+" Sprint", fmt.Sprint(v)+fmt.Sprintln(v))
		text, _ := json.Marshal(v)
		clean(shape+" JSON", string(text))
		text, _ = yaml.Marshal(v)
		clean(shape+" YAML", string(text))
		text, _ = xml.Marshal(v)
		clean(shape+" XML", string(text))
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).With(slog.Any("with", v)).Info("told", slog.Any("value", v), slog.Group("group", slog.Any("in", v)))
		}
		clean(shape+" slog", log.String())
		var out bytes.Buffer
		_ = gob.NewEncoder(&out).Encode(v)
		clean(shape+" gob", out.String())
		_ = template.Must(template.New("").Parse(`{{.}} {{printf "%q" .}}`)).Execute(&out, v)
		clean(shape+" template", out.String())
	}
	if text := fmt.Sprintf("%v %+v %#v %s %d", s, s, s, s, s); text != strings.TrimSpace(strings.Repeat(desired.Hidden+" ", 5)) {
		t.Errorf("a secret is shown as %q", text)
	}
}

func TestSecretIsItsOwn(t *testing.T) {
	value := []byte("first")
	s := desired.MakeSecret(value)
	copy(value, "other")
	if string(s.Reveal()) != "first" {
		t.Errorf("the secret follows what it was made of: %q", s.Reveal())
	}
	if !(desired.Secret{}).Empty() || s.Empty() || (desired.Secret{}).Reveal() != nil {
		t.Error("only the zero Secret is empty")
	}
}
