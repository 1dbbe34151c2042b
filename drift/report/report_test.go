package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// many makes a report of n changes: mostly edits, some creations, some held.
func many(n int) *report.Report {
	p := &drift.Plan{Commit: "3f2a91c", Digest: "aa", Counts: map[string]drift.Count{"home": {Ours: n}}}
	for i := range n {
		id := desired.MakeID(desired.KindVM, fmt.Sprintf("web-%d", i))
		c := drift.Change{
			Key: drift.Key{ID: id, Step: drift.Online}, Site: "home",
			Source: desired.Source{File: "guests/web.yaml", Line: int32(i) + 1},
			Fields: []drift.Field{
				{Path: "memory.size", Before: drift.Value{Text: "1GiB"}, After: drift.Value{Text: "2GiB"}, Origin: drift.FromGit},
				{Path: "tags", Before: drift.Value{Text: "a b"}, After: drift.Value{Text: "a c"}, Origin: drift.FromLive, By: "root@pam"},
			},
		}
		switch i % 10 {
		case 8:
			c.Step = drift.Create
		case 9:
			c.Held = "it is locked by a backup that has been running for three hours, see task UPID:pve1 on node pve1"
		}
		p.Changes = append(p.Changes, c)
	}
	return &report.Report{
		Version: report.Version, Mode: report.Drift, Fleet: "pegasus", Plan: p,
		Commit: report.Commit{Hash: "3f2a91c", Subject: "Give all more memory", Time: now.Add(-time.Hour)},
		Stats:  report.Stats{Requests: map[string]int{"GET": n}, Duration: 1500 * time.Millisecond},
	}
}

func text(t *testing.T, r *report.Report, o report.TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Text(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRoundTrip(t *testing.T) {
	r := many(30)
	r.Mode, r.Turn = report.Run, "t1"
	r.Started, r.Ended = now.Add(-time.Minute), now
	r.Refused = &report.Refusal{Commit: report.Commit{Hash: "9c1"}, Reason: "it does not load", Problems: []string{"a.yaml:1:1: x"}}
	r.Plan.Blind = []drift.Blind{{Site: "paris", Reason: "401"}}
	r.Plan.Foreign = []drift.Foreign{{ID: "vm/a", What: "ct 118", Reason: "no stamp"}}
	r.Plan.Notes = []drift.Note{{ID: "vm/a", Path: "cloudInit", Text: "settled", Source: desired.Source{File: "a.yaml", Line: 3, Col: 1, Layer: "profile/x"}}}
	r.Contents = report.Contents{Documents: 3, Sites: []string{"home", "paris"}, Edges: map[string]int{"main": 2}, Playbooks: 1}
	for _, c := range r.Plan.Changes {
		r.Outcomes = append(r.Outcomes, drift.Outcome{
			Key: c.Key, Status: drift.Failed, Reason: "no", Lines: []string{"a"}, Tasks: []string{"UPID:x"},
			Results: map[desired.Path]string{"tags": ""}, Started: now, Ended: now.Add(time.Second),
		})
	}
	r.Summarize()
	var b bytes.Buffer
	if err := report.JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	got, err := report.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a report read back (-want +got):\n%s", diff)
	}
	for _, o := range []report.TextOptions{{}, {Width: 90, Verbose: true}} {
		if diff := cmp.Diff(text(t, r, o), text(t, got, o)); diff != "" {
			t.Errorf("its text (-want +got):\n%s", diff)
		}
	}
}

// What people see comes from what JSON holds: no field of the types in a report
// may be left out of it.
func TestEverythingHasAWordInJSON(t *testing.T) {
	seen := make(map[reflect.Type]bool)
	var walk func(reflect.Type)
	walk = func(at reflect.Type) {
		switch at.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(at.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[at] || !strings.HasPrefix(at.PkgPath(), "berth/") {
			return
		}
		seen[at] = true
		for field := range at.Fields() {
			if tag := field.Tag.Get("json"); !field.Anonymous && (tag == "" || tag == "-") {
				t.Errorf("%s.%s has no JSON word", at, field.Name)
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[report.Report]())
	if len(seen) < 12 {
		t.Errorf("saw %d types only", len(seen))
	}
}

func TestReadRefuses(t *testing.T) {
	for input, want := range map[string]string{
		`{"version": 2}`:    "newer than 1",
		`{"mode": "drift"}`: "no report",
		`{"version": 1} {}`: "after top-level value",
		`version: 1`:        "invalid character",
		``:                  "unexpected end",
		`{"version":1,"plan":{"changes":[{"id":7}]}}`: "cannot unmarshal",
	} {
		if _, err := report.Read(strings.NewReader(input)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%q) = %v, want …%s…", input, err, want)
		}
	}
}

func TestSecretsAreShownNowhere(t *testing.T) {
	r := many(0)
	secret := drift.Value{Text: "hunter2", Secret: true}
	r.Plan.Changes = []drift.Change{
		{Key: drift.Key{ID: "vm/a", Step: drift.Online}, Fields: []drift.Field{{Path: "token", Before: secret, After: drift.Value{Text: "x"}}}},
		{Key: drift.Key{ID: "vm/b", Step: drift.Create}, Fields: []drift.Field{{Path: "memory", After: secret}, {Path: "tags", After: secret}}},
		{Key: drift.Key{ID: "edge/b", Step: drift.Route}, Fields: []drift.Field{{Path: "tls.routes.a", Before: secret, After: secret}}},
	}
	var out bytes.Buffer
	out.WriteString(text(t, r, report.TextOptions{}) + text(t, r, report.TextOptions{Verbose: true}))
	if !strings.Contains(out.String(), "(secret)") {
		t.Error("it is not said that there is a secret")
	}
	if err := errors.Join(report.Markdown(&out, r), report.JSON(&out, r)); err != nil {
		t.Fatal(err)
	}
	marshalled, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(marshalled)
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("the secret is shown:\n%s", out.String())
	}
	if r.Plan.Changes[0].Fields[0].Before.Text != "hunter2" {
		t.Error("writing the report changed the plan")
	}
}

func TestLongListsAreCutUnlessAskedFor(t *testing.T) {
	r := many(1000)
	short, whole := text(t, r, report.TextOptions{}), text(t, r, report.TextOptions{Verbose: true})
	for _, want := range []string{
		"… 760 more to change; --verbose lists them", "… 60 more to create", "… 60 more held",
		"100 to create, 800 to change, 100 held",
	} {
		if !strings.Contains(short, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := strings.Count(short, "\n"); n > 350 {
		t.Errorf("%d lines of text", n)
	}
	for i := range 1000 {
		if !strings.Contains(whole, fmt.Sprintf(" vm/web-%d ", i)) {
			t.Fatalf("vm/web-%d is not in the whole text", i)
		}
	}
	for i := range r.Plan.Changes {
		r.Plan.Changes[i].Step, r.Plan.Changes[i].Held = drift.Archive, ""
	}
	if n := strings.Count(text(t, r, report.TextOptions{}), "gone from Git"); n == 1000 {
		t.Error("what has a manifest is said to be gone")
	}
	if n := strings.Count(text(t, r, report.TextOptions{}), "\n- vm/web-"); n != 1000 {
		t.Errorf("%d of 1000 that go are listed, want all", n)
	}
}

func TestDiffers(t *testing.T) {
	key := drift.Key{ID: "vm/a", Step: drift.Online}
	field := drift.Field{Path: "memory", After: drift.Value{Text: "1GiB"}}
	plan := func(c ...drift.Change) *drift.Plan { return &drift.Plan{Changes: c} }
	for name, row := range map[string]struct {
		r    report.Report
		want bool
		line string
	}{
		"nothing":               {report.Report{Plan: plan()}, false, "no differences"},
		"no plan":               {report.Report{Error: "x"}, false, "no plan was made"},
		"a note":                {report.Report{Plan: &drift.Plan{Notes: []drift.Note{{Text: "x"}}}}, false, "no differences"},
		"foreign nearby":        {report.Report{Plan: &drift.Plan{Foreign: []drift.Foreign{{What: "x"}}}}, false, "no differences"},
		"a change":              {report.Report{Plan: plan(drift.Change{Key: key})}, true, "1 to change"},
		"held":                  {report.Report{Plan: plan(drift.Change{Key: key, Held: "x"})}, true, "1 held"},
		"held, run":             {report.Report{Mode: report.Run, Plan: plan(drift.Change{Key: key, Held: "x"})}, true, "1 held"},
		"unknown":               {report.Report{Plan: &drift.Plan{Blind: []drift.Blind{{Site: "x"}}}}, true, "1 unknown"},
		"refused":               {report.Report{Plan: plan(), Refused: &report.Refusal{}}, true, "no differences to the last good commit"},
		"done":                  {report.Report{Mode: report.Run, Plan: plan(drift.Change{Key: key}), Outcomes: []drift.Outcome{{Key: key, Status: drift.Done}}}, false, "1 changed"},
		"failed":                {report.Report{Mode: report.Run, Plan: plan(drift.Change{Key: key}), Outcomes: []drift.Outcome{{Key: key, Status: drift.Failed}}}, true, "1 failed"},
		"left":                  {report.Report{Mode: report.Run, Plan: plan(drift.Change{Key: key}), Outcomes: []drift.Outcome{{Key: key, Status: drift.Left}}}, true, "1 left for the next turn"},
		"a field failed":        {report.Report{Mode: report.Run, Plan: plan(drift.Change{Key: key, Fields: []drift.Field{field}}), Outcomes: []drift.Outcome{{Key: key, Status: drift.Done, Results: map[desired.Path]string{"memory": "x"}}}}, true, "1 failed"},
		"a field not run":       {report.Report{Mode: report.Run, Plan: plan(drift.Change{Key: key, Fields: []drift.Field{field}}), Outcomes: []drift.Outcome{{Key: key, Status: drift.Done, Results: map[desired.Path]string{"tags": ""}}}}, true, "1 changed, 1 skipped"},
		"held at the last look": {report.Report{Mode: report.Run, Plan: plan(drift.Change{Key: key}), Outcomes: []drift.Outcome{{Key: key, Status: drift.Held, Reason: "x"}}}, true, "1 held"},
	} {
		t.Run(name, func(t *testing.T) {
			if row.r.Mode == "" {
				row.r.Mode = report.Drift
			}
			if got := row.r.Differs(); got != row.want {
				t.Errorf("Differs() = %v", got)
			}
			if all := text(t, &row.r, report.TextOptions{}); !strings.Contains("\n"+all, "\n"+row.line+"\n") {
				t.Errorf("no line %q in:\n%s", row.line, all)
			}
		})
	}
}

func TestContentsOf(t *testing.T) {
	fleet := &desired.Fleet{
		Documents: 7, Sites: map[string]*desired.Site{"b": {}, "a": {}},
		Resources: []*desired.Resource{
			{ID: "edge/main", Spec: &desired.Edge{TLS: desired.EdgeTLS{Routes: map[string]desired.Target{"x": {}, "y": {}}}}},
			{ID: "play/p", Spec: &desired.Playbook{}},
			{ID: "vm/v", Spec: &desired.VM{}},
		},
	}
	want := report.Contents{Documents: 7, Sites: []string{"a", "b"}, Edges: map[string]int{"main": 2}, Playbooks: 1}
	if diff := cmp.Diff(want, report.ContentsOf(fleet)); diff != "" {
		t.Error(diff)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrorsAreTold(t *testing.T) {
	for name, write := range map[string]func() error{
		"text":     func() error { return report.Text(broken{}, many(500), report.TextOptions{}) },
		"json":     func() error { return report.JSON(broken{}, many(1)) },
		"markdown": func() error { return report.Markdown(broken{}, many(500)) },
	} {
		if err := write(); err == nil || !strings.Contains(err.Error(), "write report: disk full") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Wrapped text never runs over the width while its words are shorter than that.
func TestWidthIsKept(t *testing.T) {
	r := many(3)
	r.Plan.Blind = []drift.Blind{{Site: "paris", Reason: strings.Repeat("word ", 60)}}
	for line := range strings.SplitSeq(text(t, r, report.TextOptions{Width: 80}), "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		r := many(n)
		for _, view := range []struct {
			name  string
			write func(*bytes.Buffer) error
		}{
			{"text", func(w *bytes.Buffer) error { return report.Text(w, r, report.TextOptions{Width: 100}) }},
			{"verbose", func(w *bytes.Buffer) error { return report.Text(w, r, report.TextOptions{Verbose: true}) }},
			{"json", func(w *bytes.Buffer) error { return report.JSON(w, r) }},
			{"markdown", func(w *bytes.Buffer) error { return report.Markdown(w, r) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", view.name, n), func(b *testing.B) {
				b.ReportAllocs()
				var w bytes.Buffer
				for b.Loop() {
					w.Reset()
					if err := view.write(&w); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// Making guests ours and giving them up is no waiting: after an import it is all
// that the first plan does.
func TestAdoptionAndReleaseAreCounted(t *testing.T) {
	r := &report.Report{Mode: report.Drift, Plan: &drift.Plan{Changes: []drift.Change{
		{Key: drift.Key{ID: "vm/a", Step: drift.Adopt}},
		{Key: drift.Key{ID: "vm/a", Step: drift.Online}},
		{Key: drift.Key{ID: "vm/b", Step: drift.Adopt}},
		{Key: drift.Key{ID: "ct/c", Step: drift.Release}},
	}}}
	var text strings.Builder
	if err := report.Text(&text, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "2 to adopt, 1 to release\n"; !strings.Contains(text.String(), want) {
		t.Errorf("%q is missing in\n%s", want, text.String())
	}
}

func TestACloneTellsItsTemplate(t *testing.T) {
	r := &report.Report{Mode: report.Drift, Plan: &drift.Plan{Changes: []drift.Change{{
		Key: drift.Key{ID: "vm/a", Step: drift.Create},
		Fields: []drift.Field{
			{Path: "id", After: drift.Value{Text: "104"}},
			{Path: "clone.template", After: drift.Value{Text: "golden"}},
			{Path: "disks.scsi0.size", After: drift.Value{Text: "60GiB"}},
		},
	}}}}
	var text strings.Builder
	if err := report.Text(&text, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "104 · clone of golden, scsi0 60GiB"; !strings.Contains(text.String(), want) {
		t.Errorf("%q is missing in\n%s", want, text.String())
	}
}
