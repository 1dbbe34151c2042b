package desired

import (
	"strings"
	"testing"
	"time"
)

// windows loads a fleet with windows, given as YAML.
func windows(t *testing.T, zone, list string) *FleetSpec {
	t.Helper()
	f := load(t, files("fleet.yaml", "{kind: Fleet, name: f, uid: 5b1f0c2e, zone: "+zone+", windows: "+list+"}\n"))
	return &f.Spec
}

func clock(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWindowOpens(t *testing.T) {
	for name, row := range map[string]struct {
		windows string
		// at maps times to whether a window is open then.
		at map[string]bool
		// next is when the next opens after the first of them.
		from, next string
	}{
		"every night": {
			`[{cron: "0 3 * * *", for: 2h}]`,
			map[string]bool{
				"2026-01-10T02:59:59+01:00": false, "2026-01-10T03:00:00+01:00": true, "2026-01-10T02:00:00Z": true,
				"2026-01-10T04:59:59+01:00": true, "2026-01-10T05:00:00+01:00": false, "2026-07-10T03:00:00+02:00": true, "2026-07-10T05:00:00+02:00": false,
			},
			"2026-01-10T12:00:00+01:00", "2026-01-11T03:00:00+01:00",
		},
		"over midnight": {
			`[{cron: "0 23 * * 6", for: 3h}]`,
			map[string]bool{
				"2026-11-21T22:59:00+01:00": false, "2026-11-21T23:30:00+01:00": true, "2026-11-22T00:00:00+01:00": true,
				"2026-11-22T01:59:00+01:00": true, "2026-11-22T02:00:00+01:00": false,
			},
			"2026-11-21T23:30:00+01:00", "2026-11-28T23:00:00+01:00",
		},
		"over the year's end": {
			`[{cron: "30 23 31 12 *", for: 1h}]`,
			map[string]bool{"2026-12-31T23:29:00+01:00": false, "2027-01-01T00:29:00+01:00": true, "2027-01-01T00:30:00+01:00": false},
			"2027-01-01T00:29:00+01:00", "2027-12-31T23:30:00+01:00",
		},
		// On 2026-03-29 it is 03:00 right after 01:59.
		"what the clocks skip": {
			`[{cron: "30 2 * * *", for: 1h}]`,
			map[string]bool{"2026-03-28T02:30:00+01:00": true, "2026-03-29T01:30:00Z": false, "2026-03-29T00:30:00Z": false, "2026-03-30T02:30:00+02:00": true},
			"2026-03-28T12:00:00+01:00", "2026-03-30T02:30:00+02:00",
		},
		"through the hour that is skipped": {
			`[{cron: "30 1 * * *", for: 2h}]`,
			map[string]bool{"2026-03-29T01:30:00+01:00": true, "2026-03-29T04:29:00+02:00": true, "2026-03-29T04:30:00+02:00": false},
			"2026-03-29T01:30:00+01:00", "2026-03-30T01:30:00+02:00",
		},
		// On 2026-10-25 it is 02:00 twice.
		"what comes twice": {
			`[{cron: "30 2 * * *", for: 30m}]`,
			map[string]bool{"2026-10-25T02:30:00+02:00": true, "2026-10-25T02:00:00+01:00": false, "2026-10-25T02:30:00+01:00": true, "2026-10-25T03:00:00+01:00": false},
			"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00",
		},
		"any of several, each in its zone": {
			`[{cron: "@daily", for: 1h, zone: UTC}, {cron: "0 12 * * *", for: 10m, zone: Asia/Tokyo}]`,
			map[string]bool{"2026-01-10T00:30:00Z": true, "2026-01-10T03:05:00Z": true, "2026-01-10T03:10:00Z": false, "2026-01-10T12:05:00Z": false},
			"2026-01-10T00:30:00Z", "2026-01-10T03:00:00Z",
		},
		"longer than its pause": {
			`[{cron: "0 * * * *", for: 2h}]`,
			map[string]bool{"2026-01-10T00:00:00Z": true, "2026-01-10T00:59:59Z": true},
			"2026-01-10T00:30:00Z", "2026-01-10T01:00:00Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := windows(t, "Europe/Berlin", row.windows)
			for at, open := range row.at {
				if got := spec.WindowOpen(clock(t, at)); got != open {
					t.Errorf("at %s it is open: %v", at, got)
				}
			}
			w, next := spec.NextWindow(clock(t, row.from))
			if w == nil || !next.Equal(clock(t, row.next)) {
				t.Errorf("after %s it opens %s, want %s", row.from, next, row.next)
			}
			if w != nil && (w.Source.File != "fleet.yaml" || w.Source.Line != 1) {
				t.Errorf("it is written at %s", w.Source)
			}
		})
	}
}

func TestNoWindowsAreAlwaysOpen(t *testing.T) {
	spec := &FleetSpec{}
	if w, _ := spec.NextWindow(time.Now()); w != nil || !spec.WindowOpen(time.Now()) {
		t.Error("a fleet without windows waits for one")
	}
}

// FuzzCron holds that no text makes the library panic, and that what is read opens
// some day.
func FuzzCron(f *testing.F) {
	for _, text := range []string{
		"0 3 * * *", "@weekly", "TZ=", "TZ=0", "CRON_TZ=Europe/Berlin", " TZ=UTC 0 3 * * *", "@every 1h", "0 0 30 2 *", "0 0 29 2 *",
		"*/0 * * * *", "1-0 * * * *", "0 0 * * 7", "99999999999999999999 * * * *", "0-59/7 */2 1,15 jan-jun MON", "? ? ? ? ?", "@", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		schedule, err := parseCron(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q: the message has more than a line: %q", text, err)
			}
			return
		}
		w := Window{For: Duration(time.Hour), opens: schedule}
		at := w.Next(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
		if at.IsZero() || !w.Open(at) || w.Open(at.Add(-time.Second)) && w.Next(at.Add(-time.Second-time.Hour)).Equal(at) {
			t.Errorf("%q opens at %s", text, at)
		}
	})
}
