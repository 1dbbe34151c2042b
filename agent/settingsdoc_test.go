package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"berth/agent/internal/config"
	"berth/agent/internal/notify"
)

// TestSettingsAreAllDocumented looks for each field of agent.yaml, and each of an
// event, in the document that tells of them.
func TestSettingsAreAllDocumented(t *testing.T) {
	text, err := os.ReadFile("SETTINGS.md")
	if err != nil {
		t.Fatal(err)
	}
	var look func(of reflect.Type, tag string)
	look = func(of reflect.Type, tag string) {
		for field := range of.Fields() {
			word, _, _ := strings.Cut(field.Tag.Get(tag), ",")
			if word == "" || word == "-" {
				continue
			}
			found := strings.Contains(string(text), "`"+word+"`") || strings.Contains(string(text), "."+word+"`")
			in := field.Type
			if in.Kind() == reflect.Slice {
				in = in.Elem()
			}
			inside := in.Kind() == reflect.Struct && strings.HasPrefix(in.PkgPath(), "berth/") && in != reflect.TypeFor[config.Credential]() && in != reflect.TypeFor[config.Passphrase]()
			if inside {
				look(in, tag)
			} else if !found {
				t.Errorf("SETTINGS.md does not tell of %s of %s", word, of.Name())
			}
		}
	}
	look(reflect.TypeFor[config.Settings](), "yaml")
	look(reflect.TypeFor[notify.Event](), "json")
}

// TestSettingsOfTheReadmeHold takes the pieces of agent.yaml that README shows as one, as
// who follows it does.
func TestSettingsOfTheReadmeHold(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var pieces []string
	for i, part := range strings.Split(string(text), "```yaml\n") {
		piece, _, _ := strings.Cut(part, "```")
		if i > 0 && !strings.HasPrefix(piece, "kind:") {
			pieces = append(pieces, strings.TrimRight(piece, " "))
		}
	}
	if len(pieces) != 2 {
		t.Fatalf("README shows %d pieces of agent.yaml, want 2:\n%s", len(pieces), strings.Join(pieces, "\n---\n"))
	}
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte(strings.Join(pieces, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, err := config.Load(file, func(string) string { return "" })
	if err == nil {
		err = settings.Check()
	}
	if err != nil {
		t.Error(err)
	}
}
