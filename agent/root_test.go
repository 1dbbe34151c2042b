package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestErrorsMoveNoCursor has an error quote what is no text.
func TestErrorsMoveNoCursor(t *testing.T) {
	var out, said bytes.Buffer
	code := run(t.Context(), streams{In: strings.NewReader(""), Out: &out, Err: &said, Env: func(string) string { return "" }}, []string{"status", "--config", "/none/\x1b[2J\u202e"})
	if text := said.String(); code != exitError || strings.ContainsAny(text, "\x1b\u202e") || !strings.Contains(text, `/none/\x1b[2J\u202e`) {
		t.Errorf("%d: %q", code, text)
	}
	if got := neutralLines("a.yaml:1: one\n\ta.yaml:2: two"); got != "a.yaml:1: one\n\ta.yaml:2: two" {
		t.Errorf("an error of two lines is %q", got)
	}
}
