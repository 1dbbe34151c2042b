package report

import (
	"encoding/json"
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// playbooks is a report in which check mode has found something on one host, another
// has never been run on, and a third waits for an unlock.
func playbooks() *Report {
	locked := (&desired.LockedError{Secret: "apps"}).Error()
	return &Report{Version: Version, Mode: Drift, Plan: &drift.Plan{Digest: "d1", Changes: []drift.Change{
		{
			Key: drift.Key{ID: "play/base", Step: drift.Run}, Source: desired.Source{File: "play.yaml", Line: 1},
			Fields: []drift.Field{
				{
					Path: "hosts.web-1", Before: drift.Value{Text: "2 tasks would change something"}, After: drift.Value{Text: "abc"},
					Reason: "2 tasks would change something",
					Lines:  []string{`task "Write motd" (ansible/base.yml:12)`, "  -hello", "  +bye @root\x1b[31m", `task "Start sshd" (ansible/base.yml:20)`},
				},
				{Path: "hosts.web-2", After: drift.Value{Text: "abc"}},
			},
		},
		{
			Key: drift.Key{ID: "play/app", Step: drift.Run}, Held: locked, Source: desired.Source{File: "play.yaml", Line: 9},
			Fields: []drift.Field{{Path: "hosts.web-1", After: drift.Value{Text: "abc"}, Held: locked}},
		},
		{
			Key: drift.Key{ID: "edge/main", Step: drift.Route}, Source: desired.Source{File: "edge.yaml", Line: 1},
			Held: "waits for play/app run of hosts.web-1, which is held: " + locked,
		},
	}}}
}

func TestWhyAPlaybookIsDueIsSaidOnce(t *testing.T) {
	r := playbooks()
	was := drift.Value{Text: "abc"}
	r.Plan.Changes = []drift.Change{{
		Key: drift.Key{ID: "play/app", Step: drift.Run}, Source: desired.Source{File: "plays.yaml", Line: 8},
		Fields: []drift.Field{
			{Path: "hosts.called", Before: was, After: drift.Value{Text: "abc"}, Origin: drift.FromGit, Reason: "asked for by the hook provision"},
			{Path: "hosts.edited", Before: was, After: drift.Value{Text: "abd"}, Origin: drift.FromGit},
			{Path: "hosts.sent", Before: was, After: drift.Value{Text: "abd"}, Origin: drift.FromLive},
		},
	}}
	var page strings.Builder
	if err := Text(&page, r, TextOptions{Width: 140}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n    called   asked for by the hook provision\n",
		"\n    edited   playbook, variables or guest are new since its last run   from Git\n",
		"\n    sent     a secret, another repository or the guest itself is new since its last run\n",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("nothing says %q in\n%s", want, page.String())
		}
	}
}

func TestWhatPlaybooksWouldChange(t *testing.T) {
	r := playbooks()
	r.Summarize()
	if s := r.Summary; s.Held != 0 || s.Waiting != 2 || s.Planned.Run != 1 || !r.Differs() {
		t.Errorf("summary %+v", s)
	}
	var page strings.Builder
	if err := Text(&page, r, TextOptions{Width: 140}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n    web-1   2 tasks would change something\n      │ task \"Write motd\" (ansible/base.yml:12)\n      │   -hello\n      │   +bye",
		"\n    web-2   has not run here\n",
		"waiting for unlock: secret \"apps\" is locked: run `agent unlock` on the agent's host\n",
		"\n1 playbook to run, 2 waiting for unlock\n",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if strings.Contains(page.String(), "\x1b") {
		t.Error("a terminal's codes")
	}
	if t.Failed() {
		t.Log(page.String())
	}
	page.Reset()
	if err := Markdown(&page, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 tasks would change something", "<br><code>  &#45;hello</code>", "**waiting for unlock**: secret"} {
		if !strings.Contains(strings.ReplaceAll(page.String(), "<code>  -hello", "<code>  &#45;hello"), want) {
			t.Errorf("nothing says %q in\n%s", want, page.String())
		}
	}
	page.Reset()
	if err := JSON(&page, r); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Plan struct {
			Changes []struct {
				Fields []struct {
					Reason string
					Lines  []string
				}
			}
		}
		Summary struct{ Waiting int }
	}
	if err := json.Unmarshal([]byte(page.String()), &read); err != nil {
		t.Fatal(err)
	}
	if f := read.Plan.Changes[0].Fields[0]; f.Reason == "" || len(f.Lines) != 4 || read.Summary.Waiting != 2 {
		t.Errorf("JSON says %+v", read)
	}
}
