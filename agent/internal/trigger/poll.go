package trigger

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// commit is why a turn is due where Git has a new one.
const commit = "commit"

const (
	// longestSilence is how long a server that is busy is left alone at most, unless it
	// asks for more itself.
	longestSilence = 10 * time.Minute
	// jitters is by what part of its length an interval is longer or shorter.
	jitters = 0.1
)

// Busy is an error of a server that is there and has no time: it is left alone for a
// while, which is at least what it asks for.
type Busy interface {
	error
	Busy() (wait time.Duration, busy bool)
}

// poller asks what has changed, beside the loop: whoever asks for a turn does not wait
// for a server that hangs.
type poller struct {
	timer *time.Timer
	done  chan string
	// stop ends the poll that is under way; nil if none is.
	stop context.CancelFunc
	// silent is until when Git is left alone, refused how often in a row it was busy.
	silent  time.Time
	refused int
}

// ask begins a poll, whose answer comes to done.
func (r *running) ask(ctx context.Context) {
	if r.stop != nil {
		return // The last one is still under way.
	}
	ctx, r.stop = context.WithCancel(ctx)
	tried := r.tried
	go func() { r.done <- r.poll(ctx, tried) }()
}

// end notes that a poll's answer has come.
func (p *poller) end() {
	p.stop()
	p.stop = nil
}

// hush ends a poll that is under way, and tells whether one was.
func (p *poller) hush() bool {
	if p.stop == nil {
		return false
	}
	p.stop()
	<-p.done
	p.stop = nil
	return true
}

// poll asks Git for a commit that was not tried yet and, where there is none, for
// changes elsewhere: a turn for a commit finds those as well. It tells why a turn is
// due; "" is that none is.
func (r *running) poll(ctx context.Context, tried string) (why string) {
	if !time.Now().Before(r.silent) {
		tip, err := r.Tip(ctx)
		switch {
		case ctx.Err() != nil:
			// Told to stop: no poll has failed.
			return ""
		case err != nil:
			r.unheard(ctx, err)
		default:
			r.heard(ctx)
			if tip != tried {
				return commit
			}
		}
	}
	if r.Look == nil {
		return ""
	}
	return r.Look(ctx)
}

// unheard tells that Git can't be asked, and leaves it alone if that is why.
func (r *running) unheard(ctx context.Context, err error) {
	told, due := r.deaf.Due(time.Now(), err.Error())
	r.mu.Lock()
	r.silence = err.Error()
	r.mu.Unlock()
	if wait, busy := busyOf(err); busy {
		r.refused++
		own := min(r.Poll<<min(r.refused, 10), max(longestSilence, r.Poll))
		r.silent = time.Now().Add(jitter(max(wait, own), 0, 2*jitters))
	}
	if due {
		r.Log.WarnContext(ctx, "poll failed", slog.Any("error", err), slog.Time("since", told.Since), slog.Int("times", told.Times))
	}
}

func (r *running) heard(ctx context.Context) {
	r.refused, r.silent = 0, time.Time{}
	told, news := r.deaf.Over()
	if !news {
		return
	}
	r.mu.Lock()
	r.silence = ""
	r.mu.Unlock()
	r.Log.InfoContext(ctx, "polls succeed again", slog.Time("since", told.Since), slog.Int("failed", told.Times))
}

func busyOf(err error) (wait time.Duration, busy bool) {
	if is, ok := errors.AsType[Busy](err); ok {
		return is.Busy()
	}
	return 0, false
}

func (l *Loop) jitter() time.Duration { return jitter(l.Poll, -jitters, jitters) }

// jitter is a length that is changed by a part of it, between least and most.
func jitter(d time.Duration, least, most float64) time.Duration {
	return d + time.Duration((least+rand.Float64()*(most-least))*float64(d)) //nolint:gosec // Jitter is no secret.
}
