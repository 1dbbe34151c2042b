package applyers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// Synctest fails a test that leaves a goroutine behind: each of these asks that
// of Execute too.

func TestExecuteInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{}
		// The plan's order is not the order of the waits: waits alone count.
		outcomes := execute(t, t.Context(), execution(a, step("edge/e route", "vm/a ready"), step("vm/a ready", "vm/a create"), step("vm/a create"), step("vm/b create")))
		if diff := cmp.Diff([]string{"edge/e route done", "vm/a ready done", "vm/a create done", "vm/b create done"}, told(outcomes)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		begun := func(key string) time.Duration { return a.begun[key].Sub(a.begun["vm/a create"]) }
		for key, want := range map[string]time.Duration{"vm/b create": 0, "vm/a ready": time.Second, "edge/e route": 2 * time.Second} {
			if begun(key) != want {
				t.Errorf("%s begins after %v, want %v", key, begun(key), want)
			}
		}
		if o := outcomes[1]; o.Ended.Sub(o.Started) != time.Second || !o.Started.Equal(a.begun["vm/a ready"]) {
			t.Errorf("times: %v to %v", o.Started, o.Ended)
		}
	})
}

func TestExecuteWithinLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []drift.Change
		for i := range 30 {
			c := step(fmt.Sprintf("vm/g%d create", i))
			c.Lanes = []string{"site:home", fmt.Sprintf("node:home/pve%d", i%5), fmt.Sprintf("guest:home/%d", i/2), "unknown:x"}[:3]
			if i >= 26 {
				c.Lanes = append(c.Lanes, "unknown:x")
			}
			changes = append(changes, c)
		}
		a := &actor{}
		for _, o := range execute(t, t.Context(), execution(a, changes...)) {
			if o.Status != drift.Done {
				t.Errorf("%s: %s", o.Key, o.Status)
			}
		}
		for lane, n := range a.most {
			word, _, _ := strings.Cut(lane, ":")
			if limit := map[string]int{"site": 8, "node": 3, "guest": 1, "unknown": 1}[word]; n > limit {
				t.Errorf("%d at once in %s, want at most %d", n, lane, limit)
			}
		}
		if a.most["site:home"] != 8 {
			t.Errorf("the site's lane is not used: %d at once", a.most["site:home"])
		}
		for lane, n := range a.lanes {
			if n != 0 {
				t.Errorf("%d left in %s", n, lane)
			}
		}
	})
}

// A lane that is full holds up nobody who does not need it, and a step that
// failed leaves its lanes.
func TestExecuteLeavesLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lane := func(key, lane string) drift.Change {
			c := step(key)
			c.Lanes = []string{lane}
			return c
		}
		a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{"vm/a create": fails}}
		e := execution(a, lane("vm/a create", "guest:1"), lane("vm/b create", "guest:1"), lane("vm/c create", "guest:1"), lane("vm/d create", "guest:2"))
		e.Lanes = map[string]int{"guest": 1}
		start := time.Now()
		outcomes := execute(t, t.Context(), e)
		if diff := cmp.Diff([]string{"vm/a create failed: no space left", "vm/b create done", "vm/c create done", "vm/d create done"}, told(outcomes)); diff != "" {
			t.Error(diff)
		}
		if d := a.ended["vm/d create"].Sub(start); d != time.Second {
			t.Errorf("vm/d ends after %v: it waited for a lane that it does not need", d)
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("all took %v", d)
		}
	})
}

func TestExecuteSkipsByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
			"vm/a create": fails,
			"vm/h stop": func(context.Context, applyers.Job, applyers.Progress) error {
				return fmt.Errorf("stop vm 104: %w", &applyers.HeldError{Reason: "its stamp is gone"})
			},
		}}
		held := step("vm/x create")
		held.Held = "no"
		nobody := step("tape/t create")
		outcomes := execute(t, t.Context(), execution(a,
			step("vm/a create"), step("vm/a ready", "vm/a create"), step("edge/e route", "vm/a ready"), step("vm/b create"),
			held, step("vm/x ready", "vm/x create"), step("vm/h stop"), step("vm/h archive", "vm/h stop"), nobody,
			step("vm/y create", "vm/gone create"),
		))
		want := []string{
			"vm/a create failed: no space left",
			"vm/a ready skipped: waits for vm/a create, which failed",
			"edge/e route skipped: waits for vm/a ready, which was skipped",
			"vm/b create done",
			"vm/x create held: no",
			"vm/x ready skipped: waits for vm/x create, which is held",
			"vm/h stop held: its stamp is gone",
			"vm/h archive skipped: waits for vm/h stop, which is held",
			"tape/t create failed: no applyer looks after tape",
			"vm/y create done",
		}
		if diff := cmp.Diff(want, told(outcomes)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if _, begun := a.begun["vm/x create"]; begun || len(a.begun) != 4 {
			t.Errorf("begun: %v", a.log)
		}
	})
}

// event writes an event as a test reads it.
func event(e applyers.Event) string {
	switch {
	case e.Started:
		return e.String() + " started"
	case e.Task != "":
		return e.String() + " task " + e.Task
	case e.Line != "":
		return e.String() + " says " + e.Line
	case e.Outcome != nil:
		return e.String() + " " + string(e.Outcome.Status)
	default:
		return e.String() + " nothing"
	}
}

// talkative tells everything there is to tell.
func talkative(a *actor) *actor {
	a.otherwise = func(_ context.Context, job applyers.Job, p applyers.Progress) error {
		if err := p.Task("UPID:" + string(job.ID)); err != nil {
			return err
		}
		a.note(job.String(), "has a task", nil, 0)
		p.Say("50 %")
		p.Field("tags", nil)
		p.Field("memory", errors.New("hotplug failed"))
		return nil
	}
	return a
}

func TestExecuteTellsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := talkative(&actor{})
		var events []string
		e := execution(a, step("vm/a create"), step("vm/a ready", "vm/a create"), step("vm/b create", "vm/zz create"))
		e.Plan.Changes[2].Held = "no"
		e.Events = func(ev applyers.Event) error {
			events = append(events, event(ev))
			return nil
		}
		outcomes := execute(t, t.Context(), e)
		want := []string{
			"vm/b create held",
			"vm/a create started", "vm/a create task UPID:vm/a", "vm/a create says 50 %", "vm/a create done",
			"vm/a ready started", "vm/a ready task UPID:vm/a", "vm/a ready says 50 %", "vm/a ready done",
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		o := outcomes[0]
		if diff := cmp.Diff(map[desired.Path]string{"tags": "", "memory": "hotplug failed"}, o.Results); diff != "" {
			t.Error(diff)
		}
		if !slices.Equal(o.Lines, []string{"50 %"}) || !slices.Equal(o.Tasks, []string{"UPID:vm/a"}) {
			t.Errorf("lines %v, tasks %v", o.Lines, o.Tasks)
		}
	})
}

// A step may tell from several goroutines at once.
func TestExecuteProgressFromManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{otherwise: func(_ context.Context, job applyers.Job, p applyers.Progress) error {
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					p.Say(strconv.Itoa(i))
					p.Field(desired.Path(fmt.Sprintf("hosts.h%d", i)), nil)
					p.Made(job.ID, desired.FactAddress, "10.1.1.1")
					if err := p.Task(strconv.Itoa(i)); err != nil {
						t.Error(err)
					}
					job.Fact(job.ID, desired.FactAddress)
				})
			}
			wg.Wait()
			return nil
		}}
		for _, o := range execute(t, t.Context(), execution(a, step("vm/a create"), step("vm/b create"))) {
			if len(o.Lines) != 10 || len(o.Tasks) != 10 || len(o.Results) != 10 {
				t.Errorf("%s: %d lines, %d tasks, %d results", o.Key, len(o.Lines), len(o.Tasks), len(o.Results))
			}
		}
	})
}

// What the planner holds since it waits for itself is told as held, not lost.
func TestExecuteTellsACircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := step("vm/a create", "vm/b create"), step("vm/b create", "vm/a create")
		a.Held, b.Held = "waits for itself", "waits for itself"
		outcomes := execute(t, t.Context(), execution(&actor{}, a, b, step("vm/c create", "vm/a create")))
		want := []string{"vm/a create held: waits for itself", "vm/b create held: waits for itself", "vm/c create skipped: waits for vm/a create, which is held"}
		if diff := cmp.Diff(want, told(outcomes)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// A plan that waits for itself is held by the planner; carried out all the same,
// it must end, not hang.
func TestExecuteEndsOnACircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcomes, err := applyers.Execute(t.Context(), execution(&actor{}, step("vm/a create", "vm/b create"), step("vm/b create", "vm/a create"), step("vm/c create")))
		if err != nil {
			t.Fatal(err)
		}
		if len(outcomes) == 0 || outcomes[len(outcomes)-1].ID != "vm/c" {
			t.Errorf("outcomes %v", told(outcomes))
		}
	})
}

func TestByKind(t *testing.T) {
	a := &actor{}
	byKind := applyers.ByKind(a)
	if len(byKind) != 2 || byKind["vm"] != a || byKind["edge"] != a {
		t.Errorf("by kind: %v", byKind)
	}
	if steps := applyers.StepsByKind(byKind); len(steps) != 2 || steps["vm"] == nil || steps["edge"] == nil {
		t.Errorf("steps: %v", steps)
	}
}
