package turn_test

import (
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

// A guest that asks for a window is rebooted in the next one, and not before: what
// is changed is written at once.
func TestRebootWaitsForItsWindow(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.fleet = "windows: [{cron: \"0 3 * * *\", for: 1h}]\n"
		web := vm("web", 4001, "lifecycle: {reboot: window}\n")
		l.push("aaaa", web)
		l.apply()
		agent, stop := l.agent("other")
		defer stop()
		run := func() *report.Report {
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
			if err != nil {
				l.t.Fatal(err)
			}
			return rep
		}
		l.push("bbbb", strings.Replace(web, "1GiB", "2GiB", 1))
		rep := run()
		reboot := rep.Plan.Change(drift.Key{ID: "vm/web", Step: drift.Reboot})
		opens := time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC)
		if reboot == nil || reboot.Held != "it waits for a maintenance window: the next opens Sat 1 Jan 2000 03:00 UTC (fleet.yaml:6)" {
			l.t.Fatalf("the reboot: %+v", reboot)
		}
		if at := agent.Retry(); !at.Equal(opens) {
			l.t.Errorf("the next turn is due at %s", at)
		}
		l.mark()
		if again := run(); len(l.written()) > 0 || again.Plan.Change(reboot.Key) == nil {
			l.t.Errorf("it is not quiet until then: %q", l.written())
		}
		pass(time.Until(opens) + time.Second)
		if said := told(run()); said != "" {
			l.t.Fatalf("in its window: %s", said)
		}
		if n := strings.Count(strings.Join(l.written(), "\n"), "/status/reboot"); n != 1 {
			l.t.Errorf("rebooted %d times", n)
		}
		l.settled()
	})
}

// A deletion waits for a window, be it at the end of the archive or by state:
// absent; archiving does not.
func TestDeletionsWaitForAWindow(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.fleet = "windows: [{cron: \"0 3 * * *\", for: 1h}]\n"
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", vm("web", 4001, "state: absent\n"))
		l.mark()
		rep := l.turn()
		held := rep.Plan.Change(drift.Key{ID: "vm/web", Step: drift.Delete})
		if held == nil || !strings.HasPrefix(held.Held, "it waits for a maintenance window: the next opens Sat 1 Jan 2000 03:00 UTC") {
			l.t.Fatalf("the deletion: %+v", held)
		}
		for _, line := range l.written() {
			if strings.Contains(line, "/4001") {
				l.t.Errorf("it was written to a guest that waits: %s", line)
			}
		}
		if !l.guest(4001).Running || l.guest(4002).Running {
			l.t.Error("the wrong guest has been stopped")
		}
		pass(3*time.Hour + time.Minute)
		l.apply()
		if _, there := l.sim.Guest(4001); there {
			l.t.Error("it was not deleted in the window")
		}
		pass(8 * 24 * time.Hour)
		if rep := l.turn(); !strings.HasPrefix(rep.Plan.Change(drift.Key{ID: "ct/cache", Step: drift.Delete}).Held, "it waits for") {
			pass(2 * time.Hour)
		}
		pass(23*time.Hour + 30*time.Minute)
		l.apply()
		if _, there := l.sim.Guest(4002); there {
			l.t.Error("the archived one was not deleted in the window")
		}
	})
}

// What the plan would have done in a window is not begun when that is over.
func TestAWindowThatShutsMidway(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.fleet = "windows: [{cron: \"0 3 * * *\", for: 1h}]\n"
		l.push("aaaa", vm("web", 4001, ""))
		l.apply()
		l.push("bbbb", vm("web", 4001, "state: absent\n"))
		pass(4*time.Hour - time.Second)
		var late atomic.Bool
		agent, stop := l.agent("other")
		defer stop()
		// The clock goes on between planning and the step.
		agent.Events = func(applyers.Event) { late.Store(true) }
		agent.Now = func() time.Time {
			if late.Load() {
				return l.now().Add(time.Minute)
			}
			return l.now()
		}
		rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
		if err != nil {
			l.t.Fatal(err)
		}
		if c := rep.Plan.Change(drift.Key{ID: "vm/web", Step: drift.Delete}); c == nil || c.Held != "" {
			l.t.Fatalf("the plan was made too late: %+v", c)
		}
		if got := told(rep); !strings.Contains(got, "it waits for a maintenance window: the next opens Sun 2 Jan 2000 03:00 UTC") {
			l.t.Errorf("%s", got)
		}
		if _, there := l.sim.Guest(4001); !there {
			l.t.Error("it was deleted after the window")
		}
	})
}
