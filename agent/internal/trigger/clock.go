package trigger

import (
	"context"
	"log/slog"
	"time"
)

const (
	// lookEvery is how long nobody looks at the clock at most: it may be set, and a
	// machine that slept comes back at another time.
	lookEvery = time.Minute
	// strange is how far the clock may go another way than time does before it is told.
	strange = time.Minute
	// breath is between a turn and one that goes on with what it left.
	breath = time.Second
)

// moment is a time as it passes, which no clock that is set moves, and as the host's
// clock shows it.
type moment struct{ passed, wall time.Time }

// clock is what comes by itself.
type clock struct {
	alarm *time.Timer
	// full is when the last turn began that looked at everything, last when the last one
	// ended, looked when somebody looked at the clock.
	full, last, looked moment
	// cron is the wall's time up to which schedules have come.
	cron time.Time
}

func (r *running) moment() moment { return moment{time.Now(), r.now().Round(0)} }

// swept tells whether a sweep is due: by the time that has passed, or by the clock of a
// machine that slept.
func (r *running) swept() bool { return r.untilSweep(r.moment()) <= 0 }

func (r *running) untilSweep(now moment) time.Duration {
	return r.Sweep - max(now.passed.Sub(r.full.passed), now.wall.Sub(r.full.wall))
}

// scheduled is when a schedule comes next, which is in the past if none has heeded it;
// zero is never.
func (r *running) scheduled(now moment) (next time.Time) {
	if r.cron.After(now.wall) {
		r.cron = now.wall // The clock was set back.
	}
	for _, s := range r.SweepAt {
		if at := s.Next(r.cron); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// due tells why a turn is due by the clock, and whether it looks at everything; "" is
// that none is.
func (r *running) due(ctx context.Context) (why string, full bool) {
	now := r.moment()
	r.heed(ctx, now)
	_, err := r.paused()
	at := r.scheduled(now)
	switch {
	case r.rested && err == nil:
		return "resumed", true
	case r.untilSweep(now) <= 0, !at.IsZero() && !at.After(now.wall):
		return "sweep", true
	case err == nil && r.untilRetry(now) <= 0:
		return "retry", false
	}
	return "", false
}

// never is longer than any loop waits.
const never = time.Duration(1<<63 - 1)

func (r *running) untilRetry(now moment) time.Duration {
	if r.Retry == nil {
		return never
	}
	at := r.Retry()
	if at.IsZero() {
		return never
	}
	return max(at.Sub(r.now()), breath-now.passed.Sub(r.last.passed))
}

// arm sets the alarm to what comes next, and notes what that is.
func (r *running) arm() {
	now := r.moment()
	wait, why := r.untilSweep(now), "sweep"
	sooner := func(than time.Duration, other string) {
		if than < wait {
			wait, why = than, other
		}
	}
	if at := r.scheduled(now); !at.IsZero() {
		sooner(at.Sub(now.wall), "sweep")
	}
	if until, err := r.paused(); err == nil {
		sooner(r.untilRetry(now), "retry")
	} else if !until.IsZero() {
		sooner(until.Sub(now.wall), "resumed")
	}
	r.mu.Lock()
	r.at, r.why = now.wall.Add(wait), why
	r.mu.Unlock()
	if r.queue.waits() {
		wait = min(wait, r.settled.Sub(now.passed))
	}
	r.alarm.Reset(min(max(wait, 0), lookEvery))
}

// heed tells of a clock that went another way than time did.
func (r *running) heed(ctx context.Context, now moment) {
	was := r.looked
	r.looked = now
	by := now.wall.Sub(was.wall) - now.passed.Sub(was.passed)
	if was.passed.IsZero() || by.Abs() < strange {
		return
	}
	r.Log.WarnContext(ctx, "the clock was set, or this machine slept", slog.Duration("by", by), slog.Time("now", now.wall))
}
