package ansible

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// Observe tells what has run, and why hosts are due all the same. Where a playbook says
// drift: check, those that are up and not due are asked by Ansible's check mode, once in
// the life of the Applyer. A quick look asks those alone of which it has found something
// before.
func (a *Applyer) Observe(ctx context.Context, fleet *desired.Fleet, only applyers.Scope) (drift.Observed, error) {
	o := &observation{
		Applyer: a, fleet: fleet, now: a.Now(), quick: only.Quick,
		world: drift.NewWorld(fleet, only.Others.Lives), versions: make(map[desired.SecretRef]version), locks: make(map[desired.SecretRef]error),
	}
	for _, r := range fleet.Resources {
		play, ok := r.Spec.(*desired.Playbook)
		if ok && (only.IDs == nil || slices.Contains(only.IDs, r.ID)) {
			o.playbook(ctx, r, play)
		}
	}
	if err := o.check(ctx); err != nil {
		return drift.Observed{}, err
	}
	for _, p := range o.plays {
		o.seen.Lives = append(o.seen.Lives, p.live())
	}
	return o.seen, nil
}

// observation is one look at what has run.
type observation struct {
	*Applyer
	fleet    *desired.Fleet
	now      time.Time
	quick    bool
	world    *drift.World
	seen     drift.Observed
	plays    []*observed
	versions map[desired.SecretRef]version
	locks    map[desired.SecretRef]error
}

type version struct {
	text string
	err  error
}

// observed is what is known of one playbook.
type observed struct {
	*desired.Resource
	play  *desired.Playbook
	facts map[string]string
	// due holds what has run where, with the reason why it is due all the same; those
	// that have never run are not in it.
	due   map[string]desired.Run
	found *found
	// clean are hosts that are not due.
	clean []desired.ID
}

// found is an applyer's own knowledge of a playbook, by host, for its Steps.
type found struct {
	at time.Time
	// why tells why a host is due, held why it must wait, lines what would be changed,
	// and tasks what check mode knows that by.
	why, held, tasks map[string]string
	lines            map[string][]string
}

// live is the playbook as it is.
func (p *observed) live() drift.Live {
	return drift.Live{ID: p.ID, Spec: &desired.Playbook{Due: p.due}, Facts: p.facts, Handle: p.found}
}

// fact answers for guests, and for this playbook.
func (p *observed) fact(w *drift.World) desired.Lookup {
	return func(id desired.ID, fact string) (string, bool) {
		if id == p.ID {
			value, ok := p.facts[fact]
			return value, ok
		}
		return w.Fact(id, fact)
	}
}

// playbook looks at one playbook.
func (o *observation) playbook(ctx context.Context, r *desired.Resource, play *desired.Playbook) {
	p := &observed{
		Resource: r, play: play, facts: make(map[string]string), due: make(map[string]desired.Run, len(play.Targets)),
		found: &found{
			at: o.now, why: make(map[string]string), held: make(map[string]string),
			tasks: make(map[string]string), lines: make(map[string][]string),
		},
	}
	commit := ""
	var locked *desired.LockedError
	if play.Git != nil {
		src := o.source(ctx, play)
		if src.err != nil && !errors.As(src.err, &locked) {
			o.seen.Blind = append(o.seen.Blind, drift.Blind{
				ID: r.ID, Reason: fmt.Sprintf("its repository %s can't be read: %v", play.Git.URL, src.err),
				Remedy: "see that it is there and that git.key opens it; the playbook runs again by itself then",
			})
			return
		}
		commit = src.commit
	}
	o.plays = append(o.plays, p)
	schedules := o.schedules(p)
	for _, target := range play.Targets {
		host := target.Name()
		wanted := play.Due[host]
		digest, _, ran := o.Memory.Ran(r.ID, host)
		if !ran && !runs(o.fleet, target) {
			o.seen.Notes = append(o.seen.Notes, drift.Note{
				ID: r.ID, Source: r.Source,
				Text: fmt.Sprintf("runs on %s when its manifest no longer says state: %s", target, o.fleet.Guest(target).State),
			})
			continue
		}
		o.outside(ctx, p, wanted, commit)
		if locked != nil {
			p.found.held[host] = locked.Error()
		}
		has := desired.Run{Digest: digest, Guest: target, Play: r.ID, OnDemand: wanted.OnDemand, Due: o.reasons(p, host, schedules[host])}
		if ran || wanted.OnDemand || has.Due != "" {
			p.due[host] = has
		}
		o.judge(ctx, p, host, wanted, ran)
	}
}

// outside makes known what a run depends on that lies outside of the manifests.
func (o *observation) outside(ctx context.Context, p *observed, wanted desired.Run, commit string) {
	if !wanted.Outside() {
		return
	}
	parts := []string{commit}
	for _, ref := range wanted.Secrets {
		v, known := o.versions[ref]
		if !known {
			v.text, v.err = o.Secrets.Version(ctx, ref)
			o.versions[ref] = v
		}
		if v.err != nil {
			p.found.held[wanted.Guest.Name()] = reason(v.err)
			return
		}
		parts = append(parts, ref.Secret+" "+ref.Key+" "+v.text)
	}
	p.facts[desired.VersionFact(wanted.Guest.Name())] = strings.Join(parts, "\n")
}

// reason writes an error as a hold, in one line.
func reason(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// moment writes a time for people: the hour alone where it was within a day.
func moment(t, now time.Time) string {
	if now.Sub(t) < 24*time.Hour && t.Sub(now) < 24*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// reasons tells why a host is due although nothing has changed; "" is that it is not.
func (a *Applyer) reasons(play desired.ID, host, schedule string, now time.Time) string {
	var all []string
	if why, asked := a.Memory.Asked(play, host); asked {
		all = append(all, why)
	}
	if began, cut := a.Memory.CutOff(play, host); cut {
		all = append(all, fmt.Sprintf("the run of %s UTC was cut off", moment(began.UTC(), now.UTC())))
	}
	if schedule != "" {
		all = append(all, schedule)
	}
	return strings.Join(all, "; ")
}

func (o *observation) reasons(p *observed, host, schedule string) string {
	return o.Applyer.reasons(p.ID, host, schedule, o.now)
}

// schedules tells, by host, which schedule has come since the last run, and makes known
// when the next one does.
func (o *observation) schedules(p *observed) map[string]string {
	if !p.play.Scheduled() || len(p.play.Targets) == 0 {
		return nil
	}
	come, err := o.come(p.ID, p.play, o.now)
	if err != nil {
		o.seen.Notes = append(o.seen.Notes, drift.Note{ID: p.ID, Source: p.Source, Text: "since when its schedule counts can't be noted: " + reason(err)})
	}
	o.comes(p.play.Next(o.now))
	return come
}

// comes makes known that something becomes due by itself.
func (o *observation) comes(at time.Time) {
	o.seen.Add(drift.Observed{Comes: at})
}

// come tells, by host, which schedule of a playbook has come since the last run there.
func (a *Applyer) come(id desired.ID, play *desired.Playbook, now time.Time) (map[string]string, error) {
	var words []string
	for _, t := range play.Runs {
		if t.Schedule != "" {
			words = append(words, t.Schedule+" "+t.Zone)
		}
	}
	hosts := make([]string, len(play.Targets))
	for i, target := range play.Targets {
		hosts[i] = target.Name()
	}
	since, err := a.Memory.Since(id, strings.Join(words, ", "), hosts)
	come := make(map[string]string)
	for host, from := range since {
		if _, at, failed := a.Memory.Failed(id, host); failed && !play.Retry && at.After(from) {
			from = at
		}
		if next := play.Next(from); !next.IsZero() && !next.After(now) {
			come[host] = "its schedule came at " + moment(next, now)
		}
	}
	return come, err
}

// judge tells of a host that is due why, and what it must wait for.
func (o *observation) judge(ctx context.Context, p *observed, host string, wanted desired.Run, ran bool) {
	has := p.due[host]
	leaf, from := wanted.Resolve(p.fact(o.world))
	resolved, _ := leaf.(desired.Run)
	if from == "" && (ran || wanted.OnDemand) && resolved.Equal(has) {
		p.clean = append(p.clean, wanted.Guest)
		return
	}
	p.found.why[host] = has.Due // Else what it was and is tells.
	if has.Due == "" && from == "" && ran {
		p.found.why[host] = o.news(p.ID, host, wanted, p.fact(o.world))
	}
	if p.found.held[host] == "" {
		p.found.held[host] = o.holds(ctx, p, host, resolved, from == "")
	}
}

// holds tells why a due host must wait all the same.
func (o *observation) holds(ctx context.Context, p *observed, host string, wanted desired.Run, known bool) string {
	_, asked := o.Memory.Asked(p.ID, host)
	digest, at, failed := o.Memory.Failed(p.ID, host)
	if known && failed && !p.play.Retry && !asked && digest == wanted.Digest && !wanted.OnDemand {
		return fmt.Sprintf("its run of %s UTC failed, and retry: false waits for an edit, or for `agent sync --run %s --limit %s`", moment(at.UTC(), o.now.UTC()), p.ID, host)
	}
	return o.locked(ctx, p, wanted.Guest)
}

// locked tells which secret of a host nobody can read before an unlock; "" is none.
func (o *observation) locked(ctx context.Context, p *observed, id desired.ID) string {
	for _, ref := range refs(o.fleet, p.play, id) {
		err, known := o.locks[ref]
		if !known {
			_, err = o.Secrets.Read(ctx, ref)
			o.locks[ref] = err
		}
		if locked, ok := errors.AsType[*desired.LockedError](err); ok {
			return locked.Error()
		}
	}
	return ""
}

// runs tells whether a host is meant to be up.
func runs(fleet *desired.Fleet, id desired.ID) bool {
	g := fleet.Guest(id)
	return g == nil || g.State == desired.Running || g.State == ""
}
