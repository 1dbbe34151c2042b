package proxmox

import (
	"context"
	"errors"
	"net/http"
	"sync"
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
