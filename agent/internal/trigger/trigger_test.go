package trigger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// world counts turns and lets a test move the tip.
type world struct {
	mu     sync.Mutex
	tip    string
	turns  []turn.Request
	retry  time.Time
	tipErr error
	// turnErr is what turns end with, beside their reports.
	turnErr error
	slow    time.Duration
	busy    int
	news    string
	looks   int
	ids     int
}

func (w *world) turn(ctx context.Context, req turn.Request) (*report.Report, error) {
	w.mu.Lock()
	w.turns = append(w.turns, req)
	if !w.retry.After(time.Now()) {
		w.retry = time.Time{} // It has been tried again.
	}
	w.busy++
	if w.busy > 1 {
		panic("two turns at once")
	}
	tip, slow := w.tip, w.slow
	w.mu.Unlock()
	if slow > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(slow):
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if tip == "" {
		return nil, errors.New("nothing there")
	}
	return &report.Report{Mode: req.Mode, Commit: report.Commit{Hash: tip}}, w.turnErr
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.turns)
}

func (w *world) last() turn.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.turns[len(w.turns)-1]
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// start runs the loop until it is stopped, or the test ends.
func start(t *testing.T, w *world, change ...func(*trigger.Work)) (*trigger.Loop, func()) {
	t.Helper()
	work := w.work()
	for _, f := range change {
		f(&work)
	}
	loop := trigger.New(work)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); loop.Run(ctx) }()
	end := func() { stop(); <-ended }
	t.Cleanup(end)
	return loop, end
}

// work has a poll each ten seconds, and a sweep each ten minutes.
func (w *world) work() trigger.Work {
	return trigger.Work{
		Turn: w.turn,
		Tip: func(context.Context) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.tip, w.tipErr
		},
		Look: func(context.Context) string {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.looks++
			return w.news
		},
		Retry: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.retry
		},
		Poll: 10 * time.Second, Sweep: 10 * time.Minute, Log: slog.New(slog.DiscardHandler),
		NextID: func() string {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ids++
			return fmt.Sprintf("turn-%d", w.ids)
		},
	}
}

func wantTurns(t *testing.T, w *world, what string, want int) {
	t.Helper()
	if got := w.count(); got != want {
		t.Errorf("%s: %d turns, want %d", what, got, want)
	}
}

func TestTurnsAtStartAtCommitAndAtSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		start(t, w)
		synctest.Wait()
		wantTurns(t, w, "at start", 1)
		pass(5 * time.Minute)
		wantTurns(t, w, "while Git stands still", 1)
		w.set(func() { w.tip = "b" })
		pass(12 * time.Second)
		wantTurns(t, w, "after a commit", 2)
		pass(9 * time.Minute)
		wantTurns(t, w, "before the next sweep", 2)
		pass(time.Minute)
		wantTurns(t, w, "after the sweep", 3)
		w.set(func() { w.tip, w.tipErr = "c", errors.New("unreachable") })
		pass(5 * time.Minute)
		wantTurns(t, w, "while the repository is unreachable", 3)
	})
}

func TestRetryAndNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		loop, _ := start(t, w)
		synctest.Wait()
		loop.StartWhole("signal")
		synctest.Wait()
		wantTurns(t, w, "after a signal", 2)
		w.set(func() { w.retry = time.Now().Add(20 * time.Second) })
		loop.StartWhole("signal") // The loop looks at Retry after each turn.
		pass(19 * time.Second)
		wantTurns(t, w, "before the retry", 3)
		pass(2 * time.Second)
		wantTurns(t, w, "after the retry", 4)
	})
}

func TestAskWaitsForItsOwnTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a", slow: time.Second}
		loop, _ := start(t, w)
		synctest.Wait()
		rep, err := loop.Ask(t.Context(), turn.Request{Mode: report.Drift})
		if err != nil || rep.Mode != report.Drift {
			t.Fatalf("asked: %+v, %v", rep, err)
		}
		wantTurns(t, w, "the first, and the one asked for", 2)
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := loop.Ask(impatient, turn.Request{Mode: report.Run}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("impatient: %v", err)
		}
	})
}

func TestTurnThatFailsDoesNotEndTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		start(t, w)
		pass(time.Minute)
		w.set(func() { w.tip = "a" })
		pass(12 * time.Second)
		if w.count() < 2 {
			t.Errorf("%d turns after the repository came back", w.count())
		}
	})
}

// pass lets time go by, which in a bubble of synctest takes none.
func pass(d time.Duration) { <-time.After(d) }

// A poll asks Git first: a turn for its commit sees all else as well.
func TestPollLooksForChangesWhereGitStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		start(t, w)
		pass(65 * time.Second)
		wantTurns(t, w, "while nothing changes", 1)
		wantLooks := func(what string, least, most int) {
			t.Helper()
			w.set(func() {
				if w.looks < least || w.looks > most {
					t.Errorf("%s: %d looks, want %d to %d", what, w.looks, least, most)
				}
				w.looks = 0
			})
		}
		wantLooks("in a minute", 5, 7)
		w.set(func() { w.news = "vm/web-1: changed" })
		pass(12 * time.Second)
		w.set(func() { w.news = "" })
		if n := w.count(); n != 2 && n != 3 {
			t.Errorf("%d turns once something has changed", n)
		}
		before := w.count()
		w.set(func() { w.looks, w.tip = 0, "b" })
		pass(10500 * time.Millisecond)
		w.set(func() { w.tipErr = errors.New("unreachable") })
		wantTurns(t, w, "with a commit", before+1)
		wantLooks("at the poll that finds a commit", 0, 1)
		pass(time.Minute)
		wantLooks("while the repository is unreachable", 5, 7)
		wantTurns(t, w, "while the repository is unreachable", before+1)
	})
}

// A turn that was asked for by its plan, and did nothing since the plan has changed, has
// not tried the commit that it saw.
func TestACommitIsTriedAfterAPlanThatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		loop, _ := start(t, w)
		synctest.Wait()
		w.set(func() { w.tip, w.turnErr = "b", &turn.PlanChangedError{Asked: "1", Now: "2"} })
		if _, err := loop.Ask(t.Context(), turn.Request{Mode: report.Run, Plan: "1"}); err == nil {
			t.Fatal("no error")
		}
		w.set(func() { w.turnErr = nil })
		pass(12 * time.Second)
		wantTurns(t, w, "the first, the one that was asked for, and one for the commit", 3)
	})
}
