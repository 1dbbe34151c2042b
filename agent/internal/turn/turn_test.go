package turn_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	past "berth/agent/internal/history"
	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

func TestApplyThenNothing(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	turner := newTurner(t, r, c)

	rep := run(t, turner, report.Drift)
	if !rep.Differs() || len(rep.Outcomes) != 0 {
		t.Errorf("drift: differs %v, outcomes %v", rep.Differs(), rep.Outcomes)
	}
	wantMade(t, c)
	if _, ok := r.Accepted(); ok {
		t.Error("a dry run accepted a commit")
	}

	rep = run(t, turner, report.Run)
	wantMade(t, c, "image/debian@home fetch", "ct/web create")
	if rep.Differs() || rep.Stats.Writes != 1 {
		t.Errorf("after an apply: differs %v, stats %+v", rep.Differs(), rep.Stats)
	}
	if rep := run(t, turner, report.Run); rep.Differs() || len(rep.Plan.Changes) != 0 {
		t.Errorf("a second turn plans %v", rep.Plan.Changes)
	}
	wantMade(t, c)
}

func TestPlanIsTheSameInDriftAndRun(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	turner := newTurner(t, r, c)
	plan := run(t, turner, report.Drift).Plan.Digest

	var changed *turn.PlanChangedError
	rep, err := turner.Run(t.Context(), turn.Request{Mode: report.Run, Plan: "0123456789abcdef"})
	if !errors.As(err, &changed) || changed.Now != plan || rep == nil {
		t.Fatalf("another plan: %v, %v", rep, err)
	}
	wantMade(t, c)
	if _, err := turner.Run(t.Context(), turn.Request{Mode: report.Run, Plan: plan}); err != nil {
		t.Fatal(err)
	}
	wantMade(t, c, "image/debian@home fetch", "ct/web create")
}

func TestBadCommitLeavesTheLastGoodOneEnforced(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	turner := newTurner(t, r, c)
	run(t, turner, report.Run)
	c.take()

	r.push("bbbb", base+"---\nkind: Container\nname: web\nid: 101\nmemory: 512\n")
	c.mu.Lock()
	delete(c.lives, "ct/web") // Somebody deletes it meanwhile.
	c.mu.Unlock()
	rep := run(t, turner, report.Run)
	if rep.Refused == nil || rep.Refused.Commit.Hash != "bbbb" || len(rep.Refused.Problems) == 0 {
		t.Fatalf("refused: %+v", rep.Refused)
	}
	if !strings.Contains(rep.Refused.Problems[0], "fleet.yaml:") {
		t.Errorf("problem without its place: %q", rep.Refused.Problems[0])
	}
	if rep.Commit.Hash != "aaaa" || !rep.Differs() {
		t.Errorf("enforced %q, differs %v", rep.Commit.Hash, rep.Differs())
	}
	wantMade(t, c, "ct/web create")

	r.push("cccc", "")
	if rep := run(t, turner, report.Run); rep.Refused == nil {
		t.Error("an emptied repository must be refused")
	}
	wantMade(t, c)
}

// TestFirstCommitThatIsRefusedIsTold names it in the history, though none was enforced.
func TestFirstCommitThatIsRefusedIsTold(t *testing.T) {
	r, c := &repository{}, newCluster()
	turner := newTurner(t, r, c)
	archive := past.Archive{Journal: t.TempDir(), History: t.TempDir()}
	turner.History = past.New(past.Options{Dir: archive.History})
	r.push("bbbb", base+"---\nkind: Container\nname: web\nid: 101\nmemory: 512\n")
	for range 2 {
		if _, err := turner.Run(t.Context(), turn.Request{Mode: report.Run}); err == nil {
			t.Fatal("a commit that does not load is taken")
		}
	}
	list, err := archive.Turns(past.Query{Limit: 4})
	if err != nil || len(list.Turns) != 1 {
		t.Fatalf("told are %+v, %v", list, err)
	}
	if got := list.Turns[0]; got.Result != "refused" || got.Refused == nil || got.Refused.Hash != "bbbb" || !strings.HasPrefix(got.Reason, "it does not load") {
		t.Errorf("told is %+v", got)
	}
	r.push("cccc", base+guest("web", "101", "512MiB"))
	run(t, turner, report.Run)
	if list, err = archive.Turns(past.Query{Limit: 1}); err != nil || list.Turns[0].Refused != nil || list.Turns[0].Commit.Hash != "cccc" {
		t.Errorf("afterwards %+v, %v", list, err)
	}
}

func TestUnreachableRepository(t *testing.T) {
	r, c := &repository{err: errors.New("no route to host")}, newCluster()
	turner := newTurner(t, r, c)
	if _, err := turner.Run(t.Context(), turn.Request{Mode: report.Run}); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Fatalf("without any commit: %v", err)
	}
	r.err = nil
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	run(t, turner, report.Run)
	r.err = errors.New("no route to host")
	if rep := run(t, turner, report.Run); rep.Refused == nil || !strings.Contains(rep.Refused.Reason, "no route to host") {
		t.Errorf("refused: %+v", rep.Refused)
	}
}

func TestStepThatDoesNotTakeIsAFailure(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	turner := newTurner(t, r, c)
	c.deaf["ct/web create"] = true
	rep := run(t, turner, report.Run)
	if rep.Summary.Failed != 1 {
		t.Fatalf("failed %d, outcomes %+v", rep.Summary.Failed, rep.Outcomes)
	}
	for _, o := range rep.Outcomes {
		if o.ID == "ct/web" && !strings.Contains(o.Reason, "still to do") {
			t.Errorf("reason %q", o.Reason)
		}
	}
	if turner.Retry().IsZero() {
		t.Error("what failed must be tried again")
	}
}

func TestWhatWaitsForAnUnlockIsTriedByTheNextTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := &repository{}, newCluster()
		r.push("aaaa", base+guest("web", "101", "512MiB"))
		turner := newTurner(t, r, c)
		c.locked["ct/web create"] = true
		rep := run(t, turner, report.Run)
		if waits := turner.Waits(); rep.Summary.Waiting != 1 || len(waits) != 0 {
			t.Errorf("%+v, and waits of %+v", rep.Summary, waits)
		}
		if at := turner.Retry(); !at.IsZero() {
			t.Errorf("tried again at %s, with nobody having unlocked anything", at)
		}
		// Somebody has.
		delete(c.locked, "ct/web create")
		run(t, turner, report.Run)
		if c.lives["ct/web"] == nil {
			t.Error("it was not made by the turn after the unlock")
		}
	})
}

func TestFailureBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := &repository{}, newCluster()
		r.push("aaaa", base+guest("web", "101", "512MiB")+guest("db", "102", "512MiB"))
		turner := newTurner(t, r, c)
		c.fail["ct/web create"] = "storage is full"
		run(t, turner, report.Run)
		wantTried := func(what string, want int) {
			t.Helper()
			n := 0
			for _, key := range c.take() {
				if key == "ct/web create" {
					n++
				}
			}
			if n != want {
				t.Errorf("%s: tried %d times, want %d", what, n, want)
			}
		}
		wantTried("first", 1)
		rep := run(t, turner, report.Run)
		wantTried("at once", 0)
		if held := rep.Plan.Change(drift.Key{ID: "ct/web", Step: drift.Create}).Held; held != "tried again at 00:00:10 UTC, or at once by `agent sync`: storage is full" {
			t.Errorf("held: %q", held)
		}
		pass(11 * time.Second)
		run(t, turner, report.Run)
		wantTried("after 10 s", 1)
		pass(11 * time.Second)
		run(t, turner, report.Run)
		wantTried("after 10 s more", 0)
		pass(10 * time.Second)
		run(t, turner, report.Run)
		wantTried("after 20 s", 1)
		if _, err := turner.Run(t.Context(), turn.Request{Mode: report.Run, Afresh: true}); err != nil {
			t.Fatal(err)
		}
		wantTried("when asked", 1)
		r.push("bbbb", base+guest("web", "101", "1GiB"))
		run(t, turner, report.Run)
		wantTried("with a new commit", 1)
	})
}

func TestNewerCommitStopsADestructiveStep(t *testing.T) {
	// The newer commit comes once all wait for the step that hangs.
	synctest.Test(t, func(t *testing.T) {
		r, c := &repository{}, newCluster()
		r.push("aaaa", base+guest("web", "101", "512MiB"))
		turner := newTurner(t, r, c)
		run(t, turner, report.Run)
		c.take()
		r.push("bbbb", base)
		hang := make(chan struct{})
		c.hangs["ct/web stop"] = hang
		time.AfterFunc(50*time.Millisecond, func() {
			r.push("cccc", base+guest("web", "101", "512MiB"))
			close(hang)
		})
		rep := run(t, turner, report.Run)
		wantMade(t, c, "ct/web stop")
		o := rep.Outcomes[len(rep.Outcomes)-1]
		if o.Status != drift.Held || !strings.Contains(o.Reason, "a newer commit, cccc, has come in") {
			t.Errorf("archive: %+v", o)
		}
	})
}

// A repository that hangs, or comes back with the commit that is enforced, keeps
// nothing from being made.
func TestRepositoryThatHangsHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := &repository{hangs: 2}, newCluster()
		r.push("aaaa", base+guest("web", "101", "512MiB")+guest("db", "102", "512MiB")+guest("wiki", "103", "512MiB"))
		c.slow = time.Second
		turner := newTurner(t, r, c)
		began := time.Now()
		rep := run(t, turner, report.Run)
		if took := time.Since(began); rep.Summary.Left != 0 || len(c.take()) != 4 || took > 10*time.Second {
			t.Errorf("it took %s, outcomes %+v", took, rep.Outcomes)
		}
	})
}

func TestRepositoryThatComesBackUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := &repository{}, newCluster()
		r.push("aaaa", base+guest("web", "101", "512MiB")+guest("db", "102", "512MiB"))
		turner := newTurner(t, r, c)
		run(t, turner, report.Run)
		c.take()
		c.mu.Lock()
		c.lives, c.slow = make(map[desired.ID]any), time.Second // Somebody has deleted all.
		c.mu.Unlock()
		r.mu.Lock()
		r.err = errors.New("no route to host")
		r.mu.Unlock()
		back := time.AfterFunc(500*time.Millisecond, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.err = nil
		})
		defer back.Stop()
		rep := run(t, turner, report.Run)
		if len(c.take()) != 3 || rep.Summary.Left != 0 {
			t.Errorf("outcomes %+v", rep.Outcomes)
		}
	})
}

func TestTooManyGoneAtOnce(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB")+guest("db", "102", "512MiB"))
	turner := newTurner(t, r, c)
	run(t, turner, report.Run)
	c.take()
	r.push("bbbb", base)
	rep := run(t, turner, report.Run)
	if rep.Summary.Held == 0 {
		t.Errorf("summary %+v", rep.Summary)
	}
	for _, key := range c.take() {
		if strings.HasSuffix(key, "archive") || strings.HasSuffix(key, "stop") {
			t.Errorf("made %s", key)
		}
	}
}

func TestNewSourceTakesNothingAwayAtFirst(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	turner := newTurner(t, r, c)
	run(t, turner, report.Run)
	c.take()
	r.push("bbbb", base)
	rep, err := turner.Run(t.Context(), turn.Request{Mode: report.Run, AcceptSource: true})
	if err != nil || rep.Summary.Held != 1 {
		t.Fatalf("%+v, %v", rep.Summary, err)
	}
	wantMade(t, c)
	run(t, turner, report.Run)
	wantMade(t, c, "ct/web stop", "ct/web archive")
}

func TestOriginIsTold(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	turner := newTurner(t, r, c)
	run(t, turner, report.Run)

	r.push("bbbb", base+guest("web", "101", "1GiB"))
	field := func() drift.Field { return run(t, turner, report.Drift).Plan.Changes[0].Fields[0] }
	if f := field(); f.Path != "memory" || f.Origin != drift.FromGit {
		t.Errorf("edited in Git: %+v", f)
	}
	r.push("aaaa", r.commits["aaaa"])
	c.mu.Lock()
	c.lives["ct/web"].(*desired.Container).Memory = 2 * desired.GiB
	c.mu.Unlock()
	if f := field(); f.Origin != drift.FromLive || f.Before.Text != "2GiB" {
		t.Errorf("edited live: %+v", f)
	}
}

func TestStoppedAgentPicksItsTasksUp(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	turner := newTurner(t, r, c)
	c.hangs["image/debian@home fetch"] = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	turner.Events = func(e applyers.Event) {
		if e.Task != "" {
			cancel() // The task has begun: now the agent is told to stop.
		}
	}
	rep, err := turner.Run(ctx, turn.Request{Mode: report.Run})
	if err != nil || rep.Summary.Left == 0 {
		t.Fatalf("stopped in mid-plan: %+v, %v", rep, err)
	}
	turner.Events = nil
	wantMade(t, c)
	c.mu.Lock()
	delete(c.hangs, "image/debian@home fetch")
	c.mu.Unlock()
	run(t, turner, report.Run)
	if want := []string{"task of image/debian@home fetch"}; !slices.Equal(c.waited, want) {
		t.Errorf("waited for %q, want %q", c.waited, want)
	}
	wantMade(t, c, "image/debian@home fetch", "ct/web create")
	c.waited = nil
	run(t, turner, report.Run)
	if len(c.waited) != 0 {
		t.Errorf("waited again for %q", c.waited)
	}
}

func TestUnknownSiteIsPlannedForNothing(t *testing.T) {
	r, c := &repository{}, newCluster()
	r.push("aaaa", base+guest("web", "101", "512MiB"))
	turner := newTurner(t, r, c)
	c.blind = []drift.Blind{{Site: "home", Reason: "401, the token has expired"}}
	rep := run(t, turner, report.Run)
	wantMade(t, c)
	if len(rep.Plan.Changes) != 0 || rep.Summary.Unknown != 1 || !rep.Differs() {
		t.Errorf("changes %v, summary %+v", rep.Plan.Changes, rep.Summary)
	}
}
