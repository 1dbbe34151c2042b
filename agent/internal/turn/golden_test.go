package turn_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/drift/report"
)

var update = flag.Bool("update", false, "write what is told into testdata")

// story is what reports and errors of a test say, word for word, as a file of
// testdata holds it for people to read.
type story struct {
	t    *testing.T
	name string
	mask []string // pairs: what differs from run to run, and what stands for it
	text strings.Builder
}

// tells begins a story; it is compared at the end of the test.
func (l *land) tells(name string) *story {
	s := &story{t: l.t, name: name, mask: []string{l.dir, "DIR"}}
	l.t.Cleanup(s.compare)
	return s
}

// whatDiffers are words of a report that say nothing of what a test is about:
// how many requests it took, and the digest of the plan.
var whatDiffers = regexp.MustCompile(`(?m)^(plan [0-9a-f]{16} · )?[0-9,]+ requests? \(.*\n`)

// report tells a report as people read it.
func (s *story) report(what string, rep *report.Report) {
	s.t.Helper()
	var page strings.Builder
	if err := report.Text(&page, rep, report.TextOptions{Now: rep.Started.Add(time.Second)}); err != nil {
		s.t.Fatal(err)
	}
	s.say(what, whatDiffers.ReplaceAllString(page.String(), ""))
}

// fails tells an error.
func (s *story) fails(what string, err error) {
	s.t.Helper()
	if err == nil {
		s.t.Errorf("%s: no error", what)
		return
	}
	s.say(what, "error: "+err.Error())
}

func (s *story) say(what, text string) {
	text = regexp.MustCompile(`tmp_pack_[0-9]+`).ReplaceAllString(text, "tmp_pack")
	text = strings.NewReplacer(s.mask...).Replace(strings.TrimSpace(text))
	fmt.Fprintf(&s.text, "## %s\n\n%s\n\n", what, text)
}

func (s *story) compare() {
	file := filepath.Join("testdata", s.name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(s.text.String()), 0o600); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatalf("%v: write it with -update, and read it", err)
	}
	if diff := cmp.Diff(string(want), s.text.String()); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// nothing asserts that nothing was written to the cluster and the edge since the
// last mark.
func (l *land) nothing(when string) {
	l.t.Helper()
	if w := l.written(); len(w) > 0 {
		l.t.Errorf("%s: written: %q", when, w)
	}
}
