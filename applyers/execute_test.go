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

// edgeFleet routes two names, one to a guest whose address nobody knows yet.
func edgeFleet() *desired.Fleet {
	return &desired.Fleet{Resources: []*desired.Resource{{ID: "edge/e", Spec: &desired.Edge{TLS: desired.EdgeTLS{Routes: map[string]desired.Target{
		"a.example.com": {Text: "vm/a:443"}, "b.example.com": {Text: "10.1.1.9:443"},
	}}}}}}
}

func routeBoth() drift.Change {
	c := step("edge/e route")
	c.Fields = []drift.Field{
		{Path: "tls.routes[a.example.com]", After: drift.Value{Text: "vm/a:443", From: "vm/a address"}, Wait: parseAll([]string{"vm/a ready"})},
		{Path: "tls.routes[b.example.com]", After: drift.Value{Text: "10.1.1.9:443"}},
	}
	return c
}

// What one step makes known, the steps after it are given.
func TestExecuteHandsOnWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []drift.Field
		var fact string
		a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
			"vm/a ready": func(_ context.Context, _ applyers.Job, p applyers.Progress) error {
				p.Made("vm/a", desired.FactAddress, "10.1.1.7")
				return nil
			},
			"edge/e route": func(_ context.Context, job applyers.Job, _ applyers.Progress) error {
				got = job.Fields
				fact, _ = job.Fact("vm/a", desired.FactAddress)
				if job.Want == nil || job.Want.ID != "edge/e" {
					t.Errorf("wanted: %+v", job.Want)
				}
				return nil
			},
		}}
		e := execution(a, step("vm/a create"), step("vm/a ready", "vm/a create"), routeBoth())
		e.World = drift.NewWorld(edgeFleet(), nil)
		execute(t, t.Context(), e)
		var values []drift.Value
		for _, f := range got {
			values = append(values, f.After)
		}
		if diff := cmp.Diff([]drift.Value{{Text: "10.1.1.7:443"}, {Text: "10.1.1.9:443"}}, values); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if fact != "10.1.1.7" {
			t.Errorf("fact %q", fact)
		}
		if e.Plan.Changes[2].Fields[0].After.From == "" {
			t.Error("the plan was changed")
		}
	})
}

// A field that waits in vain is left out; the others of its change go on.
func TestExecuteLeavesOutFields(t *testing.T) {
	nothing := func(context.Context, applyers.Job, applyers.Progress) error { return nil }
	for name, row := range map[string]struct {
		create func(context.Context, applyers.Job, applyers.Progress) error
		alone  bool
		want   string
		routed []desired.Path
		// results tell of the field that was left out, so that it does not look
		// done.
		results map[desired.Path]string
	}{
		"the others go on": {
			fails, false, "edge/e route done",
			[]desired.Path{"tls.routes[b.example.com]"},
			map[desired.Path]string{"tls.routes[a.example.com]": "waits for vm/a ready, which was skipped", "tls.routes[b.example.com]": ""},
		},
		"nothing is left":         {fails, true, "edge/e route skipped: waits for vm/a ready, which was skipped", nil, nil},
		"the value stays unknown": {nothing, true, "edge/e route skipped: vm/a address is still not known", nil, nil},
		"unknown, the others go on": {
			nothing, false, "edge/e route done",
			[]desired.Path{"tls.routes[b.example.com]"},
			map[desired.Path]string{"tls.routes[a.example.com]": "vm/a address is still not known", "tls.routes[b.example.com]": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var routed []desired.Path
				a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
					"vm/a create": row.create, "vm/a ready": nothing,
					"edge/e route": func(_ context.Context, job applyers.Job, _ applyers.Progress) error {
						for _, f := range job.Fields {
							routed = append(routed, f.Path)
						}
						return nil
					},
				}}
				route := routeBoth()
				if row.alone {
					route.Fields = route.Fields[:1]
				}
				e := execution(a, step("vm/a create"), step("vm/a ready", "vm/a create"), route)
				e.World = drift.NewWorld(edgeFleet(), nil)
				outcomes := execute(t, t.Context(), e)
				if got := told(outcomes)[2]; got != row.want {
					t.Errorf("got %q, want %q", got, row.want)
				}
				if diff := cmp.Diff(row.routed, routed); diff != "" {
					t.Errorf("routed (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(row.results, outcomes[2].Results); diff != "" {
					t.Errorf("results (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What is taken out of service waits for the very field that frees it: that its
// change went on without that field is not enough.
func TestExecuteWaitsForWhatLetsGo(t *testing.T) {
	a, b := desired.Path("tls.routes[a.example.com]"), desired.Path("tls.routes[b.example.com]")
	for name, row := range map[string]struct {
		create, route func(context.Context, applyers.Job, applyers.Progress) error
		want          []string
	}{
		"all is well": {
			nil, nil,
			[]string{"vm/old stop done", "vm/older stop done"},
		},
		"the new target fails": {
			fails, nil,
			[]string{"vm/old stop skipped: waits for edge/e route of tls.routes[a.example.com], which was not done: waits for vm/a ready, which was skipped", "vm/older stop done"},
		},
		"one name fails": {
			nil,
			func(_ context.Context, _ applyers.Job, p applyers.Progress) error {
				p.Field(a, nil)
				p.Field(b, errors.New("changed by hand"))
				return nil
			},
			[]string{"vm/old stop done", "vm/older stop skipped: waits for edge/e route of tls.routes[b.example.com], which was not done: changed by hand"},
		},
		"one name is not tried": {
			nil,
			func(_ context.Context, _ applyers.Job, p applyers.Progress) error {
				p.Field(a, nil)
				return nil
			},
			[]string{"vm/old stop done", "vm/older stop skipped: waits for edge/e route of tls.routes[b.example.com], which was not done: it was not tried"},
		},
		"the step fails": {
			nil, fails,
			[]string{"vm/old stop skipped: waits for edge/e route, which failed", "vm/older stop skipped: waits for edge/e route, which failed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				act := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
					"vm/a create": row.create, "edge/e route": row.route,
					"vm/a ready": func(_ context.Context, _ applyers.Job, p applyers.Progress) error {
						p.Made("vm/a", desired.FactAddress, "10.1.1.7")
						return nil
					},
				}}
				old, older := step("vm/old stop"), step("vm/older stop")
				route := drift.Key{ID: "edge/e", Step: drift.Route}
				old.WaitFields, older.WaitFields = []drift.FieldKey{{Key: route, Path: a}}, []drift.FieldKey{{Key: route, Path: b}}
				e := execution(act, old, older, step("vm/a create"), step("vm/a ready", "vm/a create"), routeBoth())
				e.World = drift.NewWorld(edgeFleet(), nil)
				if diff := cmp.Diff(row.want, told(execute(t, t.Context(), e))[:2]); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A field that a guard holds is not handed to the applyer.
func TestExecuteLeavesOutHeldFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var routed []desired.Path
		a := &actor{otherwise: func(_ context.Context, job applyers.Job, _ applyers.Progress) error {
			for _, f := range job.Fields {
				routed = append(routed, f.Path)
			}
			return nil
		}}
		c := step("vm/a online")
		c.Fields = []drift.Field{{Path: "disks.scsi0.size", Held: "disks never shrink"}, {Path: "tags"}}
		whole := step("vm/b online")
		whole.Fields = c.Fields[:1]
		outcomes := execute(t, t.Context(), execution(a, c, whole))
		if diff := cmp.Diff([]desired.Path{"tags"}, routed); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"vm/a online done", "vm/b online skipped: disks never shrink"}, told(outcomes)); diff != "" {
			t.Error(diff)
		}
	})
}

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
		if diff := cmp.Diff([]string{"vm/a create left: the agent is stopping; the next turn goes on", "vm/b create done"}, told(outcomes)); diff != "" {
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
