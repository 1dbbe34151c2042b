package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriteNewIsAllOrNothing writes over nothing and leaves nothing half written.
func TestWriteNewIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "b"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := writeNew(dir, map[string][]byte{"a": []byte("x"), "b": []byte("x"), "c/d": []byte("x")})
	if err == nil || !strings.Contains(err.Error(), "b is there already: nothing was written") {
		t.Errorf("%v", err)
	}
	// A file in the place of a directory is found only when it is too late.
	err = writeNew(dir, map[string][]byte{"a": []byte("x"), "b/c": []byte("x")})
	if err == nil {
		t.Error("a file has become a directory")
	}
	if err := writeNew(dir, map[string][]byte{"a": nil, "x/../../y": nil}); err == nil {
		t.Error("it wrote beside the directory")
	}
	for _, name := range []string{"a", "c"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "b")); string(text) != "mine" {
		t.Errorf("%q", text)
	}
	if err := writeNew(dir, map[string][]byte{"c/d": []byte("x")}); err != nil {
		t.Error(err)
	}
}

// TestFew shortens long lists.
func TestFew(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "a b c d": "a, b, c, d", "a b c d e": "a, b, c and 2 more"} {
		if got := few(strings.Fields(in)); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
