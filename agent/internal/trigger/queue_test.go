package trigger_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

func TestStartedTurnsAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a", slow: time.Minute}
		loop, _ := start(t, w)
		synctest.Wait()
		began := time.Now()
		first := loop.Start("provision web-1")
		for i := range 10_000 {
			if id := loop.Start(fmt.Sprintf("provision web-%d", i%100)); id != first {
				t.Fatalf("a burst is one turn: %q and %q", first, id)
			}
		}
		if time.Since(began) != 0 {
			t.Error("whoever starts a turn waits for nothing")
		}
		wantTurns(t, w, "while the first is under way", 1)
		pass(time.Minute + time.Second)
		wantTurns(t, w, "after the first", 2)
		want := turn.Request{Mode: report.Run, ID: first, Why: "provision web-1, provision web-0, provision web-2 and more"}
		if got := w.last(); got.ID != want.ID || got.Why != want.Why || got.Mode != want.Mode {
			t.Errorf("the turn is %+v, want %+v", got, want)
		}
		// The one that is under way has begun: what is wanted now comes after it.
		if id := loop.Start("unlocked"); id == first || id == "" {
			t.Errorf("the next turn has the id %q", id)
		}
		pass(time.Minute + time.Second)
		wantTurns(t, w, "after the second", 3)
		if got := w.last().Why; got != "unlocked" {
			t.Errorf("the third is made for %q", got)
		}
		pass(5 * time.Minute)
		wantTurns(t, w, "after all", 3)
	})
}

func TestNextTellsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		loop, _ := start(t, w)
		synctest.Wait()
		began := time.Now()
		if at, why := loop.Next(); why != "sweep" || at.Sub(began) != 10*time.Minute {
			t.Errorf("next is %s in %v", why, at.Sub(began))
		}
		w.set(func() { w.retry = began.Add(time.Minute) })
		pass(15 * time.Second) // A poll.
		if at, why := loop.Next(); why != "retry" || at.Sub(began).Round(time.Minute) != time.Minute {
			t.Errorf("next is %s in %v", why, at.Sub(began))
		}
		pass(time.Minute)
		// A retry is quick: everything is looked at when it would have been without.
		if at, why := loop.Next(); why != "sweep" || at.Sub(began).Round(time.Minute) != 10*time.Minute {
			t.Errorf("next is %s in %v", why, at.Sub(began))
		}
	})
}

// A turn that goes on with what another left spares what is dear to look at, but never
// for longer than sweeps would.
func TestTurnsThatGoOnAreQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		loop, _ := start(t, w)
		synctest.Wait()
		quick := func(what string, want bool) {
			t.Helper()
			if w.last().Quick != want {
				t.Errorf("%s: made for %q, quick %t", what, w.last().Why, w.last().Quick)
			}
		}
		quick("the first", false)
		for range 2 {
			w.set(func() { w.retry = time.Now().Add(4 * time.Minute) })
			pass(4*time.Minute + 20*time.Second)
			quick("a retry", true)
		}
		pass(2 * time.Minute)
		if got := w.last(); got.Why != "sweep" || got.Quick {
			t.Errorf("after more than a sweep's time the last is made for %q, quick %t", got.Why, got.Quick)
		}
		w.set(func() { w.tip = "b" })
		pass(time.Minute)
		quick("a commit", false)
		w.set(func() { w.news = "changed: vm/web-1: it was stopped" })
		pass(time.Minute)
		quick("a change elsewhere", true)
		w.set(func() { w.news = "" })
		loop.Start("POST /hooks/provision?host=web-1")
		pass(time.Second)
		quick("a hook", true)
		loop.StartWhole("unlocked")
		pass(time.Second)
		quick("an unlock", false)
		loop.StartWhole("webhook from GitHub")
		loop.Start("POST /hooks/provision?host=web-1")
		pass(time.Second)
		quick("a push and a hook", false)
	})
}

// Turns that are over at once do not make a turn of each of a burst.
func TestABurstIsOneTurnHoweverFastTurnsAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		loop, _ := start(t, w, func(work *trigger.Work) {
			work.Poll, work.Sweep, work.Settle = time.Hour, time.Hour, 2*time.Second
		})
		synctest.Wait()
		for range 1000 {
			loop.StartWhole("webhook from GitHub")
			pass(time.Millisecond)
		}
		wantTurns(t, w, "at start, and for the first of a burst at once", 2)
		pass(1001 * time.Millisecond)
		wantTurns(t, w, "for the rest of it", 3)
		pass(time.Minute)
		wantTurns(t, w, "after it", 3)
		loop.StartWhole("webhook from GitHub")
		synctest.Wait()
		wantTurns(t, w, "for one that comes alone, at once", 4)
	})
}
