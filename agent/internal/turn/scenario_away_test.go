package turn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers/ansible/runner"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// Playbooks run as steps of a turn: after all steps of this turn that make their hosts
// what they are to be, and never beside one that takes a host away, since what is gone
// from Git has none. An order from outside, as a hook's, is for the next turn, and a
// commit that comes in meanwhile is for it, too. What can happen to a guest under a run
// is done at Proxmox: by a person, or by another agent. This plays all of it.

// unreached is what Ansible makes of a host that is no longer there.
var unreached = &runner.TaskError{Unreachable: true, Msg: "Failed to connect to the host via ssh: connection timed out"}

// failing are all hosts of a run, which is on one host here.
func failing(hosts []string) map[string]*runner.TaskError {
	return map[string]*runner.TaskError{hosts[0]: unreached}
}

// another lets another agent on the same cluster, which goes by manifests of its own and
// runs no playbooks, make a turn.
func (l *land) another(docs ...string) {
	o := *l
	o.repo, o.source, o.plays = &repository{}, nil, nil
	o.push("other", docs...)
	agent, stop := o.agent("other-journal")
	defer stop()
	rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
	if err != nil || told(rep) != "" {
		l.t.Errorf("the other agent: %v\n%s", err, told(rep))
	}
}

// under is what happens to a guest under a run.
type under struct {
	name string
	// happens is what happens in the middle of the first run; well tells whether that
	// comes to a good end all the same.
	happens func(l *land)
	well    bool
	// says is what the report says of the run, if it fails; "" is what Ansible says.
	says string
	// anew tells that the next turn has another guest to run on, and does so at once;
	// never that there is none of ours.
	anew, never bool
	// runs is how often the playbook has run in the end.
	runs int
}

func TestGuestGoesWhileAPlaybookRuns(t *testing.T) {
	web := ct("web", 4002, "")
	for _, test := range []under{
		{name: "nothing happens and it fails", happens: func(*land) {}, runs: 2},
		{
			name: "removed by hand", happens: func(l *land) { l.sim.Remove(4002) },
			says: "the guest went away: it was removed, or is no longer ours, while the playbook ran", anew: true, runs: 2,
		},
		{
			name: "stopped by hand", happens: func(l *land) { l.sim.SetRunning(4002, false) },
			says: "the guest was stopped while the playbook ran", runs: 2,
		},
		{
			name: "archived by another agent", happens: func(l *land) { l.another() },
			says: "the guest was archived while the playbook ran", runs: 2,
		},
		{
			name: "made anew by another agent",
			happens: func(l *land) {
				l.sim.Remove(4002)
				l.another(web)
			},
			says: "the guest was removed and made anew while the playbook ran", runs: 2,
		},
		{
			name: "made anew and the run does not see it",
			happens: func(l *land) {
				l.sim.Remove(4002)
				l.another(web)
			},
			well: true, runs: 2,
		},
		{
			name: "another stands in its place",
			happens: func(l *land) {
				g := l.guest(4002)
				l.sim.Remove(4002)
				l.sim.AddGuest(pvesim.Guest{Kind: g.Kind, Node: g.Node, VMID: 4002, Running: true, Config: map[string]string{
					"hostname": "web", "memory": "512", "rootfs": "local-lvm:vm-4002-disk-0,size=4G",
				}})
			},
			says: "the guest went away: it was removed, or is no longer ours, while the playbook ran", never: true, runs: 1,
		},
		{
			name: "handed over",
			happens: func(l *land) {
				l.sim.EditFile(4002, map[string]string{"description": "", "tags": ""})
			},
			says: "the guest went away: it was removed, or is no longer ours, while the playbook ran", never: true, runs: 1,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			scenario(t, pvesim.Options{}, func(l *land) { test.play(l, web) })
		})
	}
}

func (u under) play(l *land, web string) {
	agent, stop := l.played(web, playDoc("web", 1))
	defer stop()
	l.push("bbbb", web, playDoc("web", 2))
	l.plays.within = func(hosts []string) map[string]*runner.TaskError {
		l.plays.within = nil
		u.happens(l)
		if u.well {
			return nil
		}
		return failing(hosts)
	}
	rep := l.mustRun(agent)
	why := ""
	for _, o := range rep.Outcomes {
		if o.Step == drift.Run {
			why = o.Reason
		}
	}
	if want := u.says; !u.well && (!strings.Contains(why, want) || !strings.Contains(why, unreached.Msg)) {
		l.t.Errorf("the run ends with %q, want %q", why, want)
	}
	if u.anew {
		// Nobody waits for what has failed on a guest that is gone.
		l.mustRun(agent)
	}
	if got := len(l.plays.taken()); u.anew && got != 2 || !u.anew && got != 1 {
		l.t.Errorf("before any wait it has begun %d times", got)
	}
	for range 6 {
		if at := agent.Retry(); !at.IsZero() {
			pass(time.Until(at) + time.Second)
		} else {
			pass(time.Hour)
		}
		l.mustRun(agent)
	}
	runs := l.plays.taken()
	if len(runs) != u.runs || u.runs > 1 && !runs[1].ended {
		l.t.Errorf("it ran %+v, want %d", runs, u.runs)
	}
	if held := l.kept(agent); (held != "") != u.never {
		l.t.Errorf("in the end it is held by %q", held)
	}
}

// played is an agent that has made a fleet and run its playbook.
func (l *land) played(docs ...string) (agent *turn.Turner, stop func()) {
	l.play()
	l.push("aaaa", docs...)
	agent, stop = l.agent("journal")
	l.mustRun(agent)
	if len(l.plays.taken()) == 0 || l.kept(agent) != "" {
		l.t.Errorf("ran %+v, held by %q", l.plays.taken(), l.kept(agent))
	}
	l.plays.log = nil
	return agent, stop
}

// kept tells what keeps the playbook from running; "" where it is not due.
func (l *land) kept(agent *turn.Turner) string {
	rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Drift})
	if err != nil {
		l.t.Fatal(err)
	}
	c := rep.Plan.Change(drift.Key{ID: "play/base", Step: drift.Run})
	if c == nil {
		return ""
	}
	return fmt.Sprint(c.Held, c.Fields[0].Held)
}

// A commit that comes in while a playbook runs is for the next turn, which knows nothing
// of the guest any more that this one takes away.
func TestGuestLeavesGitWhileAPlaybookRuns(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.play()
		web, db := ct("web", 4002, ""), ct("db", 4003, "")
		l.push("aaaa", web, db, playDoc("web:db", 1))
		l.plays.within = func([]string) map[string]*runner.TaskError {
			l.push("bbbb", db, playDoc("db", 2))
			return nil
		}
		agent, stop := l.agent("journal")
		defer stop()
		l.mustRun(agent)
		if !l.guest(4002).Running {
			l.t.Error("it was taken away under the playbook")
		}
		l.plays.within = nil
		l.mustRun(agent)
		if got := l.plays.began(0); !slices.Equal(got, []string{"db", "db", "web"}) {
			l.t.Errorf("it ran on %q", got)
		}
		if g := l.guest(4002); g.Running || !strings.Contains(g.Config["description"], " archived=") {
			l.t.Errorf("gone from Git: %+v", g)
		}
		if l.plays.seen["web"] != nil || l.plays.seen["db"] == nil {
			l.t.Errorf("the inventory after that has %v", l.plays.seen)
		}
		if known := agent.Known(); known.Fleet.Resource("ct/web") != nil || known.Addresses["ct/web"] != "" {
			l.t.Error("whoever asks between turns is told of it still")
		}
		// It comes back as it was, and as what it was: nothing is due there but what is new.
		l.push("cccc", web, db, playDoc("web:db", 2))
		ran := len(l.plays.taken())
		l.mustRun(agent)
		if got := l.plays.began(ran); !slices.Equal(got, []string{"web"}) {
			l.t.Errorf("restored, it ran on %q", got)
		}
	})
}

// A failure is the very guest's: where nothing is tried again, a guest that was made anew
// is not what it failed on.
func TestNoRetryIsOfTheVeryGuest(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		doc := playDoc("web", 1) + "retry: false\n"
		agent, stop := l.played(ct("web", 4002, ""), doc)
		defer stop()
		l.push("bbbb", ct("web", 4002, ""), strings.Replace(doc, "edition: 1", "edition: 2", 1))
		l.plays.within = func(hosts []string) map[string]*runner.TaskError {
			l.plays.within = nil
			l.sim.Remove(4002)
			return failing(hosts)
		}
		for range 2 {
			l.mustRun(agent)
		}
		if runs := l.plays.taken(); len(runs) != 2 || !runs[1].ended {
			l.t.Errorf("it ran %+v", runs)
		}
		if _, _, failed := agent.Journal.Failed("play/base", "web"); failed {
			l.t.Error("the failure of another guest is remembered")
		}
	})
}

// What somebody asks for while the very run is under way is for the next turn, and is for
// the guest that stands there then.
func TestAskedForAGuestThatGoes(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		agent, stop := l.played(ct("web", 4002, ""), playDoc("web", 1))
		defer stop()
		l.push("bbbb", ct("web", 4002, ""), playDoc("web", 2))
		l.plays.within = func(hosts []string) map[string]*runner.TaskError {
			l.plays.within = nil
			if _, all, err := agent.Provision("web", "a webhook"); err != nil || !slices.Equal(all, []desired.ID{"play/base"}) {
				l.t.Errorf("asked for %v: %v", all, err)
			}
			l.sim.Remove(4002)
			return failing(hosts)
		}
		for range 3 {
			l.mustRun(agent)
		}
		if runs := l.plays.taken(); len(runs) != 2 || !runs[1].ended {
			l.t.Errorf("it ran %+v", runs)
		}
		if why, asked := agent.Journal.Asked("play/base", "web"); asked {
			l.t.Errorf("it has run on the new guest, and is asked for still: %q", why)
		}
	})
}
