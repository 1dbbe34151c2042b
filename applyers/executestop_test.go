package applyers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers"
	"berth/drift"
)

func TestExecuteCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
			"vm/heeds create": func(ctx context.Context, _ applyers.Job, _ applyers.Progress) error {
				<-ctx.Done()
				return fmt.Errorf("create vm 1: %w", ctx.Err())
			},
			"vm/leaves create": func(ctx context.Context, _ applyers.Job, _ applyers.Progress) error {
				<-ctx.Done()
				return fmt.Errorf("create vm 2: %w", applyers.ErrLeft)
			},
			"vm/fails create": func(ctx context.Context, _ applyers.Job, _ applyers.Progress) error {
				<-ctx.Done()
				return errors.New("no space left")
			},
		}}
		held := step("vm/held create")
		held.Held = "no"
		go func() {
			<-time.After(500 * time.Millisecond)
			cancel()
		}()
		start := time.Now()
		outcomes := execute(t, ctx, execution(a,
			step("vm/ends create"), step("vm/heeds create"), step("vm/leaves create"), step("vm/fails create"),
			step("vm/ends ready", "vm/ends create"), step("edge/e route", "vm/ends ready"), step("vm/fails ready", "vm/fails create"), held,
		))
		want := []string{
			"vm/ends create done",
			"vm/heeds create left: the agent is stopping; the next turn goes on",
			"vm/leaves create left: the agent is stopping; the next turn goes on",
			"vm/fails create failed: no space left",
			"vm/ends ready left: the agent is stopping; the next turn goes on",
			"edge/e route left: the agent is stopping; the next turn goes on",
			"vm/fails ready left: the agent is stopping; the next turn goes on",
			"vm/held create held: no",
		}
		if diff := cmp.Diff(want, told(outcomes)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("it ended after %v, with what had begun", d)
		}
		if len(a.begun) != 4 {
			t.Errorf("begun: %v", a.log)
		}
	})
}

// A step that breaks off by itself, while nobody is stopping, has failed.
func TestExecuteOwnTimeoutIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{otherwise: func(ctx context.Context, _ applyers.Job, _ applyers.Progress) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-ctx.Done()
			return fmt.Errorf("wait for vm 1: %w", ctx.Err())
		}}
		outcomes := execute(t, t.Context(), execution(a, step("vm/a ready")))
		if got := told(outcomes)[0]; got != "vm/a ready failed: wait for vm 1: context deadline exceeded" {
			t.Error(got)
		}
	})
}

// Each event may be the one that can't be told. Whichever it is, nothing begins
// after it, what has begun ends, and the error comes out.
func TestExecuteStopsWhenTheJournalFails(t *testing.T) {
	for n := range 9 {
		synctest.Test(t, func(t *testing.T) {
			a := talkative(&actor{})
			e := execution(a, step("vm/a create"), step("vm/a ready", "vm/a create"))
			told := 0
			var begunBefore int
			e.Events = func(ev applyers.Event) error {
				told++
				if told == n+1 {
					a.mu.Lock()
					begunBefore = len(a.begun)
					a.mu.Unlock()
					return errors.New("disk full")
				}
				if told > n+1 {
					t.Errorf("event %d: told again: %s", n, event(ev))
				}
				return nil
			}
			_, err := applyers.Execute(t.Context(), e)
			if n >= 8 {
				if err != nil || told != 8 {
					t.Errorf("%d events: %v", told, err)
				}
				return
			}
			if err == nil || err.Error() != "write the journal: disk full" {
				t.Errorf("event %d: %v", n, err)
			}
			if len(a.begun) != begunBefore {
				t.Errorf("event %d: begun after it: %v", n, a.log)
			}
			if n == 1 && slices.Contains(a.log, "vm/a create has a task") {
				t.Error("the step went on, though the journal does not hold its task")
			}
		})
	}
}

// Steps that are under way when the journal fails are told to stop.
func TestExecuteStopsOthersWhenTheJournalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
			"vm/a create": func(ctx context.Context, _ applyers.Job, _ applyers.Progress) error {
				<-ctx.Done()
				return fmt.Errorf("create vm 1: %w", applyers.ErrLeft)
			},
		}}
		e := execution(a, step("vm/a create"), step("vm/b create"))
		e.Events = func(ev applyers.Event) error {
			if ev.ID == "vm/b" && ev.Outcome != nil {
				return errors.New("disk full")
			}
			return nil
		}
		outcomes, err := applyers.Execute(t.Context(), e)
		if err == nil || err.Error() != "write the journal: disk full" {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff([]string{"vm/a create left: what was done can't be written down, so nothing more is begun; the next turn goes on", "vm/b create done"}, told(outcomes)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestExecuteAsksBeforeItTakesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{}
		e := execution(a, step("vm/a stop"), step("vm/a archive", "vm/a stop"), step("vm/b delete"), step("vm/c delete", "vm/b delete"), step("vm/d create"))
		var asked []string
		var mu sync.Mutex
		e.Confirm = func(_ context.Context, c drift.Change) string {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, c.String())
			if c.ID == "vm/b" {
				return "a newer commit wants it"
			}
			return ""
		}
		outcomes := execute(t, t.Context(), e)
		want := []string{
			"vm/a stop done", "vm/a archive done", "vm/b delete held: a newer commit wants it",
			"vm/c delete skipped: waits for vm/b delete, which is held", "vm/d create done",
		}
		if diff := cmp.Diff(want, told(outcomes)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		slices.Sort(asked)
		if diff := cmp.Diff([]string{"vm/a archive", "vm/a stop", "vm/b delete"}, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if _, begun := a.begun["vm/b delete"]; begun {
			t.Error("it was done though it was not confirmed")
		}
	})
}
