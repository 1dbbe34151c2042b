package ansible

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/applyers"
	"berth/applyers/ansible/runner"
	"berth/desired"
)

// run runs the playbook once, for some hosts.
func (a *Applyer) run(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, p applyers.Progress) error {
	on := scene{id: job.ID, play: play, fleet: job.Fleet, fact: job.Fact}
	spec, err := a.prepare(ctx, on, hosts)
	switch {
	case err != nil && ctx.Err() != nil:
		return applyers.ErrLeft
	case err != nil:
		return err
	}
	ready := todo(hosts)
	if len(ready) == 0 {
		return nil
	}
	if !a.enter(ctx) {
		return applyers.ErrLeft
	}
	defer a.leave()
	if err := a.Memory.Begins(job.ID, names(ready)); err != nil {
		return err
	}
	spec.Say, spec.Output = p.Say, job.Output
	done, err := a.play(ctx, spec)
	switch {
	case err != nil && ctx.Err() != nil:
		a.ended(ctx, job, play, ready, done)
		return applyers.ErrLeft
	case err != nil:
		return err
	}
	for _, h := range ready {
		h.err = a.verdict(done, play, h)
	}
	blame(done, ready)
	a.away(ctx, job, ready)
	recap(done, ready, p.Say)
	return nil
}

// enter waits for a place among the programs that run at once; it has none where ctx is
// done before.
func (a *Applyer) enter(ctx context.Context) bool {
	select {
	case a.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *Applyer) leave() { <-a.places }

// ended notes how the batches of a stopped run went that had ended before: they count.
func (a *Applyer) ended(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, done *runner.Result) {
	if done == nil {
		return
	}
	var over []*host
	for _, h := range hosts {
		if done.Hosts[h.name] != nil {
			h.err, h.ended = a.verdict(done, play, h), true
			over = append(over, h)
		}
	}
	a.note(ctx, job.ID, play, over)
}

// recaps bounds how many hosts a recap has a line for: those that failed come first.
const recaps = 50

// recap tells what has been done on each host, in Ansible's own words.
func recap(done *runner.Result, hosts []*host, say func(string)) {
	all := slices.Clone(hosts)
	slices.SortStableFunc(all, func(a, b *host) int {
		switch {
		case a.err == nil && b.err != nil:
			return 1
		case a.err != nil && b.err == nil:
			return -1
		}
		return strings.Compare(a.name, b.name)
	})
	// What is said last is what people see first.
	for _, h := range slices.Backward(all[:min(len(all), recaps)]) {
		sums := done.Hosts[h.name]
		if sums == nil {
			continue
		}
		say(fmt.Sprintf("%s: ok=%d changed=%d failed=%d unreachable=%d skipped=%d", h.name, sums.OK, sums.Changed, sums.Failures, sums.Unreachable, sums.Skipped))
	}
	if more := len(all) - recaps; more > 0 {
		say(fmt.Sprintf("and %s more, whose recap is in the full log", count(more, "host")))
	}
}

// blame lays the failure of a host that the playbook itself has added, and that
// can't be asked for again alone, on those for which it ran.
func blame(done *runner.Result, ready []*host) {
	for _, name := range failed(done) {
		if slices.ContainsFunc(ready, func(h *host) bool { return h.name == name }) {
			continue
		}
		for _, h := range ready {
			if h.err == nil {
				h.err = fmt.Errorf("on %s, a host of the playbook's own making: %w", name, done.Hosts[name].Err)
			}
		}
	}
}

// failed lists the hosts with failures that nothing made good.
func failed(done *runner.Result) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(done.Hosts)), func(name string) bool {
		return done.Hosts[name].Err == nil || done.Hosts[name].Err.Left
	})
}

// verdict says why a host has not come to a good end; nil if it has.
func (a *Applyer) verdict(done *runner.Result, play *desired.Playbook, h *host) error {
	sums, there := done.Hosts[h.name]
	switch {
	case there && sums.Err != nil && sums.Err.Unreachable:
		return fmt.Errorf("can't be reached: %s", a.explain(sums.Err.Msg, h))
	case there && sums.Err != nil:
		return sums.Err
	case !done.Whole:
		return fmt.Errorf("the playbook was broken off, since others had failed: %s", strings.Join(failed(done), " "))
	case !there:
		return fmt.Errorf("no play in %s is for it: their own hosts: name neither it nor a group of it", play.File)
	}
	return nil
}
