package trigger_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/desired"
	"berth/drift/report"
)

// wall is the host's clock, which may be set.
type wall struct{ off atomic.Int64 }

func (c *wall) now() time.Time { return time.Now().Add(time.Duration(c.off.Load())).Round(0) }

// set lets it be off by so much.
func (c *wall) set(off time.Duration) { c.off.Store(int64(off)) }

func schedule(t *testing.T, words, zone string) trigger.Schedule {
	t.Helper()
	s, err := desired.ParseSchedule(words, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// swept counts the turns that look at everything.
func (w *world) swept() (n int) {
	w.set(func() {
		for _, req := range w.turns {
			if req.Why == "sweep" && !req.Quick {
				n++
			}
		}
	})
	return n
}

func TestSweepsBySchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		loop, _ := start(t, w, func(work *trigger.Work) {
			work.Sweep = 48 * time.Hour
			work.SweepAt = []trigger.Schedule{schedule(t, "0 3 * * *", "Europe/Berlin"), schedule(t, "30 12 * * *", "UTC")}
		})
		synctest.Wait()
		// The bubble begins at midnight, UTC: it is one o'clock in Berlin.
		if at, why := loop.Next(); why != "sweep" || at.UTC().Format("15:04:05") != "02:00:00" {
			t.Errorf("next is %s at %s", why, at.UTC())
		}
		pass(2*time.Hour - time.Second)
		if w.swept() != 0 {
			t.Error("swept too soon")
		}
		pass(2 * time.Second)
		if w.swept() != 1 {
			t.Errorf("%d sweeps at three in Berlin", w.swept())
		}
		pass(11 * time.Hour)
		if w.swept() != 2 {
			t.Errorf("%d sweeps by one o'clock", w.swept())
		}
		w.set(func() { w.slow = 3 * time.Hour }) // It is under way at the next.
		pass(12 * time.Hour)
		loop.StartWhole("push")
		pass(2 * time.Hour)
		w.set(func() { w.slow = 0 })
		pass(2 * time.Hour)
		if w.swept() != 3 {
			t.Errorf("%d sweeps: what comes during a turn is made after it, once", w.swept())
		}
	})
}

func TestClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, log := &world{tip: "a"}, &wall{}, &bytes.Buffer{}
		loop, _ := start(t, w, func(work *trigger.Work) {
			work.Now, work.Sweep, work.Poll = c.now, 48*time.Hour, time.Hour
			work.SweepAt = []trigger.Schedule{schedule(t, "0 3 * * *", "UTC")}
			work.Log = slog.New(slog.NewTextHandler(log, nil))
		})
		pass(time.Hour)
		c.set(6 * time.Hour) // It is seven: the machine slept.
		pass(90 * time.Second)
		if w.swept() != 1 || strings.Count(log.String(), "the clock was set, or this machine slept") != 1 {
			t.Errorf("set forward: %d sweeps, log:\n%s", w.swept(), log)
		}
		c.set(-365 * 24 * time.Hour)
		pass(90 * time.Second)
		if at, _ := loop.Next(); at.After(c.now().Add(24 * time.Hour)) {
			t.Errorf("set back by a year, the next turn is at %s, and it is %s", at, c.now())
		}
		pass(24 * time.Hour)
		if w.swept() != 2 {
			t.Errorf("set back: %d sweeps a day later", w.swept())
		}
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d lines:\n%s", n, log)
		}
		// A window that opens is not missed by a clock that is set past it.
		w.set(func() { w.retry = c.now().Add(10 * time.Hour) })
		before := w.count()
		pass(2 * time.Minute)
		wantTurns(t, w, "before it opens", before)
		c.set((-365*24 + 11) * time.Hour)
		pass(2 * time.Minute)
		if got := w.last(); w.count() <= before || got.Why != "retry" && got.Why != "sweep" {
			t.Errorf("once it has opened: %d turns, the last for %q", w.count()-before, got.Why)
		}
	})
}

func TestPausedTurnsLookAndChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		paused, until := error(nil), time.Time{}
		loop, _ := start(t, w, func(work *trigger.Work) {
			work.Settle = 2 * time.Second
			work.Paused = func() (time.Time, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if !until.IsZero() && !time.Now().Before(until) {
					paused, until = nil, time.Time{}
				}
				return until, paused
			}
		})
		synctest.Wait()
		resting := errors.New("paused by ann")
		looks := func(what, why string) {
			t.Helper()
			got := w.last()
			if got.Mode != report.Drift || !got.Paused || got.Why != why {
				t.Errorf("%s: %+v, want it to look for %q", what, got, why)
			}
		}
		w.set(func() { paused = resting })
		pass(11 * time.Minute)
		looks("a sweep", "sweep")
		w.set(func() { w.tip = "b" })
		pass(12 * time.Second)
		looks("a commit", "commit")
		at := w.count()
		loop.Start("a hook")
		synctest.Wait()
		looks("a hook", "a hook")
		// What may be tried again is not.
		w.set(func() { w.retry = time.Now().Add(time.Minute) })
		pass(5 * time.Minute)
		wantTurns(t, w, "while something could be tried again", at+1)
		if _, err := loop.Ask(t.Context(), turn.Request{Mode: report.Run}); !errors.Is(err, resting) {
			t.Errorf("a sync: %v", err)
		}
		if rep, err := loop.Ask(t.Context(), turn.Request{Mode: report.Drift}); err != nil || rep == nil {
			t.Errorf("a drift: %v, %v", rep, err)
		}
		// One that was started just before, so that the next is not settled yet.
		loop.Start("a hook")
		synctest.Wait()
		w.set(func() { paused = nil })
		before := w.count()
		resumed := loop.StartWhole("resumed")
		pass(time.Minute)
		wantTurns(t, w, "once it is resumed", before+1)
		if got := w.last(); got.ID != resumed || got.Mode != report.Run || got.Quick || got.Why != "resumed" {
			t.Errorf("once it is resumed: %+v", got)
		}
		// A turn that somebody waits for is refused if the pause comes before it.
		w.set(func() { w.slow = time.Minute })
		loop.Start("a hook")
		synctest.Wait()
		asked := make(chan error)
		go func() { _, err := loop.Ask(t.Context(), turn.Request{Mode: report.Run}); asked <- err }()
		synctest.Wait()
		w.set(func() { paused, until = resting, time.Now().Add(30*time.Minute) })
		if err := <-asked; !errors.Is(err, resting) {
			t.Errorf("a sync before the pause: %v", err)
		}
		w.set(func() { w.slow = 0 })
		pass(11 * time.Minute)
		looks("a sweep", "sweep")
		ends := time.Time{}
		w.set(func() { ends = until })
		pass(time.Until(ends) - time.Second)
		looks("until it ends", "sweep")
		if at, why := loop.Next(); why != "resumed" && why != "sweep" || at.After(ends) {
			t.Errorf("next is %s at %s, and it ends at %s", why, at, ends)
		}
		pass(time.Second)
		synctest.Wait()
		if got := w.last(); got.Mode != report.Run || got.Quick || got.Why != "resumed" {
			t.Errorf("when its time has come: %+v", got)
		}
	})
}
