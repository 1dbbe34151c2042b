package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/agent/internal/config"
)

// TestDocumentsReadNothingElse has a Secret document point at what no author of
// manifests may read, or at what would never end.
func TestDocumentsReadNothingElse(t *testing.T) {
	host := t.TempDir()
	allowed := filepath.Join(host, "secrets")
	put := func(name, text string) {
		path := filepath.Join(host, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("shadow", "s3cret")
	put("secretsbut/x", "s3cret")
	put("secrets/ok", "value")
	put("secrets/deep/ok", "value")
	put("secrets/large", strings.Repeat("x", 1<<20+1))
	for link, to := range map[string]string{"out": "../shadow", "dir": "..", "abs": filepath.Join(host, "shadow"), "dev": "/dev/zero", "loop": "loop", "proc": "/proc/self/environ", "in": "deep/ok"} {
		if err := os.Symlink(to, filepath.Join(allowed, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(allowed, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &config.Settings{SecretFiles: []string{allowed}}
	read := func(file string) (value []byte, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			value, err = s.DocumentFile("x", file)
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: it waits for ever", file)
		}
		return value, err
	}
	for _, ok := range []string{"ok", "deep/ok", "in", "../secrets/ok", "deep/../ok"} {
		if value, err := read(allowed + "/" + ok); err != nil || string(value) != "value" {
			t.Errorf("%s: %q %v", ok, value, err)
		}
	}
	for file, want := range map[string]string{
		"out": "lies outside", "abs": "lies outside", "dir/shadow": "lies outside", "../shadow": "lies outside", "../secretsbut/x": "lies outside", "proc": "lies outside", "dev": "lies outside",
		"": "lies outside", ".": "lies outside", "..": "lies outside", "deep": "not a regular file", "pipe": "not a regular file", "loop": "too many links", "none": "there is no file", "large": "larger than",
		// Whether there is such a file on the host is nobody's affair.
		"../none": "lies outside", "dir/none": "there is no file", "../shadow/x": "lies outside", "ok/x": "not a directory",
	} {
		value, err := read(allowed + "/" + file)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") || len(value) > 0 {
			t.Errorf("%q: %q %v, want %q", file, value, err, want)
		}
	}
	for _, file := range []string{"/etc/shadow", "/nowhere/at/all", "/root/.ssh/id_rsa"} {
		if _, err := read(file); err == nil || !strings.Contains(err.Error(), "lies outside") {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := (&config.Settings{SecretFiles: []string{}}).DocumentFile("x", "/etc/shadow"); err == nil || !strings.Contains(err.Error(), "outside of every directory") {
		t.Errorf("%v", err)
	}
	// The host's own settings may name a link, and no pipe.
	s.Secrets = map[string]string{"a": filepath.Join(allowed, "out"), "b": filepath.Join(allowed, "pipe")}
	none := func(string) string { return "" }
	if value, err := s.Secret("a", none); err != nil || string(value) != "s3cret" {
		t.Errorf("%q %v", value, err)
	}
	if _, err := s.Secret("b", none); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("%v", err)
	}
}
