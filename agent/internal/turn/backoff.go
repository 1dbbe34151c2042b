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

// learn notes what has failed and forgets what has come right.
func (b *backoff) learn(outcomes []drift.Outcome, now time.Time) {
	failed := make(map[desired.ID]bool)
	for _, o := range outcomes {
		if o.Status != drift.Failed {
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
	for _, o := range outcomes {
		if o.Status == drift.Done && !failed[o.ID] {
			delete(b.waits, o.ID)
		}
	}
}

// guard holds what must still wait. It comes last: what nobody would try
// anyhow, be it held by another guard or no longer planned, waits for nothing.
func (b *backoff) guard(now time.Time) drift.Guard {
	return func(_ *drift.World, p *drift.Plan) {
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

// again is when a turn that left more to do is followed by another: a second
// later, and twice as long each time that it leaves more again, up to an hour.
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

// Retry is when there is something to do again, be it that a step has failed or
// that a turn left more to do; zero if there is not.
func (t *Turner) Retry() time.Time {
	first := t.backoff.next()
	if at := t.again.at; first.IsZero() || !at.IsZero() && at.Before(first) {
		first = at
	}
	return first
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
