// Package turn is one turn of the loop: check out, load, observe, plan, guard,
// apply, verify, report. A dry run is the same turn, not applied.
package turn

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"berth/agent/internal/checkout"
	"berth/agent/internal/history"
	"berth/agent/internal/journal"
	"berth/agent/internal/trouble"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
	"berth/drift/routes"
)

// Repository is where the manifests come from; see [checkout.Repo].
type Repository interface {
	Fetch(ctx context.Context) (checkout.Commit, error)
	Accepted() (checkout.Commit, bool)
	Accept(ctx context.Context, c checkout.Commit) error
	AcceptSource()
	Tree(ctx context.Context, c checkout.Commit) (fs.FS, error)
	Parent(ctx context.Context, c checkout.Commit) (parent checkout.Commit, ok bool, err error)
}

// Appliers makes the appliers for one turn: fleet is what it is about, files is
// the tree of the commit that is enforced. Counted tells how many requests they have made, by method.
type Appliers func(fleet *desired.Fleet, files fs.FS) (all []applyers.Applyer, counted func() map[string]int, err error)

// Turner makes turns, one at a time.
type Turner struct {
	Repository Repository
	Appliers   Appliers
	// Proposal makes the appliers for the turn of a [Request.Commit]: fleet and files are
	// those of the commit that is enforced, whose secrets they read; what is proposed
	// they are only given to compare with. They run no playbooks, and reach nothing but
	// what is told of them. nil plans no proposals.
	Proposal Appliers
	// Journal holds what is done, History what happened to each resource; that may be
	// nil.
	Journal *journal.Journal
	History *history.History
	Log     *slog.Logger
	Now     func() time.Time
	// Surroundings, if set, tell on which guests the agent itself depends.
	Surroundings *Surroundings
	// Once is set where one turn is all that is made.
	Once bool
	// Planned, if set, is told what a turn is about to do, before its first step, and
	// comes back at once.
	Planned func(req Request, rep *report.Report)
	// Paused, if set, tells why nothing may be changed; nil is that all may.
	Paused func() error
	// Events, if set, is told what happens while a plan is applied.
	Events func(applyers.Event)
	// Alive, if set, is called now and then while a plan is applied, as a sign of life.
	Alive func()

	backoff backoff
	loaded  []*source // the commits that were loaded last, the newest first
	permits permits   // what the history says of approvals
	loader  desired.Loader
	tried   string
	// refusals are those of the newest commit, told once.
	refusals trouble.Ongoing
	deaf     time.Time // when the repository could not be asked first; zero while it can
	last     *past     // what the last turn left; nil before the first
	again    again     // a turn left more to do
	broken   again     // no turn could be made
	// opens is when a window opens that something waits for; zero if nothing does.
	opens time.Time
	// comes is when a schedule makes something due; zero if none does.
	comes time.Time
	// enforced is the fleet of the last turn, for those who ask between turns.
	enforced atomic.Pointer[desired.Fleet]
	// urged are those whose waits the next turn forgets.
	urged urged
	// said is what the last turn left undone, and logged.
	said map[aloud]bool
	// watched is what Look compares with; nil before the first turn. knocked are the
	// sites that it took to be back, dark is when it may do so again.
	watched *watch
	known   atomic.Pointer[Known]
	knocked map[string]bool
	dark    again
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
	// Only, if set, are the resources that the turn is about, as vm/web-1, play/base,
	// project/shop or site/home: all else is held, and left out of the report.
	Only []string
	// Run are playbooks to run whether they are due or not. They stay asked for until
	// they have come to a good end.
	Run []Asking
	// Paused is a turn that would be made by itself, and changes nothing as long as the
	// agent is paused: of Mode [report.Drift].
	Paused bool
	// Quick spares what is dear to look at, as [applyers.Scope] says.
	Quick bool
	// Routes puts the routes of the edges into the report.
	Routes bool
	// Commit, if set, is a branch, a tag, a full hash or a reference by its full name:
	// the turn tells what that would change, were it merged. The Mode is [report.Drift];
	// nothing is accepted, remembered, or counted as drift.
	Commit string
	// Explain, if set, is a resource of which the report tells all that is known.
	Explain desired.ID
	// Why says for the log what the turn is made for; "" if somebody asked for it.
	Why string
	// ID is the turn's, from [journal.Journal.NextID]; "" makes one.
	ID string
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

// release lets go of what appliers have kept open for a turn.
func (t *Turner) release(ctx context.Context, all []applyers.Applyer) {
	for _, a := range all {
		c, ok := a.(io.Closer)
		if !ok {
			continue
		}
		if err := c.Close(); err != nil {
			t.Log.DebugContext(ctx, "connection did not end well", slog.Any("error", err))
		}
	}
}

// Run makes one turn. The report is never nil where the error is a
// [PlanChangedError] or nil; another error means that no plan could be made at
// all. Cancelling ctx lets begun steps come to their end and begins no more.
func (t *Turner) Run(ctx context.Context, req Request) (*report.Report, error) {
	if req.ID == "" {
		req.ID = t.Journal.NextID()
	}
	ctx = applyers.InTurn(ctx, req.ID)
	if req.Commit != "" {
		return t.proposalInTime(ctx, req)
	}
	if req.own() {
		log := t.Journal.StartLog(req.ID)
		defer log.Close()
	}
	rep, only, err := t.run(ctx, req)
	if req.own() {
		t.record(ctx, req, rep, only, err)
	}
	if req.Mode == report.Run {
		t.backoff.rest(t.Now())
		if err == nil && rep.Error == "" && rep.Plan != nil {
			t.remember(rep)
		}
	}
	if req.own() {
		t.broken.learn(err != nil && !Mistaken(err) && ctx.Err() == nil, t.Now())
	}
	if only != nil && rep != nil {
		only.answer(rep)
	}
	return rep, err
}

func (t *Turner) run(ctx context.Context, req Request) (rep *report.Report, only *narrowed, err error) {
	started := t.Now()
	rep = &report.Report{Version: report.Version, Turn: req.ID, Mode: req.Mode, Started: started}
	if req.AcceptSource {
		t.Repository.AcceptSource()
	}
	before, had := t.Repository.Accepted()
	src, err := t.checkOut(ctx, req, rep)
	if err != nil {
		return nil, nil, err
	}
	if req.Afresh && len(req.Only) == 0 || t.tried != src.commit.Hash {
		t.backoff = backoff{}
		t.tried = src.commit.Hash
	}
	if err := t.spend(ctx, src); err != nil {
		return nil, nil, err
	}
	t.enforced.Store(src.fleet)
	if req.Mode == report.Run && rep.Refused == nil {
		t.tend(ctx, src.fleet)
	}
	if err := t.ask(src.fleet, req); err != nil {
		return nil, nil, err
	}
	t.hurry()
	all, counted, err := t.Appliers(src.fleet, src.files)
	if err != nil {
		return nil, nil, err
	}
	defer t.release(ctx, all)
	kinds := applyers.ByKind(all...)
	if req.Mode == report.Run {
		if err := t.resume(ctx, kinds, src.fleet); err != nil {
			return nil, nil, err
		}
	}
	previous := t.previous(ctx, src, before, had)
	if t.Once {
		// What the next load would go by is let go of before the guests are read.
		t.loader = desired.Loader{}
	}
	observed := observe(ctx, all, src.fleet, previous, applyers.Scope{Quick: req.Quick, Whole: req.Explain})
	observed.Notes = append(observed.Notes, goneSites(src.fleet, previous)...)
	observed.Notes = append(observed.Notes, movedEdges(src.fleet, previous)...)
	if ctx.Err() != nil {
		return nil, nil, applyers.ErrLeft
	}
	if only, err = narrow(req.Only, src.fleet, previous, observed.Lives); err != nil {
		return nil, nil, err
	}
	if only != nil && req.Afresh {
		t.backoff.forget(only)
	}
	input := drift.Input{
		Commit: src.commit.Hash, Fleet: src.fleet, Previous: previous, Observed: observed, Now: t.Now(),
		Steps:  applyers.StepsByKind(kinds),
		Guards: t.guards(ctx, src, previous, req, only),
	}
	rep.Plan, err = drift.Make(input)
	if err != nil {
		return nil, nil, fmt.Errorf("plan: %w", err)
	}
	t.know(&input)
	if req.Mode == report.Run {
		t.awaits(only, input.Now, rep.Plan.Opens(input.World()), observed.Comes)
	}
	if req.Routes {
		rep.Routes = routes.Of(src.fleet, input.World(), rep.Plan)
	}
	if req.Explain != "" {
		if rep.Explained, err = t.explain(ctx, req.Explain, &input, rep.Plan); err != nil {
			return nil, nil, err
		}
	}
	finish := func() {
		rep.Ended, rep.Paused = t.Now(), t.rests()
		rep.Stats = stats(counted(), rep.Ended.Sub(started))
		rep.Summarize()
	}
	if req.Plan != "" && req.Plan != rep.Plan.Digest {
		finish()
		return rep, only, &PlanChangedError{Asked: req.Plan, Now: rep.Plan.Digest}
	}
	if req.Mode == report.Run && rep.Plan.Go() {
		if t.Planned != nil {
			t.Planned(req, rep)
		}
		if err := t.apply(ctx, req, rep, src, kinds, input, finish); err != nil {
			return nil, nil, err
		}
		t.keep(src.fleet, all, counted, rep)
		return rep, only, nil
	}
	finish()
	if req.own() {
		t.keep(src.fleet, all, counted, rep)
	}
	if req.Mode == report.Run && only == nil {
		t.again = again{}
	}
	t.ended(ctx, req, rep)
	return rep, only, nil
}

// ended is the one line that a turn leaves in the log, beside those about what it did
// and what it left undone. It counts resources, as the report does.
func (t *Turner) ended(ctx context.Context, req Request, rep *report.Report) {
	if req.Mode == report.Run && len(req.Only) == 0 {
		t.aloud(ctx, rep)
	}
	differ := make(map[desired.ID]bool)
	for i := range rep.Plan.Changes {
		differ[rep.Plan.Changes[i].ID] = true
	}
	s := rep.Summary
	t.Log.InfoContext(ctx, "turn ended",
		slog.String("mode", string(rep.Mode)), slog.String("why", req.why()), slog.String("commit", report.ShortHash(rep.Commit.Hash)),
		slog.Int("changes", len(differ)), slog.Int("failed", s.Failed), slog.Int("held", s.Held), slog.Int("unknown", s.Unknown),
		slog.Int("requests", total(rep.Stats.Requests)), slog.Int("writes", rep.Stats.Writes), slog.Duration("duration", rep.Stats.Duration))
}

func total(requests map[string]int) int {
	sum := 0
	for _, n := range requests {
		sum += n
	}
	return sum
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
