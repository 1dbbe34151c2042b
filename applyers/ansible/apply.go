package ansible

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"time"

	"berth/applyers"
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
	var failed []*host
	for _, h := range hosts {
		if h.err == nil && !a.has(job.ID, h) {
			h.err = a.Memory.Remember(job.ID, h.name, h.digest)
		}
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
	bin, err := exec.LookPath(a.Bin)
	if err != nil {
		return fmt.Errorf("%s is not on the agent's host: install Ansible there (Debian: apt-get install ansible-core)", a.Bin)
	}
	dir, err := newRunDir(a.Dir)
	if err != nil {
		return err
	}
	defer dir.remove()
	if play.Timeout > 0 {
		// Without a cause of its own, the end of time looks like a stop.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(play.Timeout), errTimeout)
		defer cancel()
	}
	proc, err := a.prepare(ctx, job, play, hosts, dir, p.Say)
	if err != nil {
		return stopped(ctx, play, err)
	}
	todo := a.todo(job.ID, hosts)
	if len(todo) == 0 {
		return nil
	}
	proc.bin = bin
	tidy := func(s string) string { return clean(strings.ReplaceAll(s, dir.in("src"), play.Dir), 600) }
	seen := &watch{say: limited(p.Say), tidy: tidy, tallies: make(map[string]tally), trouble: make(map[string]event)}
	output := &ring{}
	proc.event, proc.output = seen.line, output.line
	err = proc.wait(ctx)
	if seen.junk > 0 {
		a.Log.WarnContext(ctx, "ansible's events have lines that are none", slog.String("play", string(job.ID)), slog.Int("lines", seen.junk))
	}
	switch {
	case !seen.stats && ctx.Err() != nil:
		return stopped(ctx, play, err)
	case !seen.stats, err != nil && ctx.Err() == nil && len(seen.failed()) == 0:
		return fmt.Errorf("run %s: %s", play.File, tidy(failure(err)+": "+output.reason()))
	}
	for _, h := range todo {
		h.err = a.verdict(seen, play, h)
	}
	blame(seen, todo)
	return nil
}

// blame lays the failure of a host that the playbook itself has added, and that
// can't be asked for again alone, on those for which it ran.
func blame(seen *watch, todo []*host) {
	for _, name := range seen.failed() {
		if slices.ContainsFunc(todo, func(h *host) bool { return h.name == name }) {
			continue
		}
		for _, h := range todo {
			if h.err == nil {
				h.err = fmt.Errorf("on %s, a host of the playbook's own making: %w", name, seen.failure(name))
			}
		}
	}
}

var errTimeout = errors.New("out of time")

// stopped tells a run that was stopped from one that took too long.
func stopped(ctx context.Context, play *desired.Playbook, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errTimeout):
		return fmt.Errorf("run %s: it took longer than %s and was stopped: raise its timeout, or find what it waits for", play.File, play.Timeout)
	default:
		return applyers.ErrLeft
	}
}

// failure says how the program ended.
func failure(err error) string {
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return "ansible-playbook ended without telling what it did"
	case !ended:
		return err.Error()
	case exit.ExitCode() < 0:
		return "ansible-playbook was killed (" + exit.String() + ")"
	default:
		return fmt.Sprintf("ansible-playbook ended with %d", exit.ExitCode())
	}
}

// verdict says why a host has not come to a good end; nil if it has.
func (a *Applyer) verdict(seen *watch, play *desired.Playbook, h *host) error {
	sums, there := seen.tallies[h.name]
	switch {
	case sums.Unreachable > 0:
		return fmt.Errorf("can't be reached: %s", a.explain(seen.trouble[h.name].Msg, h))
	case sums.Failures > 0:
		return seen.failure(h.name)
	case !seen.ended:
		return fmt.Errorf("the playbook was broken off, since others had failed: %s", strings.Join(seen.failed(), " "))
	case !there:
		return fmt.Errorf("no play in %s is for it: their own hosts: name neither it nor a group of it", play.File)
	}
	return nil
}
