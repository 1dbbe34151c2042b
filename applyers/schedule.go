package applyers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/desired"
	"berth/drift"
)

// running is an execution under way.
type running struct {
	Execution
	cancel context.CancelCauseFunc

	// What follows belongs to the loop of Execute.
	changes  map[drift.Key]*drift.Change
	place    map[drift.Key]int // in the plan
	outcomes map[drift.Key]*drift.Outcome
	// unmet counts the ends that a change still waits for, dependents lists who
	// waits for one, free are those that wait for nothing but a place in their
	// lanes, in the plan's order.
	unmet      map[drift.Key]int
	dependents map[drift.Key][]drift.Key
	free       []*drift.Change
	jobs       map[drift.Key]drift.Change // what is left of free ones to be made
	begun      map[drift.Key]bool
	undone     map[drift.FieldKey]string // why fields of ended changes were not done
	lanes      map[string]int
	patient    patient

	mu    sync.Mutex
	facts map[string]string // "vm/web-1 address", made by steps of this run
	err   error             // the first event that could not be told
}

func newRunning(e Execution, cancel context.CancelCauseFunc) *running {
	n := len(e.Plan.Changes)
	r := &running{
		Execution: e, cancel: cancel,
		changes: make(map[drift.Key]*drift.Change, n), place: make(map[drift.Key]int, n), outcomes: make(map[drift.Key]*drift.Outcome, n),
		unmet: make(map[drift.Key]int), dependents: make(map[drift.Key][]drift.Key),
		begun: make(map[drift.Key]bool), undone: make(map[drift.FieldKey]string),
		lanes: make(map[string]int), jobs: make(map[drift.Key]drift.Change), facts: make(map[string]string),
		patient: patient{since: make(map[drift.Key]time.Time), over: make(map[drift.Key]bool)},
	}
	if r.Lanes == nil {
		r.Lanes = defaultLanes
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	for i := range r.Plan.Changes {
		r.changes[r.Plan.Changes[i].Key], r.place[r.Plan.Changes[i].Key] = &r.Plan.Changes[i], i
	}
	for i := range r.Plan.Changes {
		c := &r.Plan.Changes[i]
		// What is held is told so at once, whatever it waits for.
		if c.Held == "" {
			for _, k := range c.Waits() {
				if r.changes[k] != nil {
					r.unmet[c.Key]++
					r.dependents[k] = append(r.dependents[k], c.Key)
				}
			}
		}
		if r.unmet[c.Key] == 0 {
			r.free = append(r.free, c)
		}
	}
	return r
}

// begin settles what will not run, and picks what can begin now.
func (r *running) begin(ctx context.Context) []drift.Change {
	var begin []drift.Change
	for i := 0; i < len(r.free); {
		c := r.free[i]
		job, outcome := r.job(ctx, c)
		switch {
		case outcome != nil:
			r.free = slices.Delete(r.free, i, i+1)
			// What becomes free by this may stand before it in the plan.
			r.finish(outcome)
			i = 0
		case r.enter(job.Lanes):
			r.free = slices.Delete(r.free, i, i+1)
			delete(r.jobs, c.Key)
			r.begun[c.Key] = true
			begin = append(begin, job)
		default:
			i++
		}
	}
	return begin
}

// job is what is to be made of a free change, worked out once, or why nothing is.
func (r *running) job(ctx context.Context, c *drift.Change) (drift.Change, *drift.Outcome) {
	if ctx.Err() != nil && c.Held == "" {
		reason := ErrLeft.Error()
		if r.failure() != nil {
			reason = unwritten
		}
		return *c, &drift.Outcome{Key: c.Key, Status: drift.Left, Reason: reason}
	}
	if job, ok := r.jobs[c.Key]; ok {
		return job, nil
	}
	job, outcome := r.prepare(*c)
	if outcome == nil {
		r.jobs[c.Key] = job
	}
	return job, outcome
}

// prepare leaves of a change what can be made, or tells why nothing can.
func (r *running) prepare(c drift.Change) (drift.Change, *drift.Outcome) {
	end := func(status drift.Status, reason string) (drift.Change, *drift.Outcome) {
		return c, &drift.Outcome{Key: c.Key, Status: status, Reason: reason}
	}
	switch {
	case c.Held != "":
		return end(drift.Held, c.Held)
	case r.Appliers[c.ID.Kind()] == nil:
		return end(drift.Failed, "no applyer looks after "+c.ID.Kind())
	}
	if reason := cmp.Or(r.blocked(c.Wait), r.missing(c.WaitFields)); reason != "" {
		return end(drift.Skipped, reason)
	}
	if len(c.Fields) == 0 {
		return c, nil
	}
	want := r.World.Fleet.Resource(c.ID)
	var fields []drift.Field
	reason := ""
	for _, f := range c.Fields {
		why := cmp.Or(f.Held, r.late(&f), r.blocked(f.Wait), r.missing(f.WaitFields))
		if why == "" {
			known := false
			if f, known = drift.Resolved(want, f, r.fact); !known {
				why = f.After.From + " is still not known"
			}
		}
		if why != "" {
			reason = why
			r.undone[drift.FieldKey{Key: c.Key, Path: f.Path}] = why
			continue
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return end(drift.Skipped, reason)
	}
	c.Fields = fields
	return c, nil
}

// blocked names the first of keys that did not come to a good end. A run that is waited
// for as a whole has not, where some of its hosts were left out.
func (r *running) blocked(keys []drift.Key) string {
	for _, k := range keys {
		if o := r.outcomes[k]; o != nil && o.Status != drift.Done {
			words := map[drift.Status]string{
				drift.Failed: "failed", drift.Skipped: "was skipped", drift.Held: "is held", drift.Left: "was left",
			}
			return fmt.Sprintf("waits for %s, which %s", k, words[o.Status])
		}
		if c := r.changes[k]; c != nil && k.Step == drift.Run {
			for _, f := range c.Fields {
				if why := r.undone[drift.FieldKey{Key: k, Path: f.Path}]; why != "" {
					return fmt.Sprintf("waits for %s, which was not done for %s: %s", k, f.Path, why)
				}
			}
		}
	}
	return ""
}

// missing names the first of some fields that was not done, be it that its
// change did not come to a good end, or that it alone was left out or failed. A
// field that was done counts although others of its change failed.
func (r *running) missing(keys []drift.FieldKey) string {
	for _, k := range keys {
		o := r.outcomes[k.Key]
		if o == nil {
			continue
		}
		if why := r.undone[k]; why != "" {
			return fmt.Sprintf("waits for %s, which was not done: %s", k, why)
		}
		if o.Results == nil {
			if reason := r.blocked([]drift.Key{k.Key}); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func (r *running) enter(lanes []string) bool {
	for _, lane := range lanes {
		word, _, _ := strings.Cut(lane, ":")
		if r.lanes[lane] >= max(1, r.Lanes[word]) {
			return false
		}
	}
	for _, lane := range lanes {
		r.lanes[lane]++
	}
	return true
}

// finish records an outcome, frees its lanes and those who waited for it.
func (r *running) finish(o *drift.Outcome) {
	r.outcomes[o.Key] = o
	r.settle(o)
	if r.begun[o.Key] {
		for _, lane := range r.changes[o.Key].Lanes {
			r.lanes[lane]--
		}
	}
	for _, k := range r.dependents[o.Key] {
		if r.unmet[k]--; r.unmet[k] == 0 && !r.patient.over[k] {
			r.release(r.changes[k])
		}
	}
	_ = r.tell(Event{Key: o.Key, Outcome: o}) // It is kept, and ends the execution.
}

// release puts a change among the free ones, in the plan's order.
func (r *running) release(c *drift.Change) {
	at, _ := slices.BinarySearchFunc(r.free, c, func(a, b *drift.Change) int { return cmp.Compare(r.place[a.Key], r.place[b.Key]) })
	r.free = slices.Insert(r.free, at, c)
}

// settle tells of each field how it ended, where fields of one change ended
// differently: those that were left out, that failed, and that were done.
func (r *running) settle(o *drift.Outcome) {
	c := r.changes[o.Key]
	leftOut := slices.ContainsFunc(c.Fields, func(f drift.Field) bool { return r.undone[drift.FieldKey{Key: o.Key, Path: f.Path}] != "" })
	if o.Results == nil && (!leftOut || o.Status != drift.Done) {
		return
	}
	results := make(map[desired.Path]string, len(c.Fields))
	maps.Copy(results, o.Results)
	for _, f := range c.Fields {
		k := drift.FieldKey{Key: o.Key, Path: f.Path}
		reason, told := o.Results[f.Path]
		switch {
		case r.undone[k] != "":
			reason, told = r.undone[k], f.Held == ""
			if told && !slices.Contains(o.Untried, f.Path) {
				o.Untried = append(o.Untried, f.Path)
			}
		case o.Results == nil:
			told = true
		case !told:
			r.undone[k] = "it was not tried"
		case reason != "":
			r.undone[k] = reason
		}
		if told {
			results[f.Path] = reason
		}
	}
	o.Results = results
}
