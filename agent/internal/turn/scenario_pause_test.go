package turn_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift/report"
)

func TestRetryOfWhatWasHeldIsToCome(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		agent, stop := l.agent("journal")
		defer stop()
		l.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu/4001/config", Status: 500, Reason: "no"})
		l.push("bbbb", ct("cache", 4002, ""))
		l.mustRun(agent)
		pass(11 * time.Second)
		l.repo.err = errors.New("no route to host")
		for range 3 {
			l.mustRun(agent)
			if at := agent.Retry(); !at.IsZero() && !at.After(time.Now()) {
				l.t.Errorf("to be retried %s ago", time.Since(at))
			}
			pass(100 * time.Millisecond)
		}
	})
}

func TestRetryAfterATurnThatFailed(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		agent, stop := l.agent("journal")
		defer stop()
		l.sim.Inject(pvesim.Fault{Method: "write", Path: "/nodes/*/lxc", Status: 500, Reason: "no"})
		l.push("aaaa", ct("cache", 4002, ""))
		l.mustRun(agent)
		pass(11 * time.Second)
		agent.Appliers = func(*desired.Fleet, fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
			return nil, nil, errors.New("no space left on device")
		}
		if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run}); err == nil {
			l.t.Fatal("no error")
		}
		if at := agent.Retry(); !at.IsZero() && !at.After(time.Now()) {
			l.t.Errorf("to be retried %s ago: a turn every 100 ms", time.Since(at))
		}
	})
}

func (l *land) mustRun(agent *turn.Turner) *report.Report {
	l.t.Helper()
	rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Log(told(rep), agent.Retry(), time.Now())
	return rep
}
