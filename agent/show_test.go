package main

import (
	"testing"
	"time"

	"berth/agent/internal/history"
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
