package turn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/applyers/ansible"
	"berth/applyers/ansible/runner"
	"berth/applyers/machine"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
)

// stage of a run: where something may happen to its agent.
type runPoint string

const (
	beforeRun runPoint = "killed before the run"
	withinRun runPoint = "killed within the run"
	afterRun  runPoint = "killed after the run"
)

// runFor is how long a run takes, in half.
const runFor = 10 * time.Second

// onHost is a run of a playbook on one host that began.
type onHost struct {
	play, host string
	ended      bool
}

// plays stands for ansible-playbook and for what it works on: it runs on the guests of
// a land.
type plays struct {
	l  *land
	mu sync.Mutex
	// log are the runs that began, in their order; starts counts programs.
	log    []onHost
	starts int
	// alive tells whether the agent lives that runs them; nil is that it does.
	alive func() bool
	// at, if set, is told where the n-th program is.
	at func(n int, where runPoint)
	// within, if set, is what happens in the middle of a program, on the hosts it is
	// for; hosts that it names fail.
	within func(hosts []string) map[string]*runner.TaskError
	// seen is the inventory of the last program, by host.
	seen map[string]map[string]any
}

// applyer is the playbooks' applyer of an agent.
func (p *plays) applyer(memory ansible.Memory, files fs.FS) (*ansible.Applyer, error) {
	return ansible.New(ansible.Options{
		Memory: memory, Secrets: noSecrets{}, State: p.l.path("state"), Run: p.run, Now: p.l.now,
		Files: func(context.Context) (fs.FS, error) { return files, nil },
	})
}

// run is one program.
func (p *plays) run(ctx context.Context, s runner.Spec) (*runner.Result, error) {
	p.mu.Lock()
	p.starts++
	n := p.starts
	p.mu.Unlock()
	dies := func(where runPoint) bool {
		if p.at != nil {
			p.at(n, where)
		}
		return p.dead()
	}
	if dies(beforeRun) || ctx.Err() != nil {
		return nil, errBroken
	}
	p.meets(s)
	p.mu.Lock()
	var mine []int
	for _, host := range s.Limit {
		mine = append(mine, len(p.log))
		p.log = append(p.log, onHost{play: s.File, host: host})
	}
	p.mu.Unlock()
	fails := make(map[string]*runner.TaskError)
	for i := range 2 {
		select {
		case <-time.After(runFor):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if i == 0 && dies(withinRun) {
			return nil, errBroken
		}
		if i == 0 && p.within != nil {
			fails = p.within(s.Limit)
		}
	}
	if p.dead() {
		return nil, errBroken
	}
	done := &runner.Result{Hosts: make(map[string]*runner.Host), Whole: true}
	p.mu.Lock()
	for i, host := range s.Limit {
		p.log[mine[i]].ended = fails[host] == nil
		done.Hosts[host] = &runner.Host{OK: 1, Err: fails[host]}
	}
	p.mu.Unlock()
	if dies(afterRun) {
		return nil, errBroken
	}
	return done, nil
}

// dead tells whether the agent that has begun a program has died.
func (p *plays) dead() bool { return p.alive != nil && !p.alive() }

// meets asserts that each host of a program is what its agent takes it for: a guest that
// is whole and runs, and on which nobody else works.
func (p *plays) meets(s runner.Spec) {
	text, err := s.Inventory(runner.Place{})
	var inventory struct {
		All struct {
			Hosts map[string]map[string]any `json:"hosts"`
		} `json:"all"`
	}
	if err == nil {
		err = json.Unmarshal(text, &inventory)
	}
	if err != nil {
		p.l.t.Errorf("the inventory can't be read: %v", err)
		return
	}
	p.mu.Lock()
	p.seen = inventory.All.Hosts
	p.mu.Unlock()
	for _, host := range s.Limit {
		g, there := p.l.named(host)
		description := g.Config["description"]
		if !there || !g.Running || !strings.Contains(description, "berth: ") || strings.Contains(description, "state=making") || strings.Contains(description, " archived=") {
			p.l.t.Errorf("%s runs on %s, which is %+v", s.File, host, g)
			continue
		}
		for _, task := range p.l.sim.Tasks() {
			if task.ID == itoa(g.VMID) && task.Ended.IsZero() {
				p.l.t.Errorf("%s runs on %s while %s does", s.File, host, task.Type)
			}
		}
		vars := inventory.All.Hosts[host]
		alias := machine.Alias(desired.ID(fmt.Sprint(vars["berth_id"])), instanceOf(g))
		if args := fmt.Sprint(vars["ansible_ssh_args"]); vars["ansible_host"] == nil || !strings.Contains(args, "HostKeyAlias="+alias+" ") {
			p.l.t.Errorf("%s runs on %s as %v, and it is %s", s.File, host, vars, alias)
		}
	}
}

// named finds a guest by what it is called at Proxmox.
func (l *land) named(name string) (pvesim.Guest, bool) {
	for _, g := range l.sim.Guests() {
		if g.Config["name"] == name || g.Config["hostname"] == name {
			return g, true
		}
	}
	return pvesim.Guest{}, false
}

// began are the hosts on which runs began since the n-th, sorted.
func (p *plays) began(from int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, r := range p.log[from:] {
		all = append(all, r.host)
	}
	slices.Sort(all)
	return all
}

// taken are the runs that began.
func (p *plays) taken() []onHost {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}
