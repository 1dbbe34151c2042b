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

// host is one host of a run.
type host struct {
	name string
	id   desired.ID
	path desired.Path
	// digest is what its success is remembered by.
	digest string
	// mode is how its host key is judged, alias the name that it is kept under.
	mode, alias string
	// err is why it failed, or was left out.
	err error
}

// Apply runs the playbook for the hosts that are due. What happens on each is
// told by its field; the error names those on which it did not come to a good
// end. When ctx is done the playbook is stopped within two seconds, nothing of
// the run is remembered, and the next turn runs it again.
func (a *Applyer) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	if job.Want == nil {
		return fmt.Errorf("run %s: no manifest asks for it", job.ID)
	}
	play, ok := job.Want.Spec.(*desired.Playbook)
	if !ok {
		return fmt.Errorf("run %s: %T is no playbook", job.ID, job.Want.Spec)
	}
	hosts := a.due(job, play)
	if err := a.run(ctx, job, play, hosts, p); err != nil {
		return err
	}
	a.remember(job.ID, hosts)
	var failed []*host
	for _, h := range hosts {
		p.Field(h.path, h.err)
		if h.err != nil {
			failed = append(failed, h)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	first := fmt.Errorf("%d of %s: %s: %w", len(failed), count(len(hosts), "host"), failed[0].name, failed[0].err)
	if len(failed) == 1 {
		return first
	}
	names := make([]string, len(failed))
	for i, h := range failed {
		names[i] = h.name
	}
	return fmt.Errorf("%w (all: %s)", first, strings.Join(names, " "))
}

// remember notes the runs that ended well. One that can't be noted has failed, since
// it is going to be made again.
func (a *Applyer) remember(play desired.ID, hosts []*host) {
	runs := make(map[string]string)
	well := a.todo(play, hosts)
	for _, h := range well {
		runs[h.name] = h.digest
	}
	if len(runs) == 0 {
		return
	}
	if err := a.Memory.Remember(play, runs); err != nil {
		for _, h := range well {
			h.err = err
		}
	}
}

// due lists the hosts of a job. One on which the very run has ended well
// already, since the plan was made, needs no other.
func (a *Applyer) due(job applyers.Job, play *desired.Playbook) []*host {
	var hosts []*host
	for _, f := range job.Fields {
		name := hostOf(f.Path)
		wanted, ok := play.Due[name]
		if !ok {
			continue
		}
		h := &host{name: name, id: wanted.Guest, path: f.Path}
		hosts = append(hosts, h)
		leaf, from := wanted.Resolve(job.Fact)
		run, ok := leaf.(desired.Run)
		if from != "" || !ok {
			h.err = fmt.Errorf("%s is not known", from)
			continue
		}
		h.digest = run.Digest
	}
	return hosts
}

// todo are the hosts that can run and have not.
func (a *Applyer) todo(play desired.ID, hosts []*host) []*host {
	return slices.DeleteFunc(slices.Clone(hosts), func(h *host) bool { return h.err != nil || a.has(play, h) })
}

// has tells whether the run that a host needs is remembered.
func (a *Applyer) has(play desired.ID, h *host) bool {
	digest, _, ran := a.Memory.Ran(play, h.name)
	return ran && digest == h.digest
}

// run runs the playbook once and puts each host's error where it belongs; its
// own error is one that concerns them all.
func (a *Applyer) run(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, p applyers.Progress) error {
	if len(a.todo(job.ID, hosts)) == 0 {
		return nil
	}
	spec, err := a.prepare(ctx, job, play, hosts)
	if err != nil {
		return err
	}
	todo := a.todo(job.ID, hosts)
	if len(todo) == 0 {
		return nil
	}
	spec.Say = p.Say
	done, err := a.runner.Run(ctx, spec)
	switch {
	case err != nil && ctx.Err() != nil:
		return applyers.ErrLeft
	case err != nil:
		return err
	}
	for _, h := range todo {
		h.err = a.verdict(done, play, h)
	}
	blame(done, todo)
	return nil
}

// blame lays the failure of a host that the playbook itself has added, and that
// can't be asked for again alone, on those for which it ran.
func blame(done *runner.Result, todo []*host) {
	for _, name := range failed(done) {
		if slices.ContainsFunc(todo, func(h *host) bool { return h.name == name }) {
			continue
		}
		for _, h := range todo {
			if h.err == nil {
				h.err = fmt.Errorf("on %s, a host of the playbook's own making: %w", name, done.Hosts[name].Err)
			}
		}
	}
}

// failed lists the hosts with failures that nothing made good.
func failed(done *runner.Result) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(done.Hosts)), func(name string) bool { return done.Hosts[name].Err == nil })
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
