package turn

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"berth/desired"
	"berth/drift"
)

// backoff makes what has failed wait: 10 s at first, doubling to an hour. Where the
// fields of a change go different ways, as the hosts of a playbook do, the one that
// failed waits alone. The zero backoff waits for nothing.
type backoff struct {
	waits map[waiter]wait
}

// waiter is a resource, or one field of it.
type waiter struct {
	id   desired.ID
	path desired.Path // "" for all of the resource
}

type wait struct {
	delay  time.Duration
	until  time.Time
	reason string
}

const (
	firstWait   = 10 * time.Second
	longestWait = time.Hour
)

// learn notes what has failed and forgets what has come right. What was to be
// tried again and was held or skipped instead has not come right either, and what
// was refused at the last look has failed as much.
func (b *backoff) learn(plan *drift.Plan, outcomes []drift.Outcome, now time.Time) {
	failed := make(map[desired.ID]bool)
	for i := range outcomes {
		o := &outcomes[i]
		c := plan.Change(o.Key)
		// What waits for an unlock has not failed: the turn after it tries it at once.
		refused := o.Status == drift.Held && c != nil && c.Held == "" && !desired.WaitsForUnlock(o.Reason)
		switch paths := apart(o, c); {
		case o.Status != drift.Failed && !refused:
		case len(paths) > 0:
			// It no longer fails as a whole.
			delete(b.waits, waiter{o.ID, ""})
			for _, path := range paths {
				b.fails(waiter{o.ID, path}, o.Results[path], now)
			}
			failed[o.ID] = true
		default:
			b.fails(waiter{o.ID, ""}, o.Reason, now)
			failed[o.ID] = true
		}
		b.right(o, c)
	}
	ended := make(map[desired.ID]drift.Status)
	for _, o := range outcomes {
		ended[o.ID] = o.Status // The last step of a resource tells.
	}
	for id, status := range ended {
		if status == drift.Done && !failed[id] {
			delete(b.waits, waiter{id, ""})
		}
	}
}

func (b *backoff) fails(who waiter, reason string, now time.Time) {
	if b.waits == nil {
		b.waits = make(map[waiter]wait)
	}
	w := b.waits[who]
	w.delay = min(max(2*w.delay, firstWait), longestWait)
	w.until, w.reason = now.Add(w.delay), reason
	b.waits[who] = w
}

// apart lists the fields that failed of a change some of whose fields did not; nil
// where it failed as a whole.
func apart(o *drift.Outcome, c *drift.Change) []desired.Path {
	if o.Status != drift.Failed || c == nil {
		return nil
	}
	var paths []desired.Path
	for _, f := range c.Fields {
		if o.Results[f.Path] != "" && !slices.Contains(o.Untried, f.Path) {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// right forgets the waits of fields that have come right.
func (b *backoff) right(o *drift.Outcome, c *drift.Change) {
	if c == nil {
		return
	}
	for _, f := range c.Fields {
		reason, told := o.Results[f.Path]
		if told && reason == "" || o.Results == nil && o.Status == drift.Done && f.Held == "" {
			delete(b.waits, waiter{o.ID, f.Path})
		}
	}
}

// rest lets what was due and still waits, wait once more: nothing is tried again
// and again without a pause.
func (b *backoff) rest(now time.Time) {
	for who, w := range b.waits {
		if !w.until.After(now) {
			w.until = now.Add(w.delay)
			b.waits[who] = w
		}
	}
}

// rewind lets nothing wait longer than its delay from now: the clock may have been
// set back.
func (b *backoff) rewind(now time.Time) {
	for who, w := range b.waits {
		if w.until.Sub(now) > w.delay {
			w.until = now.Add(w.delay)
			b.waits[who] = w
		}
	}
}

// guard holds what must still wait. It comes last: what nobody would try
// anyhow, be it held by another guard or no longer planned, waits for nothing.
func (b *backoff) guard(now time.Time) drift.Guard {
	return func(_ *drift.World, p *drift.Plan) {
		b.rewind(now)
		tried := make(map[waiter]bool)
		// hold tells why something must still wait; "" is that it need not.
		hold := func(who waiter) string {
			w, ok := b.waits[who]
			if !ok {
				return ""
			}
			tried[who] = true
			if !now.Before(w.until) {
				return ""
			}
			return fmt.Sprintf("tried again at %s, or at once by `agent sync`: %s", w.until.UTC().Format("15:04:05 UTC"), w.reason)
		}
		for i := range p.Changes {
			c := &p.Changes[i]
			if len(b.waits) == 0 || c.Held != "" {
				continue
			}
			c.Held = hold(waiter{c.ID, ""})
			for j := range c.Fields {
				// What is run on a guest that is made anew has never been tried there.
				if f := &c.Fields[j]; f.Held == "" && (c.Step != drift.Run || f.After.From == "") {
					f.Held = hold(waiter{c.ID, f.Path})
				}
			}
		}
		maps.DeleteFunc(b.waits, func(who waiter, _ wait) bool { return !tried[who] })
	}
}

// next is when the first of them may be tried again; zero if none waits.
func (b *backoff) next() time.Time {
	var first time.Time
	for _, w := range b.waits {
		first = sooner(first, w.until)
	}
	return first
}

// again is when a turn that left more to do, or could not be made, is followed by
// another: a second later, and twice as long each time that it is so again, up to
// an hour.
type again struct {
	delay time.Duration
	at    time.Time
}

func (a *again) learn(more bool, now time.Time) {
	if !more {
		*a = again{}
		return
	}
	a.delay = min(max(2*a.delay, time.Second), longestWait)
	a.at = now.Add(a.delay)
}

// Retry is when there is something to do again, be it that a step has failed,
// that a turn left more to do, that a window opens which something waits for, that
// the schedule of a playbook comes, or that no turn could be made at all; zero if
// there is not.
func (t *Turner) Retry() time.Time {
	if !t.broken.at.IsZero() {
		return t.broken.at
	}
	return sooner(sooner(t.backoff.next(), t.again.at), sooner(t.opens, t.comes))
}

// sooner is the earlier of two times, where zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
