package turn

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"berth/agent/internal/history"
	"berth/agent/internal/journal"
	"berth/applyers"
	"berth/desired"
	"berth/drift/report"
)

// why says what a turn is made for.
func (req Request) why() string {
	if req.Why == "" {
		return "asked for"
	}
	return req.Why
}

// record remembers what happened in a turn. One that did nothing leaves a trace where it
// could not be made, or found a commit refused, once for each reason.
func (t *Turner) record(ctx context.Context, req Request, rep *report.Report, only *narrowed, err error) {
	if Mistaken(err) || errors.Is(err, applyers.ErrLeft) || err != nil && ctx.Err() != nil {
		return
	}
	ended := history.Ended{ID: req.ID, At: t.Now(), Why: req.why(), Paused: req.Paused, Report: rep, Err: err}
	if refused, is := errors.AsType[*RefusedError](err); is {
		ended.Refused = refusal(refused.Commit, refused.Err)
	}
	if only != nil {
		ended.Asked = func(id desired.ID) bool {
			return only.ids[id] || id.Kind() == desired.KindSite && only.sites[id.Name()]
		}
	}
	trace := false
	for _, l := range t.History.Tell(ended) {
		trace = trace || l.What == history.TurnFailed || l.What == history.Refused
	}
	if !trace || rep != nil && len(rep.Outcomes) > 0 {
		return // A turn that did something is in the journal.
	}
	if rep == nil {
		rep = &report.Report{Version: report.Version, Turn: req.ID, Mode: req.Mode, Refused: ended.Refused, Started: journal.Began(req.ID), Ended: t.Now()}
		if rep.Refused == nil {
			rep.Error = err.Error()
		}
	}
	text, err := json.Marshal(rep)
	if err == nil {
		err = t.Journal.Fail(journal.Turn{ID: req.ID, Started: rep.Started, Commit: rep.Commit.Hash, Mode: string(req.Mode), Why: req.why()}, text)
	}
	if err != nil {
		t.Log.DebugContext(ctx, "trace of a turn not written", slog.Any("error", err))
	}
}

// tend forgets of playbooks what the manifests have given up long ago.
func (t *Turner) tend(ctx context.Context, fleet *desired.Fleet) {
	err := t.Journal.Tend(func(id desired.ID, host string) bool {
		r := fleet.Resource(id)
		if r == nil {
			return false
		}
		play, ok := r.Spec.(*desired.Playbook)
		if !ok {
			return false
		}
		_, stands := play.Due[host]
		return stands
	})
	if err != nil {
		t.Log.WarnContext(ctx, "what hosts are gone can't be noted", slog.Any("error", err))
	}
}
