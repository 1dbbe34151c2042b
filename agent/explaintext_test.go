package main

import (
	"bytes"
	"strings"
	"testing"

	"berth/agent/internal/web"
	"berth/desired"
	"berth/drift"
	"berth/drift/explain"
)

// TestExplainSaysAHoldOnce has a creation held: its reason stands once, however many
// values it has, and also where only values are asked for.
func TestExplainSaysAHoldOnce(t *testing.T) {
	const reason = "10.1.1.5 is taken: write another address"
	e := &explain.Explanation{ID: "ct/web", Steps: []explain.Step{{Step: drift.Create, Reason: "new in Git", Held: reason}, {Step: drift.Start, Held: reason}}}
	for _, path := range []desired.Path{"memory", "cores", "hostname"} {
		e.Fields = append(e.Fields, explain.Field{Path: path, Desired: "1", Rule: explain.Enforced, Differs: true, Held: reason})
	}
	e.Fields = append(e.Fields, explain.Field{Path: "tags", Desired: "a", Rule: explain.Enforced, Differs: true, Held: "another one"})
	for _, one := range []bool{false, true} {
		text := explainedText(e, one)
		if strings.Count(text, reason) != 1 || strings.Count(text, "another one") != 1 {
			t.Errorf("one value: %t: each reason stands once, not so in\n%s", one, text)
		}
		if strings.Count(text, "not there; held") != 4 {
			t.Errorf("one value: %t: each value is held, not so in\n%s", one, text)
		}
	}
}

// TestExplainTellsWhereAPlaybookNeverRan tells a host on which a playbook has not run from
// one where what it depends on is new.
func TestExplainTellsWhereAPlaybookNeverRan(t *testing.T) {
	text := explainedText(&explain.Explanation{ID: "play/base", Fields: []explain.Field{
		{Path: "hosts.nas", Desired: "d1", Rule: explain.Enforced, Differs: true, Origin: drift.FromGit},
		{Path: "hosts.web", Desired: "d1", Live: "d0", Seen: true, Rule: explain.Enforced, Differs: true, Origin: drift.FromGit},
	}}, false)
	for _, want := range []string{
		"~ on nas  is to run  enforced  it has never run there\n",
		"~ on web  has run    enforced  it differs; Git has moved\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

func explainedText(e *explain.Explanation, one bool) string {
	var out bytes.Buffer
	explainText(streams{Out: &out}, &web.Explained{Explanation: e}, false, one)
	return out.String()
}
