package turn_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/journal"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

func scene2(t *testing.T, spoil func(l *land)) {
	scenario(t, pvesim.Options{TaskTime: func(string) time.Duration { return time.Minute }, Nodes: []string{"pve1", "pve2"}}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")))
		l.apply()
		l.push("bbbb", ct("cache", 4002, expose("cache.example.net")), ct("other", 4003, "node: pve2\n"))
		ctx, cancel := context.WithCancel(l.t.Context())
		time.AfterFunc(30*time.Second, cancel)
		agent, stop := l.agent("journal")
		if _, err := agent.Run(ctx, turn.Request{Mode: report.Run}); err != nil {
			l.t.Fatal(err)
		}
		stop()
		spoil(l)
		begin := time.Now()
		agent, stop = l.agent("journal")
		defer stop()
		for range 2 {
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
			if err != nil || rep == nil {
				l.t.Errorf("after %s no turn at all: %v", time.Since(begin), err)
			}
		}
	})
}

func TestNodeOfALeftTaskIsDown(t *testing.T) {
	scene2(t, func(l *land) { l.sim.SetOnline("pve2", false) })
}

func TestSiteOfALeftTaskIsRenamed(t *testing.T) {
	scene2(t, func(l *land) {
		l.repo.push("cccc", strings.ReplaceAll(l.repo.commits["bbbb"], "name: home", "name: casa"))
	})
}

func TestLeftTaskIsNotKnownAnyMore(t *testing.T) {
	scene2(t, func(l *land) {
		l.sim.Inject(pvesim.Fault{Path: "/nodes/*/tasks/*/status", Status: 500, Reason: "no such task", Count: -1})
	})
}

func TestTokenOfALeftTaskIsRevoked(t *testing.T) {
	scene2(t, func(l *land) { l.token = "berth@pve!agent=00000000-0000-0000-0000-000000000000" })
}

// TestATaskThatNobodyKnowsIsAskedForOnce: Proxmox forgets old tasks, and a site may be
// gone from Git. What can't be waited for any more is no reason to ask at every turn.
func TestATaskThatNobodyKnowsIsAskedForOnce(t *testing.T) {
	for name, spoil := range map[string]func(l *land){
		"forgotten": func(l *land) {
			l.sim.Inject(pvesim.Fault{
				Path: "/nodes/*/tasks/*/status", Status: 400, Reason: "Parameter verification failed.",
				Body: `{"data":null,"errors":{"upid":"no such task"}}`, Count: -1,
			})
		},
		"its site is renamed": func(l *land) {
			l.repo.push("cccc", strings.ReplaceAll(l.repo.commits["bbbb"], "name: home", "name: casa"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
				l.push("bbbb", vm("web", 4001, ""))
				ctx, cancel := context.WithCancel(l.t.Context())
				time.AfterFunc(time.Second, cancel)
				agent, stop := l.agent("journal")
				if _, err := agent.Run(ctx, turn.Request{Mode: report.Run}); err != nil {
					l.t.Fatal(err)
				}
				stop()
				if left := l.unfinished(); left == 0 {
					l.t.Fatal("no task was left")
				}
				pass(time.Hour)
				spoil(l)
				l.turn()
				if left := l.unfinished(); left > 0 {
					l.t.Errorf("%d steps are waited for still", left)
				}
			})
		})
	}
}

// unfinished counts the steps that the journal holds for begun.
func (l *land) unfinished() int {
	l.t.Helper()
	j, err := journal.Open(journal.Options{Dir: l.path("journal"), Now: l.now})
	if err != nil {
		l.t.Fatal(err)
	}
	defer j.Close()
	left, err := j.Unfinished()
	if err != nil {
		l.t.Fatal(err)
	}
	return len(left)
}
