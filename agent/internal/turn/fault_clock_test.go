package turn_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// The agent's clock is wrong by days while Proxmox's is right, and the other way
// round: nothing is deleted by date before the later-safe clock says so, and while
// they are five minutes apart nothing is at all.
func TestClockAndTheArchive(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		s := l.tells("faults/clock-archive")
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.apply()
		off := func(by time.Duration) { l.now = func() time.Time { return time.Now().Add(by) } }
		off(30 * 24 * time.Hour)
		l.held(s, "archived an hour ago, and our clock jumps 30 days ahead")
		off(-30 * 24 * time.Hour)
		l.held(s, "it jumps 30 days back")
		pass(8 * 24 * time.Hour)
		l.held(s, "the time is up by Proxmox's clock, and ours is 30 days behind")
		off(5 * time.Minute)
		l.held(s, "the time is up by both, which are 5 minutes apart")
		off(4*time.Minute + 50*time.Second)
		l.goes(s, "they are less than that apart")
		if _, there := l.sim.Guest(4001); there {
			l.t.Error("it is still there")
		}
	})
}

// Proxmox's clock is the one that is wrong.
func TestClockOfProxmoxAndTheArchive(t *testing.T) {
	var ahead time.Duration
	scenario(t, pvesim.Options{Now: func() time.Time { return time.Now().Add(ahead) }}, func(l *land) {
		s := l.tells("faults/clock-of-proxmox")
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.apply()
		ahead = 30 * 24 * time.Hour
		l.held(s, "archived an hour ago, and Proxmox's clock jumps 30 days ahead")
		ahead = 0
		pass(8 * 24 * time.Hour)
		ahead = -30 * 24 * time.Hour
		l.held(s, "the time is up by our clock, and Proxmox's is 30 days behind")
		ahead = 0
		l.goes(s, "it is set right")
	})
}

// The clock jumps between the plan of a deletion and its step.
func TestClockJumpsAmidATurn(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		s := l.tells("faults/clock-amid-a-turn")
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.apply()
		pass(8 * 24 * time.Hour)
		late := false
		l.now = func() time.Time {
			if late {
				return time.Now().Add(-3 * 24 * time.Hour)
			}
			return time.Now()
		}
		agent, stop := l.agent("journal")
		defer stop()
		agent.Events = func(applyers.Event) { late = true }
		l.mark()
		rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
		if err != nil {
			l.t.Fatal(err)
		}
		s.report("the time is up, and our clock is set 3 days back before the step", rep)
		l.nothing("the clock was set back")
		if _, there := l.sim.Guest(4001); !there {
			l.t.Error("it was deleted")
		}
	})
}

// A clock that is set back far holds nothing up for longer than its back-off, and
// one that is set ahead lets nothing be tried without a pause.
func TestClockAndTheBackOff(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		s := l.tells("faults/clock-back-off")
		l.write("berth/stream.conf", "")
		l.push("0000")
		l.turn()
		agent, stop := l.agent("journal")
		defer stop()
		var off time.Duration
		agent.Now = func() time.Time { return time.Now().Add(off) }
		run := func(what string) *report.Report {
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
			if err != nil {
				l.t.Fatal(err)
			}
			s.report(what, rep)
			return rep
		}
		l.push("aaaa", ct("cache", 4002, ""))
		l.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Status: 500, Reason: "no", Count: -1})
		run("a creation fails")
		off = -7 * 24 * time.Hour
		pass(time.Second)
		run("a second later our clock is set a week back")
		if wait := agent.Retry().Sub(agent.Now()); wait > time.Hour || wait <= 0 {
			l.t.Errorf("it is tried again in %s", wait)
		}
		l.sim.Heal()
		pass(time.Hour)
		run("an hour later nothing is wrong any more")
		if !l.guest(4002).Running {
			l.t.Error("it waits on for the former clock")
		}
	})
}

// Windows and approvals are judged by the clock as it is: set back, what was open is
// shut, and what was over counts again; nothing is done outside.
func TestClockAndWindows(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		s := l.tells("faults/clock-windows")
		l.fleet = "windows: [{cron: \"0 3 * * *\", for: 1h}]\n"
		l.push("aaaa", vm("web", 4001, ""))
		l.apply()
		l.push("bbbb", vm("web", 4001, "state: absent\n"))
		l.now = func() time.Time { return time.Now().Add(3*time.Hour + 30*time.Minute) }
		l.held(s, "our clock is 3 h 30 min ahead, and by it a window is open")
		l.now = time.Now
		pass(3*time.Hour + 30*time.Minute)
		l.now = func() time.Time { return time.Now().Add(-3 * time.Hour) }
		l.held(s, "a window is open by Proxmox's clock, and ours is 3 h behind")
		l.now = time.Now
		l.goes(s, "both are right")
	})
}

// A turn's id is later than all before it, whatever the clock does, in one life of
// the agent and over several.
func TestClockAndTurnIDs(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("0000")
		var ids []string
		for _, off := range []time.Duration{0, 48 * time.Hour, -48 * time.Hour, 0, time.Hour} {
			l.now = func() time.Time { return time.Now().Add(off) }
			agent, stop := l.agent("journal")
			for range 2 {
				rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
				if err != nil {
					l.t.Fatal(err)
				}
				ids = append(ids, rep.Turn)
				l.push("v"+rep.Turn, ct("cache", 4002, "tags: [t"+regexp.MustCompile(`[^0-9]`).ReplaceAllString(rep.Turn, "")+"]\n"))
			}
			stop()
		}
		if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
			l.t.Errorf("ids %s", strings.Join(ids, " "))
		}
	})
}
