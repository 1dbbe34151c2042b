package turn

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

const (
	// aloudNames is how many resources one line names, aloudLines how many lines one
	// turn leaves: the report has them all.
	aloudNames = 5
	aloudLines = 50
)

// aloud is one line of the log about what a turn leaves as it is, and why: as is held
// or unknown.
type aloud struct {
	as, what, reason string
}

// aloud logs what a turn left undone without trying it: what is held and what is
// unknown. Whoever has but the log, as of a service, must find the reason there. What
// the turn before said already is not said again.
func (t *Turner) aloud(ctx context.Context, rep *report.Report) {
	said := make(map[aloud]bool)
	left := 0
	for _, a := range unsettled(rep.Plan) {
		said[a] = true
		switch {
		case t.said[a]:
		case len(said) > aloudLines:
			left++
		default:
			t.Log.WarnContext(ctx, "left as it is", slog.String("as", a.as), slog.String("what", a.what), slog.String("reason", a.reason))
		}
	}
	if left > 0 {
		t.Log.WarnContext(ctx, "more is held or unknown; the report of agent drift has it all", slog.Int("more", left))
	}
	t.said = said
}

// unsettled are the lines about a plan, those of one reason together.
func unsettled(p *drift.Plan) []aloud {
	var all []aloud
	for _, b := range p.Blind {
		all = append(all, aloud{"unknown", unknown(b), b.Text()})
	}
	return append(all, held(p)...)
}

func unknown(b drift.Blind) string {
	switch {
	case b.ID != "":
		return string(b.ID)
	case b.Site != "":
		return "site " + b.Site
	}
	return "kind " + b.Kind
}

// held are the lines about what the guards keep from being done. Of one resource's
// steps the first tells: the others wait for it.
func held(p *drift.Plan) []aloud {
	var reasons []string
	ids := make(map[string][]string)
	add := func(id, reason string) {
		if len(ids[reason]) == 0 {
			reasons = append(reasons, reason)
		}
		if !slices.Contains(ids[reason], id) {
			ids[reason] = append(ids[reason], id)
		}
	}
	told := make(map[desired.ID]bool)
	for i := range p.Changes {
		c := &p.Changes[i]
		whole := c.Held != "" && !parted(c, nil)
		if whole && !told[c.ID] {
			add(string(c.ID), c.Held)
		}
		for _, f := range c.Fields {
			if !whole && f.Held != "" && (c.Held == "" || !told[c.ID]) {
				add(string(c.ID)+" "+string(f.Path), f.Held)
			}
		}
		told[c.ID] = told[c.ID] || c.Held != ""
	}
	var all []aloud
	for _, reason := range reasons {
		names := strings.Join(ids[reason][:min(len(ids[reason]), aloudNames)], ", ")
		if more := len(ids[reason]) - aloudNames; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		all = append(all, aloud{"held", names, reason})
	}
	return all
}
