package turn_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// theOther is what an agent says that sees another's work.
const theOther = "another agent works with token berth@pve!agent: "

// seesTheOther tells whether a report names the other agent's work.
func seesTheOther(rep *report.Report) bool {
	for _, n := range rep.Plan.Notes {
		if n.ID == "site/home" && strings.HasPrefix(n.Text, theOther) {
			return true
		}
	}
	for _, b := range rep.Plan.Blind {
		if strings.Contains(b.Reason, "by another agent or an earlier life of this one") {
			return true
		}
	}
	return false
}

// TestTwoAgents lets two agents, each with a journal of its own, keep one fleet on one
// cluster, the second a little behind the first: nothing is made twice, and both say
// that they see the other's work.
func TestTwoAgents(t *testing.T) {
	for _, apart := range []time.Duration{0, 300 * time.Millisecond, 1500 * time.Millisecond, 5 * time.Second} {
		t.Run(apart.String(), func(t *testing.T) {
			t.Parallel()
			scenario(t, pvesim.Options{Nodes: []string{"pve1", "pve2"}, TaskTime: slowly}, func(l *land) {
				p := l.pair()
				defer p.stop()
				p.play(func() { pass(apart) })
			})
		})
	}
}

// TestTwoAgentsInAnyOrder has each request of two agents wait for a random while.
func TestTwoAgentsInAnyOrder(t *testing.T) {
	for seed := range max(1, 8/sparse) {
		t.Run(itoa(seed), func(t *testing.T) {
			t.Parallel()
			scenario(t, pvesim.Options{Nodes: []string{"pve1", "pve2"}, TaskTime: slowly}, func(l *land) {
				chance := rand.New(rand.NewPCG(uint64(seed), 1))
				var mu sync.Mutex
				l.over = func(below http.RoundTripper) http.RoundTripper {
					return roundTrip(func(r *http.Request) (*http.Response, error) {
						mu.Lock()
						wait := time.Duration(chance.IntN(300)) * time.Millisecond
						mu.Unlock()
						pass(wait)
						return below.RoundTrip(r)
					})
				}
				p := l.pair()
				defer p.stop()
				p.play(func() {})
			})
		})
	}
}

// TestTwoAgentsTakeTurns tells what both say where one comes after the other.
func TestTwoAgentsTakeTurns(t *testing.T) {
	scenario(t, pvesim.Options{Nodes: []string{"pve1", "pve2"}, TaskTime: slowly}, func(l *land) {
		story := l.tells("faults/two-agents")
		story.mask = append(story.mask, l.edge.listener.Addr().String(), "127.0.0.1:443")
		p := l.pair()
		defer p.stop()
		turn := func(who string, agent *turn.Turner) *report.Report {
			rep := p.run(agent)
			story.say(who, (&stricken{land: l}).shown(rep))
			pass(time.Minute)
			return rep
		}
		l.push("aaaa", fleet...)
		turn("the first agent makes the fleet", p.a)
		turn("the second has no past", p.b)
		l.push("bbbb", with(tagged(web), ct("new", 4004, "node: pve2\n"))...)
		turn("the first follows a commit", p.a)
		if !seesTheOther(turn("the second sees what the first did", p.b)) {
			l.t.Error("the second says nothing of the first")
		}
		l.push("cccc", with(tagged(web), tagged(third), ct("new", 4004, "node: pve2\n"), ct("more", 4005, ""))...)
		turn("the second follows a commit", p.b)
		if !seesTheOther(turn("the first sees what the second did", p.a)) {
			l.t.Error("the first says nothing of the second")
		}
		turn("and says so once", p.a)
		l.push("dddd", with(tagged(web), tagged(third), ct("new", 4004, "node: pve2\n"), ct("more", 4005, ""), ct("last", 4006, ""))...)
		var before *report.Report
		done := make(chan struct{})
		go func() {
			defer close(done)
			before = p.run(p.a)
		}()
		pass(400 * time.Millisecond)
		turn("the second comes while the first makes a guest", p.b)
		<-done
		story.say("the first, meanwhile", (&stricken{land: l}).shown(before))
		p.whole()
		l.settled()
	})
}

// pair are two agents on one land.
type pair struct {
	*land
	a, b *turn.Turner
	stop func()
	// tasks are how many each has begun.
	tasks [2]atomic.Int32
}

func (l *land) pair() *pair {
	p := &pair{land: l}
	over := l.over
	counted := func(n int) func(http.RoundTripper) http.RoundTripper {
		return func(below http.RoundTripper) http.RoundTripper {
			if over != nil {
				below = over(below)
			}
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				res, err := below.RoundTrip(r)
				if err != nil || r.Method == http.MethodGet {
					return res, err
				}
				text, err := io.ReadAll(res.Body)
				if strings.Contains(string(text), `"UPID:`) {
					p.tasks[n].Add(1)
				}
				res.Body = io.NopCloser(bytes.NewReader(text))
				return res, err
			})
		}
	}
	var stopA, stopB func()
	l.over = counted(0)
	p.a, stopA = l.agent("a")
	l.over = counted(1)
	p.b, stopB = l.agent("b")
	l.over = over
	p.stop = func() { stopA(); stopB() }
	return p
}

func (p *pair) run(agent *turn.Turner) *report.Report {
	rep, err := agent.Run(p.t.Context(), turn.Request{Mode: report.Run})
	if err != nil {
		p.t.Errorf("turn: %v", err)
		return &report.Report{}
	}
	return rep
}

// play has both follow the same commits at once, the second when wait is over, and
// asserts what must hold of two. What was written without a task, as a container's
// options are, no log tells (FACTS 10).
func (p *pair) play(wait func()) {
	p.t.Helper()
	var seen [2]bool
	var first [2]int32 // what each had begun when the other had certainly looked once
	for i, docs := range [][]string{
		fleet,
		with(larger(web), tagged(cache), strings.Replace(third, "size: 4GiB", "size: 6GiB", 1)),
		without(with(larger(web), tagged(cache), ct("new", 4004, "node: pve2\n"), vm("more", 4005, "")), "third"),
	} {
		p.push(fmt.Sprintf("commit%d", i), docs...)
		for range 3 {
			var reports [2]*report.Report
			var turns sync.WaitGroup
			turns.Go(func() { reports[0] = p.run(p.a) })
			wait()
			reports[1] = p.run(p.b)
			turns.Wait()
			for n, rep := range reports {
				seen[n] = seen[n] || rep.Plan != nil && seesTheOther(rep)
			}
			pass(time.Hour)
			if i == 0 {
				first = [2]int32{p.tasks[0].Load(), p.tasks[1].Load()}
			}
		}
	}
	wrote := [2]bool{p.tasks[0].Load() > first[0], p.tasks[1].Load() > first[1]}
	if !wrote[0] && !wrote[1] || wrote[0] && !seen[1] || wrote[1] && !seen[0] {
		p.t.Errorf("which wrote: %v; which says that it sees the other's work: %v", wrote, seen)
	}
	p.whole()
	p.settled()
}

// whole asserts that nothing was made twice: no guest, no volume, no upload.
func (p *pair) whole() {
	p.t.Helper()
	made := make(map[string]int)
	for _, task := range p.sim.Tasks() {
		if (task.Type == "qmcreate" || task.Type == "vzcreate") && task.Exit == "OK" {
			made[task.ID]++
		}
		if strings.HasSuffix(task.Type, "destroy") {
			p.t.Errorf("destroyed: %s", task.UPID)
		}
	}
	for _, g := range p.sim.Guests() {
		if made[itoa(g.VMID)] != 1 {
			p.t.Errorf("guest %d was made %d times", g.VMID, made[itoa(g.VMID)])
		}
		archived := strings.Count(g.Config["description"], " archived=")
		if archived > 1 || g.Running == (archived == 1) {
			p.t.Errorf("guest %d runs: %v, %d archived", g.VMID, g.Running, archived)
		}
	}
	(&stricken{land: p.land}).tidy()
	images := make(map[string]int)
	for _, v := range p.sim.Volumes() {
		images[v.Node+" "+v.ID]++
	}
	for id, n := range images {
		if n != 1 {
			p.t.Errorf("%s is there %d times", id, n)
		}
	}
	if len(p.sim.Guests()) == 0 {
		p.t.Error("no guest was made")
	}
}

// roundTrip is a way to the cluster.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
