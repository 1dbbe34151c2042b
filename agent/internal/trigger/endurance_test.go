package trigger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count tells how many lines hold a word.
func (l *lines) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}

// busy is a forge that has no time.
type busy struct{ wait time.Duration }

func (busy) Error() string                 { return "the server answers 503" }
func (b busy) Busy() (time.Duration, bool) { return b.wait, true }

// A repository that can't be reached for an hour is told when that begins and when it is
// over. The clusters are looked at all the while.
func TestRepositoryThatIsGoneForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := &world{tip: "a"}, &lines{}
		loop, _ := start(t, w, func(work *trigger.Work) {
			work.Poll, work.Sweep = time.Minute, 10*time.Minute
			work.Log = slog.New(slog.NewTextHandler(log, nil))
		})
		pass(2 * time.Minute)
		asked := 0
		w.set(func() { w.looks = 0 })
		for range 6 {
			w.set(func() { w.tipErr = fmt.Errorf("read tcp 10.0.0.9:%d: connection refused", 40_000+asked) })
			pass(9 * time.Minute)
			asked++
		}
		since, reason := loop.Deaf()
		if time.Since(since) < 50*time.Minute || !strings.Contains(reason, "connection refused") {
			t.Errorf("deaf since %s: %q", since, reason)
		}
		w.set(func() {
			if w.looks < 45 {
				t.Errorf("%d looks at the clusters in 54 minutes", w.looks)
			}
		})
		if n := log.count("poll failed"); n != 1 {
			t.Errorf("it is told %d times in less than an hour", n)
		}
		w.set(func() { w.tipErr, w.tip = nil, "b" })
		before := w.count()
		pass(70 * time.Second)
		if w.count() == before || w.last().Why != "commit" || log.count("polls succeed again") != 1 {
			t.Errorf("once it is back: %d turns, the last for %q", w.count()-before, w.last().Why)
		}
		if since, _ := loop.Deaf(); !since.IsZero() {
			t.Errorf("deaf since %s", since)
		}
	})
}

// A forge that has no time is asked less and less often, and not before it says.
func TestForgeThatHasNoTime(t *testing.T) {
	for what, row := range map[string]struct {
		wait        time.Duration
		least, most int
	}{
		"it does not say for how long": {0, 8, 18},
		"half an hour each time":       {30 * time.Minute, 3, 5},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{tip: "a"}
				asked := 0
				_, stop := start(t, w, func(work *trigger.Work) {
					work.Poll = time.Minute
					work.Tip = func(context.Context) (string, error) { asked++; return "", busy{row.wait} }
				})
				pass(2 * time.Hour)
				stop()
				if asked < row.least || asked > row.most {
					t.Errorf("asked %d times in two hours", asked)
				}
				if w.looks < 100 {
					t.Errorf("%d looks at the clusters meanwhile", w.looks)
				}
			})
		})
	}
}

// Turns that can't be made for a day don't fill the log.
func TestTurnsThatFailForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		w := &world{} // No turn can be made.
		start(t, w, func(work *trigger.Work) { work.Log = slog.New(slog.NewTextHandler(log, nil)) })
		pass(24 * time.Hour)
		if n := log.count("\n"); n > 60 || w.count() < 144 {
			t.Errorf("%d lines of %d turns", n, w.count())
		}
		w.set(func() { w.tip = "a" })
		pass(11 * time.Minute)
		if log.count("turns succeed again") != 1 {
			t.Error("it is not told that it is over")
		}
	})
}

// Ten thousand turns of all kinds leave no goroutine, and no memory.
func TestTenThousandTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns atomic.Int32
		work := (&world{tip: "a"}).work()
		work.Poll, work.Sweep = time.Second, 5*time.Second
		work.Turn = func(_ context.Context, req turn.Request) (*report.Report, error) {
			if turns.Add(1)%7 == 0 {
				return nil, errors.New("no route to host")
			}
			return &report.Report{Mode: req.Mode, Commit: report.Commit{Hash: "a"}}, nil
		}
		loop := trigger.New(work)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); loop.Run(ctx) }()
		ask := func(n int) {
			for i := range n {
				switch i % 5 {
				case 0:
					loop.StartWhole("push")
				case 1:
					loop.Start("a hook")
				case 2:
					_, _ = loop.Order(turn.Request{Mode: report.Run, Only: []string{fmt.Sprintf("vm/web-%d", i)}})
				case 3:
					_, _ = loop.Ask(ctx, turn.Request{Mode: report.Drift})
				case 4:
					given, giveUp := context.WithTimeout(ctx, 0)
					_, _ = loop.Ask(given, turn.Request{Mode: report.Run})
					giveUp()
				}
				pass(time.Second)
			}
		}
		ask(500)
		synctest.Wait()
		goroutines, heap := bubbled(t), alive()
		for turns.Load() < 10_000 {
			ask(500)
		}
		synctest.Wait()
		if n := bubbled(t); n > goroutines {
			t.Errorf("%d goroutines, %d before", n, goroutines)
		}
		if grown := int64(alive()) - int64(heap); grown > 256<<10 {
			t.Errorf("%d KiB more", grown>>10)
		}
		stop()
		<-ended
	})
}

// bubbled is how many goroutines the bubble of synctest has: the runtime's own come and go.
func bubbled(t testing.TB) int {
	t.Helper()
	all := make([]byte, 1<<20)
	n := bytes.Count(all[:runtime.Stack(all, true)], []byte(", synctest bubble "))
	if n == 0 {
		t.Fatal("the runtime does not say what is in the bubble")
	}
	return n
}

// alive is how many bytes of the heap live.
func alive() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Told to stop at any moment, the loop ends at once, and nobody waits for it in vain.
func TestStopAtAnyMoment(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			w := &world{tip: "a", slow: 3 * time.Second}
			loop, stop := start(t, w, func(work *trigger.Work) {
				work.Poll, work.Sweep = time.Second, 5*time.Second
				work.Tip = func(ctx context.Context) (string, error) {
					select {
					case <-ctx.Done():
						return "", ctx.Err()
					case <-time.After(500 * time.Millisecond):
						return "b", nil
					}
				}
			})
			var waits sync.WaitGroup
			for range 3 {
				waits.Go(func() { _, _ = loop.Ask(context.Background(), turn.Request{Mode: report.Drift}) })
			}
			loop.Start("a hook")
			pass(time.Duration(rand.Int64N(int64(20 * time.Second))))
			told := time.Now()
			stop()
			waits.Wait()
			if took := time.Since(told); took > 0 {
				t.Errorf("it takes %s", took)
			}
		})
	}
}
