package trigger_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// A turn that is started begins at once, whatever a poll is waiting for.
func TestStartWaitsForNoPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		hangs := make(chan struct{}, 1)
		loop, _ := start(t, w, func(work *trigger.Work) {
			work.Tip = func(ctx context.Context) (string, error) {
				hangs <- struct{}{}
				<-ctx.Done() // A server that takes a connection and says nothing.
				return "", ctx.Err()
			}
		})
		for what, ask := range map[string]func(){
			"a push": func() { loop.StartWhole("push") },
			"a sync": func() {
				if _, err := loop.Ask(t.Context(), turn.Request{Mode: report.Run}); err != nil {
					t.Error(err)
				}
			},
		} {
			<-hangs
			before := w.count()
			asked := time.Now()
			ask()
			synctest.Wait()
			if took := time.Since(asked); took > 0 || w.count() != before+1 {
				t.Errorf("%s: after %s there are %d turns more", what, took, w.count()-before)
			}
		}
	})
}

func TestOrdersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a", slow: time.Minute}
		loop, _ := start(t, w)
		synctest.Wait()
		one, err := loop.Order(turn.Request{Mode: report.Run, Only: []string{"vm/web-1"}})
		if err != nil {
			t.Fatal(err)
		}
		hook := loop.Start("a hook")
		two, err := loop.Order(turn.Request{Mode: report.Run})
		if err != nil {
			t.Fatal(err)
		}
		same, err := loop.Order(turn.Request{Mode: report.Run, Only: []string{"vm/web-1"}})
		if err != nil || same != one {
			t.Errorf("the very same once more is another: %v, %v", same, err)
		}
		if rep, err := two.Wait(t.Context()); err != nil || rep == nil {
			t.Errorf("waited: %v, %v", rep, err)
		}
		var ids []string
		w.set(func() {
			for _, req := range w.turns[1:] {
				ids = append(ids, req.ID)
			}
		})
		if len(ids) != 3 || ids[0] != one.Turn || ids[1] != hook || ids[2] != two.Turn {
			t.Errorf("made: %v, want %s, %s, %s", ids, one.Turn, hook, two.Turn)
		}
		// Who comes late has the report all the same.
		if rep, err := one.Wait(t.Context()); err != nil || rep == nil {
			t.Errorf("waited afterwards: %v, %v", rep, err)
		}
	})
}

func TestOrdersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a", slow: time.Hour}
		loop, stop := start(t, w)
		synctest.Wait()
		var last *trigger.Order
		for i := range 64 {
			var err error
			if last, err = loop.Order(turn.Request{Mode: report.Run, Plan: string(rune('a' + i))}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := loop.Order(turn.Request{Mode: report.Run}); !errors.Is(err, trigger.ErrBusy) {
			t.Errorf("one more: %v", err)
		}
		if !last.Cancel() || last.Cancel() {
			t.Error("it can be given up once")
		}
		if _, err := loop.Order(turn.Request{Mode: report.Run}); err != nil {
			t.Errorf("after one was given up: %v", err)
		}
		waits := make(chan error)
		go func() { _, err := loop.Ask(t.Context(), turn.Request{Mode: report.Drift}); waits <- err }()
		synctest.Wait()
		stop()
		if err := <-waits; !errors.Is(err, trigger.ErrStopping) {
			t.Errorf("who waits is told %v", err)
		}
		if _, err := loop.Order(turn.Request{Mode: report.Run}); !errors.Is(err, trigger.ErrStopping) {
			t.Errorf("who comes afterwards is told %v", err)
		}
		wantTurns(t, w, "none of the orders has begun", 1)
	})
}

// Who gives up before the turn has begun has none; one that has begun goes on.
func TestAskThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a", slow: time.Minute}
		loop, _ := start(t, w)
		synctest.Wait()
		given, giveUp := context.WithTimeout(t.Context(), 30*time.Second)
		defer giveUp()
		if _, err := loop.Ask(given, turn.Request{Mode: report.Run}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up early: %v", err)
		}
		pass(5 * time.Minute)
		wantTurns(t, w, "the start alone", 1)
		given, giveUp = context.WithTimeout(t.Context(), 30*time.Second)
		defer giveUp()
		if _, err := loop.Ask(given, turn.Request{Mode: report.Run}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up late: %v", err)
		}
		pass(5 * time.Minute)
		wantTurns(t, w, "the one that had begun", 2)
	})
}

// What is asked while the loop is made anew is not lost.
func TestReloadForgetsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a", slow: time.Minute}
		loop := trigger.New(w.work())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		reloaded := make(chan bool)
		run := func() { reloaded <- loop.Run(ctx) }
		go run()
		synctest.Wait()
		asked := make(chan error)
		go func() { _, err := loop.Ask(t.Context(), turn.Request{Mode: report.Drift}); asked <- err }()
		synctest.Wait()
		id := loop.Start("a hook")
		loop.Reload()
		if !<-reloaded {
			t.Fatal("it ends as if it were stopped")
		}
		wantTurns(t, w, "between two turns", 1)
		work := w.work()
		work.Why = "settings"
		loop.Work = work
		go run()
		if err := <-asked; err != nil {
			t.Errorf("who waited: %v", err)
		}
		pass(time.Minute + time.Second)
		w.set(func() {
			if len(w.turns) != 4 || w.turns[1].Why != "settings" || w.turns[3].ID != id {
				t.Errorf("made: %+v", w.turns)
			}
		})
		stop()
		if <-reloaded {
			t.Error("it ends as if it were to go on")
		}
	})
}
