package proxmox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

// killer ends the agent at its n-th request, before it is sent; or at its n-th
// write, after the server has done it and before the answer is read.
type killer struct {
	below http.RoundTripper
	kill  context.CancelFunc
	after bool

	mu   sync.Mutex
	left int
	dead bool
}

var errKilled = errors.New("the agent was killed")

func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	k.mu.Lock()
	if !k.after || r.Method != http.MethodGet {
		k.left--
	}
	last := k.left == 0 && !k.dead && (!k.after || r.Method != http.MethodGet)
	if k.dead || last && !k.after {
		k.dead = true
		k.mu.Unlock()
		k.kill()
		return nil, errKilled
	}
	k.mu.Unlock()
	res, err := k.below.RoundTrip(r)
	if last {
		k.mu.Lock()
		k.dead = true
		k.mu.Unlock()
		k.kill()
		if err == nil {
			_ = res.Body.Close()
		}
		return nil, errKilled
	}
	return res, err
}

// slowTasks lets every task take a while, so that kills fall into them.
func slowTasks() pvesim.Options {
	return pvesim.Options{TaskTime: func(string) time.Duration { return 700 * time.Millisecond }}
}

func TestKilledAtEveryRequestConverges(t *testing.T) {
	t.Parallel()
	var requests, writes int
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(slowTasks()), webYAML, cacheYAML)
		b.apply()
		requests, writes = len(b.sim.Requests()), len(b.writes())
	})
	for n := 1; n <= requests; n += stride {
		t.Run(fmt.Sprintf("before request %d", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { killedAt(t, n, false) })
		})
	}
	for n := 1; n <= writes; n += stride {
		t.Run(fmt.Sprintf("after write %d", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { killedAt(t, n, true) })
		})
	}
}

func killedAt(t *testing.T, n int, after bool) {
	b := benchOn(t, pvesim.New(slowTasks()), webYAML, cacheYAML)
	b.killAt(n, after)
	b.converge()
	if got := len(b.sim.Guests()); got != 2 {
		t.Errorf("there are %d guests", got)
	}
	for vmid, want := range map[int]int{4001: 2, 4002: 1} {
		if vols := b.volumesOfGuest(vmid); len(vols) != want {
			t.Errorf("guest %d has volumes %q", vmid, vols)
		}
	}
	creations := map[string]int{}
	for _, task := range b.sim.Tasks() {
		if slices.Contains([]string{"qmcreate", "vzcreate"}, task.Type) {
			creations[task.Type]++
		}
	}
	if creations["qmcreate"] != 1 || creations["vzcreate"] != 1 {
		t.Errorf("creations: %v", creations)
	}
	for _, v := range b.sim.Volumes() {
		if strings.Contains(v.ID, "berth-") {
			t.Errorf("an upload is left: %s", v.ID)
		}
	}
}

// converge makes turns until nothing is left to do.
func (b *bench) converge() {
	b.t.Helper()
	for range 6 {
		p := b.plan()
		if len(p.Changes) == 0 && len(p.Blind) == 0 {
			b.settled()
			return
		}
		b.turn()
		<-time.After(time.Minute)
	}
	b.t.Errorf("it does not converge:\n%s\n%+v", show(b.plan()), b.plan().Blind)
}

// killAt makes a turn in which the agent is killed at its n-th request, starts it
// again, and lets it pick up the tasks that the journal names. It tells whether
// there were as many requests.
func (b *bench) killAt(n int, after bool) bool {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	k := &killer{below: b.sim.Transport(), kill: cancel, after: after, left: n}
	b.over = k
	b.restart()
	told := &events{}
	if seen, err := b.a.Observe(ctx, b.fleet, scopeAll()); err == nil {
		p, err := drift.Make(b.input(seen))
		if err != nil {
			b.t.Fatal(err)
		}
		b.execute(ctx, p, drift.NewWorld(b.fleet, seen.Lives), told)
	}
	cancel()
	// Started again, it picks up the tasks that the journal names.
	b.over = nil
	b.restart()
	for _, task := range told.tasks {
		if err := b.a.Resume(b.t.Context(), b.fleet, task); err != nil {
			b.t.Fatalf("resume %s: %v", task, err)
		}
	}
	return k.dead
}
