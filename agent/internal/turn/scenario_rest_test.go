package turn_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/drift"
	"berth/drift/report"
)

// While the agent is paused its turns look, and tell polls what they have seen; nothing
// is changed, and no commit taken.
func TestPausedTurnLooksOnly(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""))
		agent, stop := l.agent("journal")
		l.mustRun(agent)
		l.mustRun(agent)
		look := turn.Request{Mode: report.Drift, Paused: true, Why: "sweep"}
		l.push("bbbb", strings.Replace(vm("web", 4001, ""), "1GiB", "2GiB", 1), ct("cache", 4002, ""))
		l.mark()
		rep, err := agent.Run(l.t.Context(), look)
		if err != nil || !rep.Differs() || rep.Commit.Hash != "bbbb" {
			l.t.Fatalf("it sees: %+v, %v", rep, err)
		}
		pass(time.Minute)
		l.sim.Edit("root@pam", 4001, map[string]string{"name": "by-hand"})
		if news := agent.Look(l.t.Context()); !strings.Contains(news, "vm/web") {
			l.t.Errorf("a poll after a change by hand tells %q", news)
		}
		if _, err := agent.Run(l.t.Context(), look); err != nil {
			l.t.Fatal(err)
		}
		if news := agent.Look(l.t.Context()); news != "" {
			l.t.Errorf("what a turn has looked at is no news: %q", news)
		}
		if wrote := l.written(); len(wrote) > 0 {
			l.t.Errorf("it wrote %q", wrote)
		}
		if c, _ := l.repo.Accepted(); c.Hash != "aaaa" {
			l.t.Errorf("it has taken commit %s", c.Hash)
		}
		// What Git has changed since counts as changed by Git, however long the pause was.
		rep, err = agent.Run(l.t.Context(), turn.Request{Mode: report.Run, Why: "resumed"})
		if err != nil || rep.Summary.Failed > 0 {
			l.t.Fatalf("resumed: %v", err)
		}
		found := false
		for _, c := range rep.Plan.Changes {
			for _, f := range c.Fields {
				if c.ID == "vm/web" && f.Path == "memory.size" {
					found = true
					if f.Origin != drift.FromGit {
						l.t.Errorf("%s comes from %v", f.Path, f.Origin)
					}
				}
			}
		}
		if !found {
			l.t.Errorf("no change of the memory: %+v", rep.Plan.Changes)
		}
		stop()
		l.settled()
	})
}

// Who pauses the agent in the middle of a turn has what has begun end, and no more begin.
func TestPauseInTheMiddleOfATurn(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""), ct("queue", 4003, ""))
		agent, stop := l.agent("journal")
		defer stop()
		var resting atomic.Bool
		agent.Paused = func() error {
			if resting.Load() {
				return errors.New("the agent is paused since noon by ann")
			}
			return nil
		}
		agent.Events = func(e applyers.Event) {
			if e.Step == drift.Create && e.Task != "" {
				resting.Store(true)
			}
		}
		rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
		if err != nil {
			l.t.Fatal(err)
		}
		made, left := 0, 0
		for _, o := range rep.Outcomes {
			switch {
			case o.Step == drift.Create && o.Status == drift.Done:
				made++
			case o.Status == drift.Left && strings.Contains(o.Reason, "paused since noon by ann"):
				left++
			case o.Status == drift.Failed:
				l.t.Errorf("%s: %s", o.Key, o.Reason)
			}
		}
		if made == 0 || left == 0 {
			l.t.Errorf("%d made, %d left", made, left)
		}
		resting.Store(false)
		agent.Events = nil
		pass(time.Minute)
		l.mustRun(agent)
		l.madeOnce(4001, 4002, 4003)
	})
}

// A turn about one guest does not forget the window that another waits for.
func TestATurnAboutOneGuestForgetsNoWindow(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.fleet = "windows: [{cron: \"0 3 * * *\", for: 1h}]\n"
		web := vm("web", 4001, "lifecycle: {reboot: window}\n")
		l.push("aaaa", web, ct("cache", 4002, ""))
		l.apply()
		agent, stop := l.agent("other")
		defer stop()
		l.push("bbbb", strings.Replace(web, "1GiB", "2GiB", 1), ct("cache", 4002, ""))
		l.mustRun(agent)
		opens := time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC)
		if at := agent.Retry(); !at.Equal(opens) {
			l.t.Fatalf("the next turn is due at %s", at)
		}
		if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run, Only: []string{"ct/cache"}}); err != nil {
			l.t.Fatal(err)
		}
		if at := agent.Retry(); !at.Equal(opens) {
			l.t.Errorf("after a turn about another guest it is due at %s", at)
		}
	})
}
