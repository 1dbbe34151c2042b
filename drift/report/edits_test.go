package report_test

import (
	"strings"
	"testing"

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
