package applyers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"berth/drift"
)

// patience is how long a run that is for many waits, once some of them are ready, for
// those that are not yet. It then begins without these, and the next turn runs it for
// them: one guest that boots slowly, or never, must not keep a playbook from all others.
const patience = 2 * time.Minute

// patient keeps, for runs that wait, since when they could begin for some.
type patient struct {
	since map[drift.Key]time.Time
	// over are those that wait no longer.
	over map[drift.Key]bool
}

// impatient lets runs begin whose patience is over, and gives the time at which that of
// the next one will be; nil is never.
func (r *running) impatient(ctx context.Context) <-chan time.Time {
	if ctx.Err() != nil {
		return nil
	}
	var next time.Duration
	for i := range r.Plan.Changes {
		c := &r.Plan.Changes[i]
		if c.Step != drift.Run || r.unmet[c.Key] <= 0 || r.patient.over[c.Key] || !r.some(c) {
			continue
		}
		since, known := r.patient.since[c.Key]
		if !known {
			since = time.Now()
			r.patient.since[c.Key] = since
		}
		left := max(time.Until(since.Add(patience)), 1)
		if left == 1 {
			r.patient.over[c.Key] = true
			r.release(c)
		}
		if next == 0 || left < next {
			next = left
		}
	}
	if next == 0 {
		return nil
	}
	return time.After(next)
}

// some tells whether all that a change itself waits for has ended, and all that one of
// its fields waits for has ended well.
func (r *running) some(c *drift.Change) bool {
	if slices.ContainsFunc(c.Wait, r.goesOn) || slices.ContainsFunc(c.WaitFields, func(k drift.FieldKey) bool { return r.goesOn(k.Key) }) {
		return false
	}
	for i := range c.Fields {
		f := &c.Fields[i]
		if f.Held == "" && r.late(f) == "" && r.blocked(f.Wait) == "" && r.missing(f.WaitFields) == "" {
			return true
		}
	}
	return false
}

// goesOn tells whether a change of the plan has not ended.
func (r *running) goesOn(k drift.Key) bool { return r.changes[k] != nil && r.outcomes[k] == nil }

// late names the first of what a field waits for that has not ended; "" is none.
func (r *running) late(f *drift.Field) string {
	for _, k := range f.Wait {
		if r.goesOn(k) {
			return fmt.Sprintf("%s takes long, and others wait for the same run: the next turn runs it here", k)
		}
	}
	for _, k := range f.WaitFields {
		if r.goesOn(k.Key) {
			return fmt.Sprintf("%s takes long, and others wait for the same run: the next turn runs it here", k.Key)
		}
	}
	return ""
}
