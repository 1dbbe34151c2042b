package main

import (
	"os"
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
