package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// A line that people changed is told by where it is and what is wrong with it.
func TestEditedLine(t *testing.T) {
	place := "/etc/nginx/berth/stream.conf:12"
	r := edgeReport(drift.Field{
		Path: desired.Path("edits").Sub(place), Before: drift.Value{Text: "ssl_preread off, where Berth writes ssl_preread on"},
	})
	want := "  ~ " + place + "   ssl_preread off, where Berth writes ssl_preread on\n"
	if got := text(t, r, report.TextOptions{}); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What a turn did with very many names is told at once.
func TestVeryManyNamesDone(t *testing.T) {
	const names = 30_000
	fields := make([]drift.Field, names)
	done := make(map[desired.Path]string, names)
	for i := range fields {
		fields[i] = drift.Field{Path: desired.Path("tls.routes").Sub(fmt.Sprintf("n%d.example.com", i)), After: drift.Value{Text: "10.1.1.9:443"}}
		done[fields[i].Path] = ""
	}
	r := edgeReport(fields...)
	r.Outcomes = []drift.Outcome{{Key: r.Plan.Changes[0].Key, Status: drift.Done, Results: done}}
	start := time.Now()
	if got := text(t, r, report.TextOptions{}); !strings.Contains(got, "30,000 names routed") {
		t.Errorf("got\n%s", got)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Of very many names that failed each for its own reason, some are listed.
func TestVeryManyNamesFailed(t *testing.T) {
	const names = 500
	fields := make([]drift.Field, names)
	ends := make(map[desired.Path]string, names)
	for i := range fields {
		fields[i] = drift.Field{Path: desired.Path("tls.routes").Sub(fmt.Sprintf("n%d.example.com", i)), Before: drift.Value{Text: "10.1.1.9:443"}, After: drift.Value{Text: "10.1.1.8:443"}}
		ends[fields[i].Path] = fmt.Sprintf("n%d.example.com: answered before, and now refuses connections", i)
	}
	r := edgeReport(fields...)
	r.Outcomes = []drift.Outcome{{Key: r.Plan.Changes[0].Key, Status: drift.Failed, Reason: "n0.example.com refuses connections; and 499 more names", Results: ends}}
	short, whole := text(t, r, report.TextOptions{}), text(t, r, report.TextOptions{Verbose: true})
	if n := strings.Count(short, "answered before"); n != 60 || !strings.Contains(short, "… 440 more that failed, each with its reason; --verbose lists them\n") {
		t.Errorf("%d are listed:\n%s", n, short)
	}
	if n := strings.Count(whole, "answered before"); n != names {
		t.Errorf("with --verbose %d are listed", n)
	}
}
