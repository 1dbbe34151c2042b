package secrets_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/config"
	"berth/agent/internal/secrets"
	"berth/desired"
)

// TestSecretsAreFoundWhereTheirDocumentSays resolves references as a turn does.
func TestSecretsAreFoundWhereTheirDocumentSays(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"apps": "pote:\n  dev: {db: s3cret}\n  many: [s3cret]\nnone:\nblank: \"\"\nlike: &a {db: &b s3cret}\nsame: *a\none: *b\n", "plain": "s3cret\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := secrets.New(secrets.Options{
		Settings: &config.Settings{SecretFiles: []string{dir}, Secrets: map[string]string{"host": filepath.Join(dir, "plain")}},
		Env:      func(string) string { return "" },
	}).At(map[string]*desired.SecretPlace{
		"apps": {Name: "apps", File: filepath.Join(dir, "apps")}, "plain": {Name: "plain", File: filepath.Join(dir, "plain")},
		"empty": {Name: "empty", File: filepath.Join(dir, "empty")},
	}, nil)
	for ref, want := range map[desired.SecretRef]string{
		{Secret: "plain"}: "s3cret", {Secret: "host"}: "s3cret", {Secret: "apps", Key: "pote.dev.db"}: "s3cret",
		{Secret: "apps", Key: "same.db"}: "s3cret", {Secret: "apps", Key: "one"}: "s3cret",
	} {
		if got, err := s.Read(t.Context(), ref); err != nil || string(got.Reveal()) != want {
			t.Errorf("%v: got %q, %v", ref, got, err)
		}
	}
	for ref, want := range map[desired.SecretRef]string{
		{Secret: "apps", Key: "pote.qa.db"}: "it is not there", {Secret: "apps", Key: "pote.many"}: "several values",
		{Secret: "apps", Key: "pote.dev.db.x"}: "no map above it", {Secret: "none"}: "add `secrets: {none: FILE}`",
		{Secret: "plain", Key: "x"}: "no map above it",
		{Secret: "empty"}:           "is empty", {Secret: "apps", Key: "none"}: "is empty", {Secret: "apps", Key: "blank"}: "is empty",
	} {
		_, err := s.Read(t.Context(), ref)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v: got %v, want %q", ref, err, want)
		}
	}
}
