package turn

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"

	"berth/agent/internal/history"
	"berth/desired"
	"berth/drift"
	"berth/drift/explain"
)

// lastEvents is how much of its past an explanation tells.
const lastEvents = 3

// explain tells all of one resource.
func (t *Turner) explain(ctx context.Context, id desired.ID, input *drift.Input, plan *drift.Plan) (*explain.Explanation, error) {
	waits := make(map[desired.ID][]explain.Wait)
	for _, w := range t.Waits() {
		waits[w.ID] = append(waits[w.ID], explain.Wait{Path: w.Path, Until: w.Until, Reason: w.Reason})
	}
	e := explain.Of(id, explain.Input{Fleet: input.Fleet, World: input.World(), Plan: plan, Waits: waits, Now: t.Now()})
	if e == nil {
		known := words(input.Fleet, input.Observed.Lives)
		known = slices.DeleteFunc(known, func(word string) bool {
			kind := desired.ID(word).Kind()
			return kind == desired.KindSite || kind == "project"
		})
		missing := unknownResource(string(id), known)
		for _, b := range plan.Blind {
			if b.Covers(id, b.Site) {
				missing.Unread = append(missing.Unread, unknown(b))
			}
		}
		return nil, missing
	}
	if t.History == nil {
		return e, nil
	}
	story, err := history.Read(t.History.Dir, history.Query{ID: id, Limit: lastEvents})
	if err != nil {
		t.Log.WarnContext(ctx, "what happened to it can't be read", slog.Any("error", err))
		return e, nil
	}
	for _, l := range story.Lines {
		what := string(l.What)
		if l.ID != id {
			what += " (" + string(l.ID) + ")"
		}
		e.Last = append(e.Last, explain.Event{
			At: l.At, What: what, Reason: eventReason(l), Turn: l.Turn,
			Commit: l.Commit.Hash, Subject: l.Commit.Subject, Author: l.Commit.Author,
		})
	}
	return e, nil
}

// eventReason says why, or else which values differed.
func eventReason(l history.Line) string {
	if l.Reason != "" {
		return l.Reason
	}
	var all []string
	for i, f := range l.Fields {
		if i == lastEvents {
			return strings.Join(append(all, "…"), ", ")
		}
		text := string(f.Path)
		if f.Before != "" || f.After != "" {
			text += " " + cmp.Or(f.Before, "(unset)") + " → " + cmp.Or(f.After, "(none)")
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}
