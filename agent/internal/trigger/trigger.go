// Package trigger is what starts a turn: the poll that finds a new commit or a change
// behind the agent's back, the sweep, a signal, a command, a hook, an unlock.
package trigger

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/drift/report"
)

// Loop makes turns, one after the other, for as long as it runs.
type Loop struct {
	// Turn makes one turn.
	Turn func(ctx context.Context, req turn.Request) (*report.Report, error)
	// Tip is the newest commit's hash.
	Tip func(ctx context.Context) (string, error)
	// Look tells what has changed behind the agent's back since the last turn; "" is
	// nothing. nil is never asked.
	Look func(ctx context.Context) string
	// Retry is when something that failed may be tried again; zero is never.
	Retry func() time.Time
	// Poll is how often Git is asked for a new commit, and Look for changes; Sweep how
	// often everything is looked at. A poll comes up to a tenth earlier or later, so
	// that many agents don't ask at once.
	Poll, Sweep time.Duration
	// Settle is how long after a turn began that somebody started the next such may begin
	// at the earliest: all that is wanted meanwhile is done in one. Zero waits for nothing.
	Settle time.Duration
	// Nudge starts a turn; nil is allowed. (Signals.)
	Nudge <-chan struct{}
	// NextID makes the id of a turn that is to come; nil makes none.
	NextID func() string
	Log    *slog.Logger

	asked  chan asked
	queue  *queue
	future *future
}

type asked struct {
	req    turn.Request
	answer chan<- answer
}

type answer struct {
	report *report.Report
	err    error
}

// New makes a loop ready to be asked.
func New(l Loop) *Loop {
	l.asked = make(chan asked)
	l.queue = &queue{ready: make(chan struct{}, 1)}
	l.future = &future{}
	return &l
}

// ErrStopping is the answer to whoever asks a loop that is coming to its end.
var ErrStopping = errors.New("the agent is stopping")

// Ask makes a turn between the others and waits for its report.
func (l *Loop) Ask(ctx context.Context, req turn.Request) (*report.Report, error) {
	ch := make(chan answer, 1)
	select {
	case l.asked <- asked{req: req, answer: ch}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-ch:
		return a.report, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Run makes turns until ctx is done, the first at once.
func (l *Loop) Run(ctx context.Context) {
	tried := l.turn(ctx, turn.Request{Mode: report.Run, Why: "start"})
	sweep := time.NewTimer(l.Sweep)
	swept := time.Now()
	thorough := swept
	defer sweep.Stop()
	poll := time.NewTimer(l.jitter())
	defer poll.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	settled := time.NewTimer(0)
	defer settled.Stop()
	ready := l.queue.ready
	for ctx.Err() == nil {
		l.plan(retry, swept.Add(l.Sweep))
		why, id, quick := "", "", false
		select {
		case <-ctx.Done():
			return
		case a := <-l.asked:
			if ctx.Err() != nil {
				a.answer <- answer{err: ErrStopping}
				return
			}
			rep, err := l.Turn(ctx, a.req)
			a.answer <- answer{report: rep, err: err}
			// A plan that has changed comes with a report, and nothing of it was tried.
			if err == nil && a.req.Mode == report.Run {
				tried = seen(rep)
			}
		case <-l.Nudge:
			why = "signal"
		case <-ready:
			why, id, quick = l.queue.take()
			if l.Settle > 0 {
				ready = nil
				settled.Reset(l.Settle)
			}
		case <-settled.C:
			ready = l.queue.ready
		case <-sweep.C:
			why = "sweep"
		case <-retry.C:
			why, quick = "retry", true
		case <-poll.C:
			poll.Reset(l.jitter())
			why = l.poll(ctx, tried)
			quick = why != commit
		}
		if why != "" && ctx.Err() == nil {
			// However many quick turns there are, all is looked at as often as sweeps do.
			if quick = quick && time.Since(thorough) < l.Sweep; !quick {
				thorough = time.Now()
			}
			tried = l.turn(ctx, turn.Request{Mode: report.Run, Why: why, ID: id, Quick: quick})
			sweep.Reset(l.Sweep)
			swept = time.Now()
		}
	}
}

// commit is why a turn is due where Git has a new one.
const commit = "commit"

// poll asks Git for a commit that was not tried yet and, where there is none, for
// changes elsewhere: a turn for a commit finds those as well. It tells why a turn is
// due; "" is that none is.
func (l *Loop) poll(ctx context.Context, tried string) (why string) {
	tip, err := l.Tip(ctx)
	switch {
	case ctx.Err() != nil:
		// Told to stop: no poll has failed.
		return ""
	case err != nil:
		l.Log.WarnContext(ctx, "poll failed", slog.Any("error", err))
	case tip != tried:
		return commit
	}
	if l.Look == nil {
		return ""
	}
	return l.Look(ctx)
}

// turn makes one turn, and tells the newest commit that it saw.
func (l *Loop) turn(ctx context.Context, req turn.Request) string {
	if req.ID == "" && l.NextID != nil {
		req.ID = l.NextID()
	}
	ctx = applyers.InTurn(ctx, req.ID)
	l.Log.DebugContext(ctx, "turn begins", slog.String("why", req.Why))
	rep, err := l.Turn(ctx, req)
	if err != nil {
		if ctx.Err() == nil {
			l.Log.ErrorContext(ctx, "turn failed", slog.Any("error", err))
		}
		return ""
	}
	return seen(rep)
}

// seen is the newest commit that a turn looked at, refused ones included.
func seen(rep *report.Report) string {
	if rep.Refused != nil && rep.Refused.Commit.Hash != "" {
		return rep.Refused.Commit.Hash
	}
	return rep.Commit.Hash
}

// plan sets the timer to when something that failed may be tried again, and notes
// which turn comes next.
func (l *Loop) plan(retry *time.Timer, sweep time.Time) {
	retry.Stop()
	at := time.Time{}
	if l.Retry != nil {
		at = l.Retry()
	}
	if at.IsZero() {
		l.future.note(sweep, "sweep")
		return
	}
	wait := max(time.Until(at), time.Second)
	retry.Reset(wait)
	if again := time.Now().Add(wait); again.Before(sweep) {
		l.future.note(again, "retry")
	} else {
		l.future.note(sweep, "sweep")
	}
}

func (l *Loop) jitter() time.Duration {
	return l.Poll + time.Duration((rand.Float64()-0.5)*0.2*float64(l.Poll)) //nolint:gosec // Jitter is no secret.
}
