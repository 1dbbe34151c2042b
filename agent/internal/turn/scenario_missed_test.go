package turn_test

import (
	"context"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// TestADryRunPutsOffNothing: what a turn has left to do comes at its time, although
// somebody looks in between.
func TestADryRunPutsOffNothing(t *testing.T) {
	scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""))
		l.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/storage/*/download-url", Then: func() {
			l.push("bbbb", ct("other", 4002, ""))
		}})
		agent, stop := l.agent("journal")
		defer stop()
		l.mustRun(agent)
		due := agent.Retry()
		if due.IsZero() {
			l.t.Fatal("nothing is left to do")
		}
		if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Drift}); err != nil {
			l.t.Fatal(err)
		}
		if got := agent.Retry(); !got.Equal(due) {
			l.t.Errorf("the rest was due at %s, and after a dry run it is at %s", due, got)
		}
	})
}

// busyBesideDark says that something has changed on one site, and that another, which
// can't be read, is back.
type busyBesideDark struct {
	*cluster
	busy bool
}

func (b *busyBesideDark) Watch(context.Context, *desired.Fleet) []applyers.News {
	news := []applyers.News{{Site: "away", What: "it answers again"}}
	if b.busy {
		news = append(news, applyers.News{Site: "home", ID: "ct/web", What: "its configuration has changed"})
	}
	return news
}

// TestAHalfDarkSiteBesideABusyOne: a turn for what has changed on one site is no reason
// to try another any sooner, which has seemed to be back and was not.
func TestAHalfDarkSiteBesideABusyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := &repository{}, newCluster()
		r.push("aaaa", base+guest("web", "101", "512MiB"))
		both := &busyBesideDark{cluster: c}
		turner := newTurner(t, r, c)
		turner.Appliers = func(*desired.Fleet, fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
			return []applyers.Applyer{both}, func() map[string]int { return nil }, nil
		}
		run(t, turner, report.Run)
		c.blind = []drift.Blind{{Site: "away", Reason: "it is down"}}
		run(t, turner, report.Run)
		if turner.Look(t.Context()) == "" {
			t.Fatal("a site that is back is no news")
		}
		run(t, turner, report.Run)
		if why := turner.Look(t.Context()); why != "" {
			t.Fatalf("tried again at once, though it was not back: %s", why)
		}
		both.busy = true
		if turner.Look(t.Context()) == "" {
			t.Fatal("a change elsewhere is no news")
		}
		both.busy = false
		run(t, turner, report.Run)
		if why := turner.Look(t.Context()); why != "" {
			t.Errorf("tried again at once, since something changed elsewhere: %s", why)
		}
		pass(2 * time.Minute)
		if turner.Look(t.Context()) == "" {
			t.Error("after its wait it is not tried again")
		}
	})
}
