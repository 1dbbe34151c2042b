package turn_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

func itoa(n int) string { return strconv.Itoa(n) }

// madeOnce asserts that each guest was made in one creation, runs, and has its
// volumes once, and that no upload is left.
func (l *land) madeOnce(vmids ...int) {
	l.t.Helper()
	made := make(map[string]int)
	for _, task := range l.sim.Tasks() {
		if task.Type == "qmcreate" || task.Type == "vzcreate" {
			made[task.ID]++
		}
	}
	volumes := make(map[int]int)
	for _, v := range l.sim.Volumes() {
		volumes[v.Owner]++
		if strings.Contains(v.ID, "berth-") {
			l.t.Errorf("an upload is left: %s", v.ID)
		}
	}
	for _, vmid := range vmids {
		g := l.guest(vmid)
		want := map[string]int{pvesim.KindVM: 2, pvesim.KindCT: 1}[g.Kind]
		if made[itoa(vmid)] != 1 || volumes[vmid] != want || !g.Running {
			l.t.Errorf("guest %d: made %d times, %d volumes, runs %v", vmid, made[itoa(vmid)], volumes[vmid], g.Running)
		}
	}
	if len(l.sim.Guests()) != len(vmids) {
		l.t.Errorf("there are %d guests", len(l.sim.Guests()))
	}
}

// accident is what happens to an agent at one request.
type accident string

const (
	toldToStop accident = "told to stop"                  // the request goes on, the context is done
	killed     accident = "killed before the request"     // it is never sent
	unheard    accident = "killed before the answer"      // it is carried out; the n-th write
	lost       accident = "connection lost on its answer" // it is carried out, and the agent lives on; the n-th write
)

// breaker brings one about at the n-th request.
type breaker struct {
	l     *land
	below http.RoundTripper
	what  accident
	kill  context.CancelFunc

	mu   sync.Mutex
	left int
	hit  bool
	dead bool
	// gone is closed once the journal is kept as the dead agent left it, if set:
	// others of its requests must not end before.
	gone chan struct{}
}

var errBroken = errors.New("connection reset by peer")

func (b *breaker) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	dead := b.dead
	hit := false
	if b.what == toldToStop || b.what == killed || r.Method != http.MethodGet {
		b.left--
		hit = b.left == 0
		b.hit = b.hit || hit
	}
	if hit && b.what == killed {
		b.die()
		dead = true
	}
	b.dead = b.dead || hit && b.what == unheard
	b.mu.Unlock()
	if dead {
		if b.gone != nil {
			<-b.gone
		}
		return nil, errBroken
	}
	if hit && b.what == toldToStop {
		b.kill()
	}
	res, err := b.below.RoundTrip(r)
	if hit && b.what == unheard {
		b.mu.Lock()
		b.die()
		b.mu.Unlock()
	} else if !hit || b.what == toldToStop || err != nil {
		return res, err
	}
	if err == nil {
		_ = res.Body.Close()
	}
	return nil, errBroken
}

// alive tells whether the agent lives.
func (b *breaker) alive() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.dead
}

// die keeps the journal as it is: nothing that follows is known to the next life.
func (b *breaker) die() {
	b.dead = true
	if err := os.CopyFS(b.l.path("left"), os.DirFS(b.l.path("journal"))); err != nil {
		b.l.t.Error(err)
	}
	_ = os.Remove(filepath.Join(b.l.path("left"), "lock"))
	if b.gone != nil {
		close(b.gone)
	}
	b.kill()
}

// broken makes a turn in which an accident happens at the n-th request, and then
// turns of a new life until all is well. It tells whether there was such a
// request.
func (l *land) broken(what accident, n int) bool {
	l.t.Helper()
	hit := l.brokenOnce(what, n)
	for range 4 {
		if !l.turn().Differs() {
			l.settled()
			return hit
		}
		pass(20 * time.Second)
	}
	l.t.Error("it does not come to rest")
	return hit
}

// brokenOnce makes a turn in which an accident happens at the n-th request, and
// tells whether there was such a request.
func (l *land) brokenOnce(what accident, n int) bool {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	var b *breaker
	l.over = func(below http.RoundTripper) http.RoundTripper {
		b = &breaker{l: l, below: below, what: what, left: n, kill: cancel, gone: make(chan struct{})}
		if l.plays != nil {
			l.plays.alive = b.alive
		}
		return b
	}
	agent, stop := l.agent("journal")
	_, err := agent.Run(ctx, turn.Request{Mode: report.Run})
	if err != nil && !errors.Is(err, applyers.ErrLeft) {
		l.t.Errorf("the turn that broke: %v", err)
	}
	stop()
	l.over = nil
	l.revive(b)
	return b.hit
}

// revive gives whoever comes after a dead agent the journal that it has left.
func (l *land) revive(b *breaker) {
	l.t.Helper()
	if !b.dead {
		return
	}
	if err := errors.Join(os.RemoveAll(l.path("journal")), os.Rename(l.path("left"), l.path("journal"))); err != nil {
		l.t.Fatal(err)
	}
}

// everywhere breaks a turn off at every few requests.
func everywhere(t *testing.T, stride int, prepare, check func(l *land)) {
	t.Helper()
	for _, what := range []accident{toldToStop, killed, unheard, lost} {
		step := 2 * sparse
		if what == toldToStop || what == killed {
			step = stride * sparse
		}
		for n, more := 1, true; more; n += step {
			t.Run(fmt.Sprintf("%s %d", what, n), func(t *testing.T) {
				scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
					prepare(l)
					if more = l.broken(what, n); more {
						check(l)
					}
				})
			})
		}
	}
}

func TestBrokenOffWhileGuestsAreMade(t *testing.T) {
	everywhere(t, 17, func(l *land) {
		l.push("aaaa", vm("web", 4001, expose("web.example.net")), ct("cache", 4002, ""))
	}, func(l *land) {
		l.madeOnce(4001, 4002)
		if l.routes()["web.example.net"] != "10.1.1.1:443" {
			l.t.Errorf("routes %v", l.routes())
		}
	})
}

func TestBrokenOffWhileGuestsGo(t *testing.T) {
	everywhere(t, 11, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, expose("cache.example.net")), ct("keep", 4003, expose("keep.example.net")))
		l.apply()
		l.push("bbbb", ct("keep", 4003, expose("keep.example.net")))
	}, func(l *land) {
		for _, vmid := range []int{4001, 4002} {
			if g := l.guest(vmid); g.Running || strings.Count(g.Config["description"], " archived=") != 1 {
				l.t.Errorf("guest %d: %v %v", vmid, g.Running, g.Config)
			}
		}
		if !l.guest(4003).Running || len(l.routes()) != 1 {
			l.t.Errorf("what stays was touched, routes %v", l.routes())
		}
	})
}

func TestStoppedWithinTwoSeconds(t *testing.T) {
	for n := 1; n < 110; n += 9 {
		long := func(string) time.Duration { return 20 * time.Second }
		scenario(t, pvesim.Options{TaskTime: long, SyncLimit: 30 * time.Second}, func(l *land) {
			l.push("aaaa", vm("web", 4001, expose("web.example.net")), ct("cache", 4002, ""))
			ctx, cancel := context.WithCancel(l.t.Context())
			defer cancel()
			b := &breaker{l: l, what: toldToStop, left: n, kill: cancel}
			l.over = func(below http.RoundTripper) http.RoundTripper {
				b.below = below
				return b
			}
			told := make(chan time.Time, 1)
			context.AfterFunc(ctx, func() { told <- time.Now() })
			agent, stop := l.agent("journal")
			defer stop()
			if _, err := agent.Run(ctx, turn.Request{Mode: report.Run}); err != nil && !errors.Is(err, applyers.ErrLeft) {
				l.t.Error(err)
			}
			end := time.Now()
			cancel()
			if took := end.Sub(<-told); took > 2*time.Second {
				l.t.Errorf("told to stop at request %d, it took %s", n, took)
			}
		})
	}
}
