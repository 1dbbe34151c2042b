package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"berth/drift/report"
)

var update = flag.Bool("update", false, "write what is shown into testdata")

var now = time.Date(2026, 11, 21, 14, 4, 0, 0, time.UTC)

// TestGolden shows each report of testdata/*.txtar in all the ways that the file
// has a section for.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := report.Read(bytes.NewReader(archive.Files[0].Data))
			if err != nil {
				t.Fatal(err)
			}
			for i, section := range archive.Files[1:] {
				got := show(t, r, section.Name)
				if *update {
					archive.Files[i+1].Data = []byte(got)
					continue
				}
				if diff := cmp.Diff(string(section.Data), got); diff != "" {
					t.Errorf("%s of %s (-want +got):\n%s", section.Name, file, diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// show writes a report as the section's name says.
func show(t *testing.T, r *report.Report, section string) string {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch section {
	case "text":
		err = report.Text(&b, r, report.TextOptions{Now: now})
	case "narrow":
		err = report.Text(&b, r, report.TextOptions{Now: now, Width: 80})
	case "verbose":
		err = report.Text(&b, r, report.TextOptions{Now: now, Verbose: true})
	case "color":
		err = report.Text(&b, r, report.TextOptions{Now: now, Color: true})
	case "routes":
		err = report.RoutesText(&b, r, report.TextOptions{Now: now})
	case "routes-narrow":
		err = report.RoutesText(&b, r, report.TextOptions{Now: now, Width: 100})
	case "routes-color":
		err = report.RoutesText(&b, r, report.TextOptions{Now: now, Color: true})
	case "routes-verbose":
		err = report.RoutesText(&b, r, report.TextOptions{Now: now, Verbose: true})
	case "routes-json":
		err = report.RoutesJSON(&b, r)
	case "markdown":
		err = report.Markdown(&b, r)
	case "differs":
		if r.Differs() {
			return "yes\n"
		}
		return "no\n"
	default:
		t.Fatalf("no such view: %s", section)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), "\x1b", "ESC")
}
