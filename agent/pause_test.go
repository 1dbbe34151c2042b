package main

import (
	"testing"
	"time"
)

func TestUntilTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// The night before the clocks are set forward: at two it is three.
	now := time.Date(2026, 3, 28, 17, 30, 0, 0, berlin)
	for text, want := range map[string]string{
		"2h":                   "2026-03-28 19:30 CET",
		"1d":                   "2026-03-29 18:30 CEST",
		"90m":                  "2026-03-28 19:00 CET",
		"18:00":                "2026-03-28 18:00 CET",
		"17:30":                "2026-03-29 17:30 CEST",
		"06:00":                "2026-03-29 06:00 CEST",
		"2026-04-01 06:00":     "2026-04-01 06:00 CEST",
		"2026-04-01T06:00":     "2026-04-01 06:00 CEST",
		"2026-03-28T20:00:00Z": "2026-03-28 21:00 CET",
		" 18:00 ":              "2026-03-28 18:00 CET",
	} {
		at, err := untilTime(text, now)
		if got := at.In(berlin).Format("2006-01-02 15:04 MST"); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "18", "0", "-2h", "2026-03-28 17:29", "2026-02-30 06:00", "24:00"} {
		if at, err := untilTime(text, now); err == nil {
			t.Errorf("%q is %s", text, at)
		}
	}
}
