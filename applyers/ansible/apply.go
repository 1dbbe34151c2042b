package ansible

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"berth/applyers"
	"berth/desired"
)

// atOnce bounds the programs that run side by side, of all playbooks. Each works on
// several hosts at once; see Ansible's forks.
const atOnce = 4

// host is one host of a run.
type host struct {
	name string
	id   desired.ID
	path desired.Path
	// digest is what its success is remembered by.
	digest string
	// parts is what it is made of; nil where that is not known.
	parts map[string]string
	// tasks are those that check mode had found, where that is why it runs.
	tasks string
	// mode is how its host key is judged, alias the name that it is kept under.
	mode, alias string
	// err is why it failed, or was left out; ended tells that a run has said so, well
	// that there is nothing to do.
	err         error
	ended, well bool
}

// Apply runs the playbook for the hosts that are due. What happens on each is
// told by its field; the error names those on which it did not come to a good
// end. When ctx is done the playbook is stopped within two seconds, nothing of
// the run is remembered but that it was cut off, and the next turn runs it again.
func (a *Applyer) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	if job.Want == nil {
		return fmt.Errorf("run %s: no manifest asks for it", job.ID)
	}
	play, ok := job.Want.Spec.(*desired.Playbook)
	if !ok {
		return fmt.Errorf("run %s: %T is no playbook", job.ID, job.Want.Spec)
	}
	hosts := a.due(job, play)
	a.reach(ctx, job.Fleet, play, hosts)
	whole, left := a.runAll(ctx, job, play, hosts, p)
	if whole != nil && left == nil {
		return whole
	}
	for _, h := range hosts {
		// What was not tried, since the agent stops, has neither failed nor gone well.
		if left == nil || h.ended || h.well {
			p.Field(h.path, h.err)
		}
	}
	if left != nil {
		return left
	}
	return verdict(hosts)
}

// verdict is the error of a whole run.
func verdict(hosts []*host) error {
	var failed []*host
	var names []string
	for _, h := range hosts {
		if h.err != nil {
			failed, names = append(failed, h), append(names, h.name)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	locked := func(h *host) bool { return errors.As(h.err, new(*desired.LockedError)) }
	if !slices.ContainsFunc(failed, func(h *host) bool { return !locked(h) }) {
		return failed[0].err // It waits, and nothing went wrong.
	}
	if at := slices.IndexFunc(failed, func(h *host) bool { return !locked(h) }); at > 0 {
		failed[0] = failed[at]
	}
	text := fmt.Sprintf("%d of %s: %s: %v", len(failed), count(len(hosts), "host"), failed[0].name, failed[0].err)
	if len(failed) > 1 {
		text += " (all: " + listed(names) + ")"
	}
	return errors.New(text)
}

// due lists the hosts of a job. One on which the very run has ended well
// already, since the plan was made, needs no other.
func (a *Applyer) due(job applyers.Job, play *desired.Playbook) []*host {
	var come map[string]string
	if play.Scheduled() {
		// What can't be noted was told when it was planned.
		come, _ = a.come(job.ID, play, a.Now())
	}
	known := foundOf(job.Have)
	var hosts []*host
	for _, f := range job.Fields {
		name := hostOf(f.Path)
		wanted, ok := play.Due[name]
		if !ok {
			continue
		}
		h := &host{name: name, id: wanted.Guest, path: f.Path, tasks: known.tasks[name]}
		hosts = append(hosts, h)
		leaf, from := wanted.Resolve(job.Fact)
		run, ok := leaf.(desired.Run)
		if from != "" || !ok {
			h.err = fmt.Errorf("%s is not known", from)
			continue
		}
		h.digest, h.parts = run.Digest, partsOf(wanted, job.Fact)
		digest, at, ran := a.Memory.Ran(job.ID, h.name)
		forced := h.tasks != "" && !at.After(known.at) || a.reasons(job.ID, h.name, come[h.name], a.Now()) != ""
		h.well = !forced && (wanted.OnDemand || ran && digest == h.digest)
	}
	return hosts
}

// todo are the hosts that can run and have not.
func todo(hosts []*host) []*host {
	return slices.DeleteFunc(slices.Clone(hosts), func(h *host) bool { return h.err != nil || h.well })
}

// names are those of hosts.
func names(hosts []*host) []string {
	all := make([]string, len(hosts))
	for i, h := range hosts {
		all[i] = h.name
	}
	return all
}

// runAll makes the runs of a playbook, one or one a value, and puts each host's error
// where it belongs. Whole is what is wrong with all of them, left that the agent stops.
func (a *Applyer) runAll(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, p applyers.Progress) (whole, left error) {
	run := a.run
	if play.Runner.Webhook != nil {
		run = a.call
	}
	groups := split(job.Fleet, play, todo(hosts))
	var running sync.WaitGroup
	free := make(chan struct{}, atOnce)
	lefts, wholes := make([]error, len(groups)), make([]error, len(groups))
	for i, group := range groups {
		free <- struct{}{} // Of requests to webhooks too.
		running.Go(func() {
			defer func() { <-free }()
			wholes[i], lefts[i] = a.one(ctx, job, play, group, p, run)
		})
	}
	running.Wait()
	differs := func(err error) bool { return err == nil || err.Error() != wholes[0].Error() }
	if len(wholes) > 0 && wholes[0] != nil && !slices.ContainsFunc(wholes, differs) {
		whole = wholes[0]
	}
	if at := slices.IndexFunc(lefts, func(err error) bool { return err != nil }); at >= 0 {
		left = lefts[at]
	}
	return whole, left
}

// runFunc makes one run for some hosts; its error concerns them all.
type runFunc func(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, p applyers.Progress) error

// one makes one run, and notes how it ends.
func (a *Applyer) one(ctx context.Context, job applyers.Job, play *desired.Playbook, group []*host, p applyers.Progress, run runFunc) (whole, left error) {
	if ctx.Err() != nil {
		return nil, applyers.ErrLeft
	}
	err := run(ctx, job, play, group, p)
	if errors.Is(err, applyers.ErrLeft) {
		return nil, applyers.ErrLeft
	}
	for _, h := range group {
		if h.err == nil {
			h.err = err
		}
		h.ended = true
	}
	a.note(ctx, job.ID, play, group)
	return err, nil
}

// note remembers the runs that ended well, and those that did not. One that can't be
// noted has failed, since it is going to be made again.
func (a *Applyer) note(ctx context.Context, play desired.ID, what *desired.Playbook, group []*host) {
	well, bad, mended := make(map[string]string), make(map[string]string), make(map[string]string)
	for _, h := range group {
		switch {
		case h.err == nil:
			well[h.name] = h.digest
			if h.tasks != "" {
				mended[h.name] = h.tasks
			}
		case !errors.As(h.err, new(*desired.LockedError)):
			bad[h.name] = h.digest
		}
	}
	var err error
	if len(well) > 0 {
		err = a.Memory.Remember(play, well)
	}
	if err == nil {
		a.noteParts(ctx, play, group)
	}
	if err == nil && len(mended) > 0 {
		err = a.Memory.Mend(play, mended)
	}
	for _, h := range group {
		if err != nil && h.err == nil {
			h.err = err
		}
	}
	if len(bad) > 0 {
		if err := a.Memory.Ends(play, bad, what.Retry); err != nil {
			a.Log.WarnContext(ctx, "a failed run can't be noted; it counts as cut off", slog.Any("error", err))
		}
	}
	a.forget(play, slices.Collect(maps.Keys(well)))
}

// split parts hosts by what a playbook makes one run for each of.
func split(fleet *desired.Fleet, play *desired.Playbook, hosts []*host) [][]*host {
	if len(hosts) == 0 {
		return nil
	}
	by := make(map[string][]*host)
	for _, h := range hosts {
		v := valueOf(fleet, play.Each, h.id)
		by[v] = append(by[v], h)
	}
	var all [][]*host
	for _, v := range slices.Sorted(maps.Keys(by)) {
		all = append(all, by[v])
	}
	return all
}

// valueOf is what a host has of a word of each; "" is none, which is a value too.
func valueOf(fleet *desired.Fleet, each string, id desired.ID) string {
	if each == "host" {
		return id.Name()
	}
	g := fleet.Guest(id)
	if g == nil {
		return ""
	}
	switch each {
	case "site":
		return g.Site
	case "project":
		return g.Project
	case "environment":
		return g.Environment
	}
	return ""
}
