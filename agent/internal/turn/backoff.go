package turn

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"berth/desired"
	"berth/drift"
)

// backoff makes resources that have failed wait: 10 s at first, doubling to an
// hour. The zero backoff waits for nothing.
type backoff struct {
	waits map[desired.ID]wait
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
	for _, o := range outcomes {
		refused := false
		if o.Status == drift.Held {
			c := plan.Change(o.Key)
			refused = c != nil && c.Held == ""
		}
		if o.Status != drift.Failed && !refused {
			continue
		}
		if b.waits == nil {
			b.waits = make(map[desired.ID]wait)
		}
		w := b.waits[o.ID]
		w.delay = min(max(2*w.delay, firstWait), longestWait)
		w.until, w.reason = now.Add(w.delay), o.Reason
		b.waits[o.ID] = w
		failed[o.ID] = true
	}
	ended := make(map[desired.ID]drift.Status)
	for _, o := range outcomes {
		ended[o.ID] = o.Status // The last step of a resource tells.
	}
	for id, status := range ended {
		if status == drift.Done && !failed[id] {
			delete(b.waits, id)
		}
	}
}

// rest lets what was due and still waits, wait once more: nothing is tried again
// and again without a pause.
func (b *backoff) rest(now time.Time) {
	for id, w := range b.waits {
		if !w.until.After(now) {
			w.until = now.Add(w.delay)
			b.waits[id] = w
		}
	}
}

// rewind lets nothing wait longer than its delay from now: the clock may have been
// set back.
func (b *backoff) rewind(now time.Time) {
	for id, w := range b.waits {
		if w.until.Sub(now) > w.delay {
			w.until = now.Add(w.delay)
			b.waits[id] = w
		}
	}
}

// guard holds what must still wait. It comes last: what nobody would try
// anyhow, be it held by another guard or no longer planned, waits for nothing.
func (b *backoff) guard(now time.Time) drift.Guard {
	return func(_ *drift.World, p *drift.Plan) {
		b.rewind(now)
		tried := make(map[desired.ID]bool)
		for i := range p.Changes {
			c := &p.Changes[i]
			w, ok := b.waits[c.ID]
			if !ok || c.Held != "" {
				continue
			}
			tried[c.ID] = true
			if now.Before(w.until) {
				c.Held = fmt.Sprintf("tried again at %s, or at once by `agent sync`: %s", w.until.UTC().Format("15:04:05 UTC"), w.reason)
			}
		}
		maps.DeleteFunc(b.waits, func(id desired.ID, _ wait) bool { return !tried[id] })
	}
}

// next is when the first of them may be tried again; zero if none waits.
func (b *backoff) next() time.Time {
	var first time.Time
	for _, w := range b.waits {
		if first.IsZero() || w.until.Before(first) {
			first = w.until
		}
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
// that a turn left more to do, that a window opens which something waits for, or
// that no turn could be made at all; zero if there is not.
func (t *Turner) Retry() time.Time {
	if !t.broken.at.IsZero() {
		return t.broken.at
	}
	first := t.backoff.next()
	if at := t.again.at; first.IsZero() || !at.IsZero() && at.Before(first) {
		first = at
	}
	if first.IsZero() || !t.opens.IsZero() && t.opens.Before(first) {
		first = t.opens
	}
	return first
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
