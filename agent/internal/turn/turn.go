// Package turn is one turn of the loop: check out, load, observe, plan, guard,
// apply, verify, report. A dry run is the same turn, not applied.
package turn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"berth/agent/internal/checkout"
	"berth/agent/internal/journal"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// Repository is where the manifests come from; see [checkout.Repo].
type Repository interface {
	Fetch(ctx context.Context) (checkout.Commit, error)
	Accepted() (checkout.Commit, bool)
	Accept(ctx context.Context, c checkout.Commit) error
	AcceptSource()
	Tree(ctx context.Context, c checkout.Commit) (fs.FS, error)
}

// Appliers makes the appliers for one turn: files is the tree of the commit
// that is enforced. Counted tells how many requests they have made, by method.
type Appliers func(files fs.FS) (all []applyers.Applyer, counted func() map[string]int, err error)

// Turner makes turns, one at a time.
type Turner struct {
	Repository Repository
	Appliers   Appliers
	// Journal holds what is done.
	Journal *journal.Journal
	Log     *slog.Logger
	Now     func() time.Time
	// Watch, if set, is told what happens while a plan is applied.
	Watch func(applyers.Event)

	backoff backoff
	tried   string
	again   again // a turn left more to do
	broken  again // no turn could be made
}

// Request asks for a turn.
type Request struct {
	// Mode is [report.Drift], to say what would be done, or [report.Run], to do it.
	Mode report.Mode
	// Plan, if set, is the digest of the only plan to apply.
	Plan string
	// AcceptSource takes commits from another source than the last accepted one,
	// and holds destructive steps for this turn.
	AcceptSource bool
	// Afresh forgets the waits of resources that have failed. A plan that was
	// looked at holds them: asking for it does not.
	Afresh bool
}

// PlanChangedError says that the plan that was asked for is not the plan that
// would be applied now. Nothing was done.
type PlanChangedError struct {
	Asked, Now string
}

// Error says what to do.
func (e *PlanChangedError) Error() string {
	return fmt.Sprintf("the plan is now %s, not %s: nothing was done; look at `agent drift` again", e.Now, e.Asked)
}

// Run makes one turn. The report is never nil where the error is a
// [PlanChangedError] or nil; another error means that no plan could be made at
// all. Cancelling ctx lets begun steps come to their end and begins no more.
func (t *Turner) Run(ctx context.Context, req Request) (*report.Report, error) {
	rep, err := t.run(ctx, req)
	if req.Mode == report.Run {
		_, changed := errors.AsType[*PlanChangedError](err)
		t.broken.learn(err != nil && !changed && ctx.Err() == nil, t.Now())
		t.backoff.rest(t.Now())
	}
	return rep, err
}

func (t *Turner) run(ctx context.Context, req Request) (*report.Report, error) {
	started := t.Now()
	rep := &report.Report{Version: report.Version, Turn: t.Journal.NextID(), Mode: req.Mode, Started: started}
	if req.AcceptSource {
		t.Repository.AcceptSource()
	}
	src, err := t.checkOut(ctx, req, rep)
	if err != nil {
		return nil, err
	}
	if req.Afresh || t.tried != src.commit.Hash {
		t.backoff = backoff{}
		t.tried = src.commit.Hash
	}
	all, counted, err := t.Appliers(src.files)
	if err != nil {
		return nil, err
	}
	kinds := applyers.ByKind(all...)
	if req.Mode == report.Run {
		if err := t.resume(ctx, kinds, src.fleet); err != nil {
			return nil, err
		}
	}
	previous := t.previous(ctx, src)
	observed := observe(ctx, all, src.fleet, previous)
	if ctx.Err() != nil {
		return nil, applyers.ErrLeft
	}
	input := drift.Input{
		Commit: src.commit.Hash, Fleet: src.fleet, Previous: previous, Observed: observed,
		Steps:  applyers.StepsByKind(kinds),
		Guards: t.guards(src, previous, req),
	}
	rep.Plan, err = drift.Make(input)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	finish := func() {
		rep.Ended = t.Now()
		rep.Stats = stats(counted(), rep.Ended.Sub(started))
		rep.Summarize()
	}
	if req.Plan != "" && req.Plan != rep.Plan.Digest {
		finish()
		return rep, &PlanChangedError{Asked: req.Plan, Now: rep.Plan.Digest}
	}
	if req.Mode == report.Run && rep.Plan.Go() {
		if err := t.apply(ctx, rep, src, kinds, input, finish); err != nil {
			return nil, err
		}
		return rep, nil
	}
	finish()
	t.again = again{}
	t.ended(rep)
	return rep, nil
}

// ended is the one line that a turn leaves in the log.
func (t *Turner) ended(rep *report.Report) {
	s := rep.Summary
	t.Log.Info("turn ended",
		slog.String("turn", rep.Turn), slog.String("mode", string(rep.Mode)), slog.String("commit", short(rep.Commit.Hash)),
		slog.Int("changes", len(rep.Plan.Changes)), slog.Int("failed", s.Failed), slog.Int("held", s.Held), slog.Int("unknown", s.Unknown),
		slog.Int("requests", total(rep.Stats.Requests)), slog.Int("writes", rep.Stats.Writes), slog.Duration("duration", rep.Stats.Duration))
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

func total(requests map[string]int) int {
	sum := 0
	for _, n := range requests {
		sum += n
	}
	return sum
}

// source is what a turn enforces: the newest commit, or the last good one.
type source struct {
	commit checkout.Commit
	files  fs.FS
	fleet  *desired.Fleet
	// tip is the newest commit's hash, be it enforced or refused; "" if the
	// repository could not be asked.
	tip string
}

// checkOut finds the commit to enforce. A newer one that can't be had, is
// refused or does not load is told in the report, and the last good one stays.
func (t *Turner) checkOut(ctx context.Context, req Request, rep *report.Report) (*source, error) {
	accepted, has := t.Repository.Accepted()
	tip, err := t.Repository.Fetch(ctx)
	if err == nil {
		var src *source
		if src, err = t.load(ctx, tip); err == nil {
			if req.Mode == report.Run {
				if err := t.Repository.Accept(ctx, tip); err != nil {
					return nil, fmt.Errorf("accept commit %s: %w", tip.Short(), err)
				}
			}
			describe(rep, src)
			return src, nil
		}
	}
	if ctx.Err() != nil {
		return nil, applyers.ErrLeft
	}
	if !has || errors.Is(err, checkout.ErrSourceChanged) {
		return nil, err
	}
	rep.Refused = refusal(tip, err)
	tip.Hash = rep.Refused.Commit.Hash
	t.Log.WarnContext(ctx, "commit refused", slog.String("turn", rep.Turn), slog.String("commit", tip.Short()),
		slog.String("enforced", accepted.Short()), slog.Any("error", err))
	src, loadErr := t.load(ctx, accepted)
	if loadErr != nil {
		return nil, fmt.Errorf("%w\nand the last good commit %s can't be used either: %w", err, accepted.Short(), loadErr)
	}
	src.tip = tip.Hash
	describe(rep, src)
	return src, nil
}

func (t *Turner) load(ctx context.Context, c checkout.Commit) (*source, error) {
	files, err := t.Repository.Tree(ctx, c)
	if err != nil {
		return nil, err
	}
	fleet, err := desired.Load(files)
	if err != nil {
		return nil, err
	}
	return &source{commit: c, files: files, fleet: fleet, tip: c.Hash}, nil
}

// refusal tells why a newer commit is not enforced.
func refusal(tip checkout.Commit, err error) *report.Refusal {
	if rewritten, ok := errors.AsType[*checkout.RewrittenError](err); ok {
		tip = rewritten.Tip
	}
	refused := &report.Refusal{Commit: reportCommit(tip)}
	var problems desired.Problems
	if !errors.As(err, &problems) {
		refused.Reason = err.Error()
		return refused
	}
	refused.Reason = "it does not load"
	for _, p := range problems {
		refused.Problems = append(refused.Problems, p.String())
	}
	return refused
}

func reportCommit(c checkout.Commit) report.Commit {
	return report.Commit{Hash: c.Hash, Subject: c.Subject, Time: c.Time}
}

func describe(rep *report.Report, src *source) {
	rep.Commit = reportCommit(src.commit)
	rep.Fleet = src.fleet.Spec.Name
	rep.Contents = report.ContentsOf(src.fleet)
}

// previous is the fleet of the last commit that was applied whole, to tell
// whether Git or live has moved; nil if it can't be told.
func (t *Turner) previous(ctx context.Context, now *source) *desired.Fleet {
	hash, ok := t.applied()
	switch {
	case !ok:
		return nil
	case hash == now.commit.Hash:
		return now.fleet
	}
	src, err := t.load(ctx, checkout.Commit{Hash: hash, Path: now.commit.Path})
	if err != nil {
		t.Log.DebugContext(ctx, "last applied commit can't be read", slog.String("commit", hash), slog.Any("error", err))
		return nil
	}
	return src.fleet
}

// looksBack is how many turns the last whole one is looked for in.
const looksBack = 20

// applied is the commit of the newest turn that left no difference.
func (t *Turner) applied() (hash string, ok bool) {
	records, err := t.Journal.Last(looksBack)
	if err != nil {
		t.Log.Warn("journal can't be read", slog.Any("error", err))
		return "", false
	}
	for _, r := range records {
		rep, err := report.Read(bytes.NewReader(r.Report))
		if err == nil && rep.Error == "" && !rep.Differs() {
			return r.Commit, true
		}
	}
	return "", false
}

// guards are what every plan passes.
func (t *Turner) guards(src *source, previous *desired.Fleet, req Request) []drift.Guard {
	guards := []drift.Guard{
		drift.Ownership(), drift.Protection(), drift.Unknown(), drift.Routed(),
		drift.Amount(src.fleet.Spec.Guards.Deletes), renumbered(src.fleet, previous),
	}
	if req.AcceptSource {
		guards = append(guards, newSource)
	}
	return append(guards, t.backoff.guard(t.Now()))
}

// newSource holds destructive steps in the turn that takes another repository,
// branch or path: what is missing there may only be missing by mistake.
func newSource(_ *drift.World, p *drift.Plan) {
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Step.Destructive() && c.Held == "" {
			c.Held = "the manifests come from another source than before: look at `agent drift`, the next turn does it"
		}
	}
}

// renumbered holds the making of a guest that had another VMID in the last applied
// commit: that one may be there and not be seen, and then it would be made twice.
func renumbered(fleet, previous *desired.Fleet) drift.Guard {
	return func(_ *drift.World, p *drift.Plan) {
		if previous == nil {
			return
		}
		for i := range p.Changes {
			c := &p.Changes[i]
			now, was := fleet.Guest(c.ID), previous.Guest(c.ID)
			if c.Step != drift.Create || c.Held != "" || now == nil || was == nil || now.VMID == was.VMID {
				continue
			}
			c.Held = fmt.Sprintf("it had VMID %d in the last applied commit, and a changed VMID is another guest: write id: %d, or remove the manifest in one commit and add it anew in the next",
				was.VMID, was.VMID)
		}
	}
}

// observe asks all appliers at once. One that can say nothing makes its own
// kinds unknown, and no others. An edge that is gone from the manifests is looked
// for where it was: nothing but its former manifest tells where.
func observe(ctx context.Context, all []applyers.Applyer, fleet, previous *desired.Fleet) drift.Observed {
	found := make([]drift.Observed, len(all))
	done := make(chan struct{})
	for i, a := range all {
		go func() {
			defer func() { done <- struct{}{} }()
			var err error
			if found[i], err = a.Observe(ctx, fleet, applyers.Scope{}); err != nil {
				for _, kind := range a.Kinds() {
					found[i].Blind = append(found[i].Blind, drift.Blind{Kind: kind, Reason: err.Error()})
				}
			}
		}()
	}
	for range all {
		<-done
	}
	if gone := goneEdges(fleet, previous); gone != nil {
		for _, a := range all {
			if !slices.Contains(a.Kinds(), desired.KindEdge) {
				continue
			}
			left, err := a.Observe(ctx, gone, applyers.Scope{})
			if err != nil {
				left.Blind = append(left.Blind, drift.Blind{Kind: desired.KindEdge, Reason: err.Error()})
			}
			for _, live := range left.Lives {
				left.Notes = append(left.Notes, drift.Note{ID: live.ID, Text: "gone from Git; nginx goes on by its file: remove that, and reload nginx"})
			}
			found = append(found, left)
		}
	}
	var sum drift.Observed
	for _, o := range found {
		sum.Add(o)
	}
	return sum
}

// goneEdges is a fleet of the edges that the manifests no longer have; nil if there
// are none.
func goneEdges(fleet, previous *desired.Fleet) *desired.Fleet {
	if previous == nil {
		return nil
	}
	gone := &desired.Fleet{Spec: fleet.Spec}
	for _, r := range previous.Resources {
		if r.ID.Kind() == desired.KindEdge && fleet.Resource(r.ID) == nil {
			gone.Resources = append(gone.Resources, r)
		}
	}
	if gone.Resources == nil {
		return nil
	}
	return gone
}

func stats(requests map[string]int, took time.Duration) report.Stats {
	s := report.Stats{Requests: requests, Duration: took}
	for _, method := range slices.Sorted(maps.Keys(requests)) {
		if method != "GET" && method != "HEAD" {
			s.Writes += requests[method]
		}
	}
	return s
}
