package config

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLoadSocket finds where the agent may be asked in files that are broken in every way.
func TestLoadSocket(t *testing.T) {
	for text, want := range map[string]string{
		"socket: run/a.sock\npol: 5s\n":                          "run/a.sock",
		"poll: 5s\nsweep: 1m\nsweep: soon\nsocket: run/a.sock\n": "run/a.sock",
		"repository: {url: x\nsocket: run/a.sock # Ours.\n":      "run/a.sock",
		"http: {socket: run/b.sock\n":                            "",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "agent.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = "/run/berth/agent.sock"
		} else {
			want = filepath.Join(dir, want)
		}
		if s := LoadSocket(file, func(string) string { return "" }); s == nil || s.Socket != want {
			t.Errorf("%q: %+v, want %s", text, s, want)
		}
	}
	if s := LoadSocket(filepath.Join(t.TempDir(), "none"), func(string) string { return "" }); s != nil {
		t.Errorf("no file: %+v", s)
	}
}
