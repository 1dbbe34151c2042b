package turn

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"slices"

	"berth/agent/internal/checkout"
	"berth/agent/internal/journal"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// past is what a turn left behind: the commit that it enforced, and what differed
// from that when it ended.
type past struct {
	commit string
	// open are resources that were not made as the commit has them, blind what could
	// not be read.
	open  map[desired.ID]bool
	blind []drift.Blind
	// held are single values that were not.
	held map[desired.ID][]desired.Path
}

// newPast tells what a plan left, given what became of its changes; nil stands for
// a change of which nothing is known.
func newPast(commit string, plan *drift.Plan, outcome func(drift.Key) *drift.Outcome) past {
	p := past{commit: commit, open: make(map[desired.ID]bool), held: make(map[desired.ID][]desired.Path)}
	if plan == nil {
		return p
	}
	p.blind = plan.Blind
	for i := range plan.Changes {
		c := &plan.Changes[i]
		o := outcome(c.Key)
		if o == nil || o.Status != drift.Done {
			p.open[c.ID] = true
		}
		for _, f := range c.Fields {
			if f.Held != "" || o != nil && o.Results[f.Path] != "" {
				p.held[c.ID] = append(p.held[c.ID], f.Path)
			}
		}
	}
	return p
}

// settled gives a resource as the turn left it, without the values that it did not
// reach; ok is false where nothing can be said of it.
func (p past) settled(r *desired.Resource) (was *desired.Resource, ok bool) {
	if p.open[r.ID] || slices.ContainsFunc(p.blind, func(b drift.Blind) bool { return b.Covers(r.ID, r.Site) }) {
		return nil, false
	}
	if len(p.held[r.ID]) == 0 {
		return r, true
	}
	without := *r
	without.Set = r.Set.Without(p.held[r.ID]...)
	return &without, true
}

// looksBack is how many commits are read to learn when a resource was last as Git
// had it: each costs loading its manifests.
const looksBack = 4

// previous is the fleet as it was last made true, each resource by the newest
// commit at which it was, to tell whether Git or live has moved since. nil stands
// for nothing known.
func (t *Turner) previous(ctx context.Context, now *source, before checkout.Commit, had bool) *desired.Fleet {
	var resources []*desired.Resource
	told := make(map[desired.ID]bool)
	loaded := make(map[string]*desired.Fleet)
	for p := range t.pasts(ctx, before, had) {
		then := loaded[p.commit]
		if then == nil {
			if len(loaded) == looksBack {
				break
			}
			if then = t.fleetOf(ctx, now, p.commit); then == nil {
				continue
			}
			loaded[p.commit] = then
		}
		for _, r := range then.Resources {
			if was, ok := p.settled(r); ok && !told[r.ID] {
				told[r.ID] = true
				resources = append(resources, was)
			}
		}
		// What the commit did not have, and was not there either, older ones say
		// nothing of.
		for _, r := range now.fleet.Resources {
			if _, ok := p.settled(r); ok && then.Resource(r.ID) == nil {
				told[r.ID] = true
			}
		}
		if !slices.ContainsFunc(now.fleet.Resources, func(r *desired.Resource) bool { return !told[r.ID] }) {
			break
		}
	}
	if len(loaded) == 0 {
		return nil
	}
	return now.fleet.Of(resources)
}

// fleetOf loads the manifests of a commit; nil where that can't be done.
func (t *Turner) fleetOf(ctx context.Context, now *source, hash string) *desired.Fleet {
	if hash == now.commit.Hash {
		return now.fleet
	}
	src, err := t.load(ctx, checkout.Commit{Hash: hash, Path: now.commit.Path})
	if err != nil {
		t.Log.DebugContext(ctx, "an earlier commit can't be read", slog.String("commit", hash), slog.Any("error", err))
		return nil
	}
	return src.fleet
}

// pasts are what the turns before this one left, the newest first, each read when it is
// wanted: mostly the first tells all. before is the commit that had been accepted when
// this one began.
func (t *Turner) pasts(ctx context.Context, before checkout.Commit, had bool) iter.Seq[past] {
	return func(yield func(past) bool) {
		if t.last != nil && !yield(*t.last) {
			return
		}
		// A turn with nothing to do is not written down.
		accepted := t.last == nil && had
		for r, err := range t.Journal.Newest(journal.DefaultKeep) {
			if err != nil {
				t.Log.WarnContext(ctx, "journal can't be read", slog.Any("error", err))
				break
			}
			if accepted && r.Commit != before.Hash && !yield(newPast(before.Hash, nil, nil)) {
				return
			}
			accepted = false
			if !yield(recorded(r)) {
				return
			}
		}
		if accepted {
			yield(newPast(before.Hash, nil, nil))
		}
	}
}

// recorded is what a turn of the journal left.
func recorded(r *journal.Record) past {
	outcomes := make(map[drift.Key]*drift.Outcome)
	plan := r.Plan
	for i := range r.Steps {
		outcomes[r.Steps[i].Key] = r.Steps[i].Outcome
	}
	if rep, err := report.Read(bytes.NewReader(r.Report)); err == nil {
		plan = rep.Plan
		for i := range rep.Outcomes {
			outcomes[rep.Outcomes[i].Key] = &rep.Outcomes[i]
		}
	}
	return newPast(r.Commit, plan, func(k drift.Key) *drift.Outcome { return outcomes[k] })
}

// remember keeps what a turn left.
func (t *Turner) remember(rep *report.Report) {
	outcomes := make(map[drift.Key]*drift.Outcome)
	for i := range rep.Outcomes {
		outcomes[rep.Outcomes[i].Key] = &rep.Outcomes[i]
	}
	left := newPast(rep.Commit.Hash, rep.Plan, func(k drift.Key) *drift.Outcome { return outcomes[k] })
	t.last = &left
}
