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

func explainedText(e *explain.Explanation, one bool) string {
	var out bytes.Buffer
	explainText(streams{Out: &out}, &web.Explained{Explanation: e}, false, one)
	return out.String()
}
