package report_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// FuzzRead asks that whatever is read can be shown in every way, and is read
// back the same.
func FuzzRead(f *testing.F) {
	var whole bytes.Buffer
	if err := report.JSON(&whole, many(12)); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add([]byte(`{"version":1,"plan":{"changes":[{"id":"","step":""}],"blind":[{}],"foreign":[{}],"notes":[{}]},"outcomes":[{"id":"","step":"","status":"x"}]}`))
	f.Add([]byte(`{"version":1,"plan":{"changes":[{"id":"edge/a","step":"route","fields":[{"path":"tls.routes[a"}]}]},"stats":{"durationNanoseconds":-1,"requests":{"":-1}}}`))
	f.Add([]byte(`{"version":1,"routes":{"edges":[{"id":"\u001b","at":"\u001b","address":"\u202e","state":"unknown","reason":"\u001b","remedy":"\n"}],"routes":[{"edge":"\u001b","way":"tls","listen":["\u001b"],"name":"\u001b","by":"\u001b","chains":[{"through":[{"edge":"\u001b"}],"to":[{"target":"\u001b","id":"\u001b","address":"\u001b","problem":"\u001b"}]}],"remarks":["\u001b"],"answer":{"text":"\u001b","fingerprint":"\u001b","address":"\u001b"}}]}}`))
	f.Add([]byte(`{"version":1,"routes":{"edges":[{}],"routes":[{},{"way":"x","chains":[{}]},{"answer":{"good":true}}]}}`))
	f.Fuzz(func(t *testing.T, input []byte) {
		r, err := report.Read(bytes.NewReader(input))
		if err != nil {
			return
		}
		for _, o := range []report.TextOptions{{}, {Width: 1}, {Width: 80}, {Verbose: true}} {
			harmless(t, text(t, r, o))
		}
		for _, o := range []report.TextOptions{{}, {Width: 60}, {Verbose: true}} {
			var routed bytes.Buffer
			if err := report.RoutesText(&routed, r, o); err != nil {
				t.Fatal(err)
			}
			harmless(t, routed.String())
		}
		var markdown, first, second bytes.Buffer
		if err := report.Markdown(&markdown, r); err != nil {
			t.Fatal(err)
		}
		harmless(t, markdown.String())
		if err := report.JSON(&first, r); err != nil {
			t.Skip(err) // A year beyond 9999 can be read as no time, but not written.
		}
		again, err := report.Read(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		if err := report.JSON(&second, again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("written again, it is another:\n%s\n%s", first.Bytes(), second.Bytes())
		}
	})
}

// FuzzForeignText puts foreign text everywhere and asks that it can do nothing to
// a terminal or a page.
func FuzzForeignText(f *testing.F) {
	for _, s := range []string{
		"\x1b[2J", "\u202e\u2066", "a\nb\r\x00", "\xff\xfe", "<img src=x>", "`@all`", "| a |", "![x](y)", "&lt;", "\u0085\u009b31m",
		"\U000e0041", "www.example.com http://example.com #1", "日本語", "e\u0301", strings.Repeat("x ", 500), "\\", "[[", "]]", "*_~",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		value := drift.Value{Text: s}
		field := drift.Field{Path: desired.Path(s), Before: value, After: drift.Value{Text: s + "x", From: s}, By: s, Origin: drift.FromLive, Held: s, Wait: []drift.Key{{ID: "vm/b", Step: drift.Create}}}
		source := desired.Source{File: s, Line: 1, Layer: s}
		id := desired.ID("vm/" + s)
		r := &report.Report{
			Mode: report.Run, Turn: s, Fleet: s, Error: s, Commit: report.Commit{Hash: s, Subject: s},
			Refused:  &report.Refusal{Commit: report.Commit{Hash: s, Subject: s}, Reason: s, Problems: []string{s}},
			Contents: report.Contents{Sites: []string{s}, Edges: map[string]int{s: 1}},
			Stats:    report.Stats{Requests: map[string]int{s: 1}},
			Plan: &drift.Plan{
				Digest: s,
				Changes: []drift.Change{
					{Key: drift.Key{ID: id, Step: drift.Step(s)}, Reason: s, Held: s, Source: source, Fields: []drift.Field{field}},
					{Key: drift.Key{ID: id, Step: drift.Create}, Reason: s, Site: s, Lanes: []string{"node:" + s}, Fields: []drift.Field{
						{Path: "id", After: value}, {Path: desired.Path("disks").Sub(s).Sub("size"), After: value}, {Path: "networks.net0.address", After: value},
					}},
					{Key: drift.Key{ID: "edge/x", Step: drift.Route}, Source: source, Fields: []drift.Field{
						{Path: desired.Path("tls.routes").Sub(s), Before: value, After: drift.Value{Text: "x"}, Source: source},
					}},
					{Key: drift.Key{ID: "play/x", Step: drift.Run}, Fields: []drift.Field{{Path: desired.Path("hosts").Sub(s), After: drift.Value{From: s}}}},
					{Key: drift.Key{ID: "vm/y", Step: drift.Online}, Fields: []drift.Field{{Path: "tags", Before: value, After: drift.Value{Text: "b " + s}}}},
				},
				Blind: []drift.Blind{{ID: id, Reason: s, Remedy: s}, {Site: s}, {Kind: s}}, Foreign: []drift.Foreign{{ID: id, What: s, Reason: s, Remedy: s}},
				Notes: []drift.Note{{ID: id, Path: desired.Path(s), Text: s, Source: source}}, Counts: map[string]drift.Count{s: {}},
			},
			Outcomes: []drift.Outcome{
				{Key: drift.Key{ID: id, Step: drift.Create}, Status: drift.Failed, Reason: s, Lines: []string{s}, Tasks: []string{s}},
				{Key: drift.Key{ID: "play/x", Step: drift.Run}, Status: drift.Done, Results: map[desired.Path]string{desired.Path("hosts").Sub(s): s}},
			},
		}
		for _, o := range []report.TextOptions{{}, {Width: 60}, {Verbose: true}} {
			harmless(t, text(t, r, o))
		}
		var b bytes.Buffer
		if err := report.Markdown(&b, r); err != nil {
			t.Fatal(err)
		}
		harmless(t, b.String())
		rest := b.String()
		for _, ours := range []string{"<code>", "</code>", "<br>", "<sub>", "</sub>"} {
			rest = strings.ReplaceAll(rest, ours, "")
		}
		if i := strings.IndexAny(rest, "<>@`[]"); i >= 0 {
			t.Errorf("%q stands in Markdown: …%s", rest[i], rest[max(0, i-20):min(len(rest), i+20)])
		}
		for line := range strings.SplitSeq(b.String(), "\n") {
			if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 5 {
				t.Errorf("a table row of %d bars: %s", strings.Count(line, "|"), line)
			}
		}
	})
}

// harmless fails where text could do more than be read.
func harmless(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Error("not UTF-8")
	}
	for _, r := range s {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%U stands in %q", r, s)
		}
	}
}
