// Package trigger is what starts a turn: the poll that finds a new commit or a change
// behind the agent's back, the sweep, a schedule, a signal, a command, a hook, an unlock,
// the end of a pause.
package trigger

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"berth/agent/internal/trouble"
	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/drift/report"
)

// Work is what a loop does, and when: all that settings decide.
type Work struct {
	// Turn makes one turn.
	Turn func(ctx context.Context, req turn.Request) (*report.Report, error)
	// Tip is the newest commit's hash.
	Tip func(ctx context.Context) (string, error)
	// Look tells what has changed behind the agent's back since the last turn; "" is
	// nothing. nil is never asked.
	Look func(ctx context.Context) string
	// Retry is when something that failed may be tried again; zero is never.
	Retry func() time.Time
	// Paused is why nothing may be changed, and when that ends by itself, zero if it does
	// not; nil is that all may. Turns look and report then. A nil Paused never is.
	Paused func() (until time.Time, err error)
	// Poll is how often Git is asked for a new commit, and Look for changes; Sweep how
	// often everything is looked at. A poll comes up to a tenth earlier or later, so
	// that many agents don't ask at once.
	Poll, Sweep time.Duration
	// Settle is how long after a turn began that somebody started the next such may begin
	// at the earliest: all that is wanted meanwhile is done in one. Zero waits for nothing.
	Settle time.Duration
	// SweepAt is when everything is looked at besides.
	SweepAt []Schedule
	// Why is what the first turn is made for; "" is "start".
	Why string
	// NextID makes the id of a turn that is to come; nil makes none.
	NextID func() string
	// Alive, if set, is called every minute or more often while no turn is made, as a
	// sign of life.
	Alive func()
	// Now is the host's clock, which may be set; nil is [time.Now].
	Now func() time.Time
	Log *slog.Logger
}

// Schedule tells when something comes first after a time; zero is never.
type Schedule interface {
	Next(after time.Time) time.Time
}

// Loop makes turns, one after the other, for as long as it runs. Who asks it for one is
// not forgotten between two runs.
type Loop struct {
	Work

	queue *queue
	// deaf is that Git can't be asked, broken that no turn can be made.
	deaf, broken trouble.Ongoing

	mu      sync.Mutex
	at      time.Time // of the turn that comes by itself
	why     string
	silence string // why Git can't be asked; "" if it can
}

// New makes a loop ready to be asked.
func New(w Work) *Loop {
	return &Loop{Work: w, queue: &queue{ready: make(chan struct{}, 1)}}
}

// Next tells when a turn is made if nothing happens before, and why: "sweep", "retry" or
// "resumed". It is zero until the first turn is over.
func (l *Loop) Next() (at time.Time, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at, l.why
}

// Deaf tells since when polls can't ask Git, and why; zero while they can.
func (l *Loop) Deaf() (since time.Time, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deaf.Since(), l.silence
}

func (l *Loop) paused() (until time.Time, err error) {
	if l.Paused == nil {
		return time.Time{}, nil
	}
	return l.Paused()
}

func (l *Loop) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// running is one run of a loop.
type running struct {
	*Loop
	clock
	poller
	// tried is the newest commit that a turn has tried to enforce.
	tried string
	// rested tells that the last turn was made during a pause.
	rested bool
	// settled is when the next turn that somebody has started may begin.
	settled time.Time
}

// Run makes turns until ctx is done, the first at once, or until somebody calls
// [Loop.Reload], of which it tells: what it does may be changed then, and it may be run
// again.
func (l *Loop) Run(ctx context.Context) (reload bool) {
	r := &running{Loop: l, poller: poller{done: make(chan string, 1)}}
	r.alarm = time.NewTimer(time.Hour)
	defer r.alarm.Stop()
	r.timer = time.NewTimer(l.jitter())
	defer r.timer.Stop()
	why := l.Why
	if why == "" {
		why = "start"
	}
	l.queue.reloads() // What is read now is as new as can be.
	l.queue.wake()    // Somebody may have asked between two runs.
	r.make(ctx, turn.Request{Mode: report.Run, Why: why})
	for {
		switch {
		case ctx.Err() != nil:
			r.hush()
			l.queue.stop()
			return false
		case l.queue.reloads():
			r.hush()
			return true
		}
		if l.Alive != nil {
			l.Alive()
		}
		if why, full := r.due(ctx); why != "" {
			req := turn.Request{Mode: report.Run, Why: why, Quick: !full}
			if s := r.begun(); s != nil {
				req.ID, req.Why = s.id, s.why()
			}
			r.make(ctx, req)
			continue
		}
		r.arm()
		select {
		case <-ctx.Done():
		case <-r.alarm.C:
			r.serve(ctx)
		case <-l.queue.ready:
			r.serve(ctx)
		case <-r.timer.C:
			r.timer.Reset(l.jitter())
			r.ask(ctx)
		case why := <-r.done:
			r.end()
			if why != "" {
				r.make(ctx, turn.Request{Mode: report.Run, Why: why, Quick: why != commit})
			}
		}
	}
}

// begun is what was started, and is to be made by the turn with which a pause ends: that
// looks at everything, and whoever has ended the pause was given that turn's id.
func (r *running) begun() *started {
	if _, err := r.paused(); err != nil || !r.rested {
		return nil
	}
	return r.queue.begin()
}

// serve makes the turn that was asked for first.
func (r *running) serve(ctx context.Context) {
	now := time.Now()
	s, o := r.queue.take(!now.Before(r.settled))
	switch {
	case o != nil:
		if _, err := r.paused(); err != nil && o.req.Mode == report.Run {
			o.end(nil, err)
			return
		}
		ctx = applyers.InTurn(ctx, o.Turn)
		o.end(r.one(ctx, o.req))
		if o.err != nil && !o.attended && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "turn failed", slog.Any("error", o.err))
		}
	case s != nil:
		r.settled = now.Add(r.Settle)
		r.make(ctx, turn.Request{Mode: report.Run, Why: s.why(), ID: s.id, Quick: !s.whole})
	}
}

// make makes a turn that nobody waits for.
func (r *running) make(ctx context.Context, req turn.Request) {
	if _, err := r.paused(); err != nil {
		req.Mode, req.Paused = report.Drift, true
	}
	// However many quick turns there are, all is looked at as often as sweeps do.
	req.Quick = req.Quick && !r.swept()
	if req.ID == "" && r.NextID != nil {
		req.ID = r.NextID()
	}
	ctx = applyers.InTurn(ctx, req.ID)
	r.Log.DebugContext(ctx, "turn begins", slog.String("why", req.Why))
	_, err := r.one(ctx, req)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.tried = ""
		if told, due := r.broken.Due(time.Now(), err.Error()); due {
			r.Log.ErrorContext(ctx, "turn failed", slog.Any("error", err), slog.Time("since", told.Since), slog.Int("times", told.Times))
		}
	default:
		if told, news := r.broken.Over(); news {
			r.Log.InfoContext(ctx, "turns succeed again", slog.Time("since", told.Since), slog.Int("failed", told.Times))
		}
	}
}

// one makes a turn, and keeps what it says of when the next is due. No poll is in its
// way.
func (r *running) one(ctx context.Context, req turn.Request) (*report.Report, error) {
	cut := r.hush()
	if ctx.Err() != nil {
		return nil, ErrStopping
	}
	began := r.moment()
	rep, err := r.Turn(ctx, req)
	r.last = r.moment()
	own := req.Mode == report.Run || req.Paused
	if own && len(req.Only) == 0 {
		r.rested = req.Paused
		if !req.Quick {
			r.full, r.cron = began, began.wall
		}
	}
	// A plan that has changed comes with a report, and nothing of it was tried.
	if own && err == nil {
		r.tried = seen(rep)
	}
	if cut && (!own || err != nil) {
		r.timer.Reset(time.Second) // What it would have found is still to be found.
	}
	return rep, err
}

// Untrusted is how a commit is called whose signature is not taken: another than the same
// commit once it is, or once that is for another reason, as when a tag comes that is not
// taken either.
func Untrusted(hash, why string) string { return hash + " untrusted: " + why }

// seen is the newest commit that a turn looked at, refused ones included.
func seen(rep *report.Report) string {
	if rep.Refused != nil && !rep.Refused.Unreachable() {
		if rep.Refused.Signature != nil {
			return Untrusted(rep.Refused.Commit.Hash, rep.Refused.Reason)
		}
		return rep.Refused.Commit.Hash
	}
	return rep.Commit.Hash
}
