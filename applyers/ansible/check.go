package ansible

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/applyers/ansible/runner"
	"berth/desired"
	"berth/drift"
)

const (
	// checkFor bounds what check mode may take for one playbook, checkAll for all.
	checkFor = 5 * time.Minute
	checkAll = 15 * time.Minute
	// checkLines bounds what is shown of one host.
	checkLines = 60
	// A playbook that would change the same right after its run waits this long before
	// it runs once more, and twice as long each time that it is so again.
	firstMend   = 10 * time.Minute
	longestMend = 24 * time.Hour
)

var errLong = fmt.Errorf("the checks of all playbooks took longer than %s", desired.Duration(checkAll))

// finding is what check mode says of one host: tasks would change something.
type finding struct {
	// tasks is what they are known by, due counts them, lines shows what they would do.
	tasks, due string
	lines      []string
}

// note is a remark about a playbook that check mode left.
type note struct {
	id   desired.ID
	text string
	// unknown tells that a host could not be asked at all.
	unknown bool
}

// check asks the playbooks that say so what they would change, once in the life of the
// Applyer, and puts what they said to what is observed.
func (o *observation) check(ctx context.Context) error {
	o.mu.Lock()
	checked := o.checked != nil
	if !checked {
		o.checked = make(map[desired.ID]map[string]finding)
	}
	o.mu.Unlock()
	if !checked {
		o.ask(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.plays {
		for _, id := range p.clean {
			if f, found := o.checked[p.ID][id.Name()]; found {
				o.drifted(p, id.Name(), f)
			}
		}
	}
	for _, n := range o.noted {
		o.seen.Notes = append(o.seen.Notes, drift.Note{ID: n.id, Text: n.text, Source: o.fleet.Resource(n.id).Source, Unknown: n.unknown})
	}
	return nil
}

// drifted makes a host due on which tasks would change something.
func (o *observation) drifted(p *observed, host string, f finding) {
	has := p.due[host]
	has.Due = f.due
	p.due[host] = has
	p.found.why[host], p.found.lines[host], p.found.tasks[host] = f.due, f.lines, f.tasks
	tasks, at, until := o.mended(p.ID, host)
	if tasks == f.tasks && o.now.Before(until) {
		p.found.held[host] = fmt.Sprintf("its run of %s UTC changed the same, so the playbook is not idempotent there, or something changes it back: run again at %s UTC, or at once by `agent sync --run %s --limit %s`",
			moment(at.UTC(), o.now.UTC()), moment(until.UTC(), o.now.UTC()), p.ID, host)
		o.comes(until)
	}
}

// mended tells of the last run that followed a check: for which tasks, and until when it
// is not made again for the same.
func (o *observation) mended(play desired.ID, host string) (tasks string, at, until time.Time) {
	tasks, at, times := o.Memory.Mended(play, host)
	wait := firstMend
	for range min(times-1, 10) {
		wait = min(2*wait, longestMend)
	}
	return tasks, at, at.Add(wait)
}

// spared tells whether a look that is to be quick passes over a host: nothing is known
// of it that another look would change. A run that check mode had asked for and that
// failed, and one that is to be made again at its time, are not forgotten by that.
func (o *observation) spared(p *observed, host string) bool {
	if _, _, failed := o.Memory.Failed(p.ID, host); failed || !o.quick {
		return false
	}
	tasks, _, until := o.mended(p.ID, host)
	if tasks == "" {
		return true
	}
	if o.now.Before(until) {
		o.comes(until)
		return true
	}
	return false
}

// ask runs the check modes, each host's one after the other.
func (o *observation) ask(ctx context.Context) {
	ctx, stop := context.WithTimeoutCause(ctx, checkAll, errLong)
	defer stop()
	locks := make(map[string]*sync.Mutex)
	for _, p := range o.plays {
		for _, id := range p.clean {
			locks[id.Name()] = new(sync.Mutex)
		}
	}
	var asking sync.WaitGroup
	for _, p := range o.plays {
		if p.play.Drift != "check" || p.play.Runner.Webhook != nil {
			continue
		}
		hosts := o.checkable(ctx, p)
		if len(hosts) == 0 {
			continue
		}
		asking.Go(func() {
			for _, h := range hosts {
				locks[h.name].Lock()
				defer locks[h.name].Unlock()
			}
			on := scene{id: p.ID, play: p.play, fleet: o.fleet, fact: p.fact(o.world)}
			for _, group := range split(o.fleet, p.play, hosts) {
				o.ask1(ctx, on, group)
			}
		})
	}
	asking.Wait()
}

// checkable are the hosts of a playbook that are up and not due, sorted.
func (o *observation) checkable(ctx context.Context, p *observed) []*host {
	var hosts []*host
	unseen := make(map[string][]string) // Hosts, by why they can't be looked at.
	for _, id := range p.clean {
		live := o.world.Live(id)
		if id.Kind() != desired.KindHost && (live == nil || !live.Running || live.Archived) || o.spared(p, id.Name()) {
			continue
		}
		if locked := o.locked(ctx, p, id); locked != "" {
			unseen[locked] = append(unseen[locked], id.Name())
			continue
		}
		hosts = append(hosts, &host{name: id.Name(), id: id})
	}
	var asking sync.WaitGroup
	for _, h := range hosts {
		if h.id.Kind() == desired.KindHost {
			asking.Go(func() { h.err = o.answers(ctx, o.fleet, p.play, h.id, answerFor/2) })
		}
	}
	asking.Wait()
	hosts = slices.DeleteFunc(hosts, func(h *host) bool {
		if h.err != nil {
			unseen[reason(h.err)] = append(unseen[reason(h.err)], h.name)
		}
		return h.err != nil
	})
	for _, why := range slices.Sorted(maps.Keys(unseen)) {
		o.unasked(p.ID, fmt.Sprintf("check mode has not looked at %s: %s", listed(unseen[why]), why))
	}
	return hosts
}

// unasked notes that a host could not be asked what would be changed there.
func (o *observation) unasked(id desired.ID, text string) { o.remark(note{id, text, true}) }

// remark notes what people should know of a check.
func (o *observation) remark(n note) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.noted = append(o.noted, n)
}

// ask1 runs one check mode.
func (o *observation) ask1(ctx context.Context, on scene, hosts []*host) {
	spec, err := o.prepare(ctx, on, hosts)
	var done *runner.Result
	ready := todo(hosts)
	if err == nil && len(ready) > 0 {
		spec.Check, spec.Say, spec.Timeout = true, func(string) {}, min(spec.Timeout, checkFor)
		err = ctx.Err()
		if o.enter(ctx) {
			done, err = o.play(ctx, spec)
			o.leave()
		}
	}
	switch {
	case errors.Is(context.Cause(ctx), errLong):
		err = errLong
	case ctx.Err() != nil:
		return // The agent stops.
	}
	if err != nil {
		o.unasked(on.id, fmt.Sprintf("what it would change on %s is not known: %s", listed(names(hosts)), reason(err)))
		return
	}
	clean := make(map[string]string)
	for _, h := range hosts {
		if h.err == nil && done.Hosts[h.name] != nil && done.Hosts[h.name].Err != nil {
			h.err = errors.New(o.explain(done.Hosts[h.name].Err.Error(), h))
		}
		if h.err != nil {
			o.unasked(on.id, fmt.Sprintf("what it would change on %s is not known: %s", h.name, reason(h.err)))
			continue
		}
		if sums := done.Hosts[h.name]; sums != nil {
			switch f := find(sums); {
			case f.tasks != "":
				o.keep(on.id, h.name, f)
			case sums.Short:
				// What an earlier look found may still be so.
				o.remark(note{id: on.id, text: fmt.Sprintf("what it would change on %s is not known: %s", h.name, reason(o.short(sums, h)))})
			default:
				clean[h.name] = ""
			}
		}
	}
	if len(clean) == 0 {
		return
	}
	if err := o.Memory.Mend(on.id, clean); err != nil {
		o.Log.WarnContext(ctx, "what check mode found can't be noted", slog.String("resource", string(on.id)), slog.Any("error", err))
	}
}

// short says where check mode came no further on a host.
func (a *Applyer) short(sums *runner.Host, h *host) error {
	text := "it came to no end"
	if n := len(sums.Unchecked); n > 0 {
		text = a.explain(sums.Unchecked[n-1].Error(), h)
	}
	return errors.New("check mode came no further than " + text)
}

func (a *Applyer) keep(play desired.ID, host string, f finding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.checked[play] == nil {
		a.checked[play] = make(map[string]finding)
	}
	a.checked[play][host] = f
}

// forget lets go of what check mode has found where the playbook has run since.
func (a *Applyer) forget(play desired.ID, hosts []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, host := range hosts {
		delete(a.checked[play], host)
	}
}

// find tells which tasks would change what on a host.
func find(sums *runner.Host) finding {
	var f finding
	sum, n := sha256.New(), 0
	for _, task := range sums.Tasks {
		if task.Status != runner.Changed {
			continue
		}
		n++
		_, _ = fmt.Fprintf(sum, "%s\n%s\n", task.Name, task.Path)
		f.lines = append(f.lines, fmt.Sprintf("task %q (%s)", task.Name, task.Path))
		for line := range strings.Lines(task.Diff) {
			f.lines = append(f.lines, "  "+strings.TrimRight(line, "\r\n"))
		}
	}
	if n == 0 {
		return finding{}
	}
	if more := len(f.lines) - checkLines; more > 0 {
		f.lines = append(f.lines[:checkLines], fmt.Sprintf("… and %s more", count(more, "line")))
	}
	f.tasks, f.due = hex.EncodeToString(sum.Sum(nil)[:8]), count(n, "task")+" would change something"
	return f
}
