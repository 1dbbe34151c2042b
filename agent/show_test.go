package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/agent/internal/history"
	"berth/agent/internal/journal"
)

// TestTurnHeading leaves out why a turn was made where that was not noted.
func TestTurnHeading(t *testing.T) {
	turn := history.Turn{ID: "20261121T140203.1Z", Started: time.Date(2026, 11, 21, 14, 2, 3, 0, time.UTC)}
	const bare = "turn 20261121T140203.1Z · 21 Nov 2026 14:02:03 UTC"
	if got := turnHeading(turn); got != bare {
		t.Errorf("got %q, want %q", got, bare)
	}
	turn.Why = "asked for"
	if got, want := turnHeading(turn), bare+" · asked for"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestShowCompletesItsFiles offers what the steps of a turn have put out, and no file of
// the folder that one stands in.
func TestShowCompletesItsFiles(t *testing.T) {
	dir := t.TempDir()
	entries, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "state", "journal"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer entries.Close()
	entry, err := entries.Begin(journal.Turn{})
	if err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(dir, "agent.yaml")
	if err := errors.Join(
		entry.End([]byte(`{"version": 1}`)),
		os.WriteFile(filepath.Join(dir, "state", "journal", entry.ID+".play.base.run.log"), []byte("ok\n"), 0o600),
		os.WriteFile(settings, fmt.Appendf(nil, "repository: {url: http://127.0.0.1:1/fleet.git}\nstate: %s/state\nsocket: %s/agent.sock\n", dir, dir), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ turn, begun, want string }{
		{"last", "", "play.base.run.log\n:4\n"},
		{entry.ID, "play.", "play.base.run.log\n:4\n"},
		{"last", "show", ":4\n"},
		{"1999", "", ":4\n"},
	} {
		var out bytes.Buffer
		run(t.Context(), streams{Out: &out, Err: io.Discard, Env: func(string) string { return "" }}, []string{"__complete", "--config", settings, "show", c.turn, "--file", c.begun})
		if out.String() != c.want {
			t.Errorf("%s, %q: got %q, want %q", c.turn, c.begun, out.String(), c.want)
		}
	}
}
