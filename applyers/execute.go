package applyers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/desired"
	"berth/drift"
)

// Execution is a plan to be carried out.
type Execution struct {
	Plan  *drift.Plan
	World *drift.World
	// Appliers by short kind.
	Appliers map[string]Applyer
	// Lanes is how many steps may be in a lane at once, by the lane's word
	// before the colon; 1 where nothing is said.
	Lanes map[string]int
	// Confirm is asked right before a destructive step; a reason holds it.
	Confirm func(ctx context.Context, c drift.Change) (reason string)
	// Events are told in order, each before what follows from it goes on: an
	// error, from a journal that can't be written, stops the execution.
	Events func(Event) error
	Now    func() time.Time
}

// Event is one thing that happened during an execution. Exactly one of the
// fields but Key is set.
type Event struct {
	drift.Key
	Started bool
	Task    string
	Line    string
	Outcome *drift.Outcome
}

// DefaultLanes bounds what happens at once.
var defaultLanes = map[string]int{"site": 8, "node": 3, "guest": 1, "host": 1}

// Execute carries the plan out and tells what became of each change, in the
// plan's order. Cancelling ctx lets begun steps come to their end and begins no
// more. It returns an error only if the events could not be told.
func Execute(ctx context.Context, e Execution) ([]drift.Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &running{
		Execution: e, cancel: cancel,
		changes:  make(map[drift.Key]*drift.Change, len(e.Plan.Changes)),
		outcomes: make(map[drift.Key]*drift.Outcome), begun: make(map[drift.Key]bool), undone: make(map[drift.FieldKey]string),
		lanes: make(map[string]int), facts: make(map[string]string),
	}
	for i := range r.Plan.Changes {
		r.changes[r.Plan.Changes[i].Key] = &r.Plan.Changes[i]
	}
	if r.Lanes == nil {
		r.Lanes = defaultLanes
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	ended := make(chan *drift.Outcome)
	active := 0
	for {
		for _, c := range r.ready(ctx) {
			active++
			go func() { ended <- r.step(ctx, c) }()
		}
		if active == 0 {
			break
		}
		outcome := <-ended
		active--
		r.finish(outcome)
	}
	return r.result(), r.failure()
}

type running struct {
	Execution
	cancel context.CancelCauseFunc

	// changes, outcomes, begun, undone and lanes belong to the loop of Execute.
	changes  map[drift.Key]*drift.Change
	outcomes map[drift.Key]*drift.Outcome
	begun    map[drift.Key]bool
	undone   map[drift.FieldKey]string // why fields of begun changes were not done
	lanes    map[string]int

	mu    sync.Mutex
	facts map[string]string // "vm/web-1 address", made by steps of this run
	err   error             // the first event that could not be told
}

// ready settles what will not run, and picks what can begin now.
func (r *running) ready(ctx context.Context) []drift.Change {
	var begin []drift.Change
	for settled := true; settled; {
		settled = false
		for _, c := range r.Plan.Changes {
			if r.begun[c.Key] || r.outcomes[c.Key] != nil || !r.waited(c) {
				continue
			}
			job, outcome := r.prepare(ctx, c)
			if outcome != nil {
				r.finish(outcome)
				settled = true
				continue
			}
			if r.enter(job.Lanes) {
				r.begun[c.Key] = true
				begin = append(begin, job)
			}
		}
	}
	return begin
}

// waited tells whether all that c waits for has come to an end.
func (r *running) waited(c drift.Change) bool {
	over := func(k drift.Key) bool { return r.outcomes[k] != nil || r.changes[k] == nil }
	for _, k := range c.Wait {
		if !over(k) {
			return false
		}
	}
	for _, k := range c.LetGo {
		if !over(k.Key) {
			return false
		}
	}
	for _, f := range c.Fields {
		for _, k := range f.Wait {
			if !over(k) {
				return false
			}
		}
	}
	return true
}

// prepare leaves of a change what can be made, or tells why nothing can.
func (r *running) prepare(ctx context.Context, c drift.Change) (drift.Change, *drift.Outcome) {
	end := func(status drift.Status, reason string) (drift.Change, *drift.Outcome) {
		return c, &drift.Outcome{Key: c.Key, Status: status, Reason: reason}
	}
	switch {
	case c.Held != "":
		return end(drift.Held, c.Held)
	case ctx.Err() != nil:
		return end(drift.Left, ErrLeft.Error())
	case r.Appliers[c.ID.Kind()] == nil:
		return end(drift.Failed, "no applyer looks after "+c.ID.Kind())
	}
	if reason := r.blocked(c.Wait); reason != "" {
		return end(drift.Skipped, reason)
	}
	if reason := r.bound(c.LetGo); reason != "" {
		return end(drift.Skipped, reason)
	}
	if len(c.Fields) == 0 {
		return c, nil
	}
	want := r.World.Fleet.Resource(c.ID)
	var fields []drift.Field
	reason := ""
	for _, f := range c.Fields {
		why := f.Held
		if why == "" {
			why = r.blocked(f.Wait)
		}
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

// blocked names the first of keys that did not come to a good end.
func (r *running) blocked(keys []drift.Key) string {
	for _, k := range keys {
		if o := r.outcomes[k]; o != nil && o.Status != drift.Done {
			words := map[drift.Status]string{
				drift.Failed: "failed", drift.Skipped: "was skipped", drift.Held: "is held", drift.Left: "was left",
			}
			return fmt.Sprintf("waits for %s, which %s", k, words[o.Status])
		}
	}
	return ""
}

// bound names the first of keys that has not let go: its change did not come to
// a good end, or the field alone was left out or failed.
func (r *running) bound(keys []drift.FieldKey) string {
	for _, k := range keys {
		if reason := r.blocked([]drift.Key{k.Key}); reason != "" {
			return reason
		}
		if why := r.undone[k]; why != "" {
			return fmt.Sprintf("waits for %s, which was not done: %s", k, why)
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

// finish records an outcome and frees its lanes.
func (r *running) finish(o *drift.Outcome) {
	r.outcomes[o.Key] = o
	if o.Results != nil {
		for _, f := range r.changes[o.Key].Fields {
			k := drift.FieldKey{Key: o.Key, Path: f.Path}
			reason, told := o.Results[f.Path]
			if !told {
				reason = "it was not tried"
			}
			if r.undone[k] == "" && reason != "" {
				r.undone[k] = reason
			}
		}
	}
	if r.begun[o.Key] {
		for _, lane := range r.changes[o.Key].Lanes {
			r.lanes[lane]--
		}
	}
	r.tell(Event{Key: o.Key, Outcome: o})
}

// step makes one change.
func (r *running) step(ctx context.Context, c drift.Change) *drift.Outcome {
	p := &progress{running: r, outcome: drift.Outcome{Key: c.Key, Started: r.Now()}}
	err := r.tell(Event{Key: c.Key, Started: true})
	if err == nil {
		err = r.make(ctx, c, p)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.outcome
	o.Ended = r.Now()
	var held *HeldError
	switch {
	case err == nil:
		o.Status = drift.Done
	case errors.As(err, &held):
		o.Status, o.Reason = drift.Held, held.Reason
	case errors.Is(err, ErrLeft), ctx.Err() != nil && errors.Is(err, context.Canceled):
		o.Status, o.Reason = drift.Left, ErrLeft.Error()
	default:
		o.Status, o.Reason = drift.Failed, err.Error()
	}
	return o
}

func (r *running) make(ctx context.Context, c drift.Change, p Progress) error {
	if c.Step.Destructive() && r.Confirm != nil {
		if reason := r.Confirm(ctx, c); reason != "" {
			return &HeldError{Reason: reason}
		}
	}
	job := Job{
		Change: c, Fleet: r.World.Fleet, Want: r.World.Fleet.Resource(c.ID),
		Have: r.World.Live(c.ID), Fact: r.fact,
	}
	return r.Appliers[c.ID.Kind()].Apply(ctx, job, p)
}

// fact prefers what this run has made known.
func (r *running) fact(id desired.ID, fact string) (string, bool) {
	r.mu.Lock()
	value, made := r.facts[string(id)+" "+fact]
	r.mu.Unlock()
	if made {
		return value, true
	}
	return r.World.Fact(id, fact)
}

// tell passes an event on. Once one can't be told, everything stops.
func (r *running) tell(event Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.Events == nil {
		return r.err
	}
	if err := r.Events(event); err != nil {
		r.err = fmt.Errorf("write the journal: %w", err)
		r.cancel(r.err)
	}
	return r.err
}

func (r *running) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// result lists the outcomes in the plan's order.
func (r *running) result() []drift.Outcome {
	var all []drift.Outcome
	for _, c := range r.Plan.Changes {
		if o := r.outcomes[c.Key]; o != nil {
			all = append(all, *o)
		}
	}
	return all
}

type progress struct {
	*running
	mu      sync.Mutex
	outcome drift.Outcome
}

func (p *progress) Task(ref string) error {
	p.mu.Lock()
	p.outcome.Tasks = append(p.outcome.Tasks, ref)
	p.mu.Unlock()
	return p.tell(Event{Key: p.outcome.Key, Task: ref})
}

func (p *progress) Say(line string) {
	p.mu.Lock()
	p.outcome.Lines = append(p.outcome.Lines, line)
	p.mu.Unlock()
	_ = p.tell(Event{Key: p.outcome.Key, Line: line}) // The next step finds the same error.
}

func (p *progress) Made(id desired.ID, fact, value string) {
	p.running.mu.Lock()
	defer p.running.mu.Unlock()
	p.facts[string(id)+" "+fact] = value
}

func (p *progress) Field(path desired.Path, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outcome.Results == nil {
		p.outcome.Results = make(map[desired.Path]string)
	}
	p.outcome.Results[path] = ""
	if err != nil {
		p.outcome.Results[path] = err.Error()
	}
}

// StepsByKind gathers the pure halves of appliers for [drift.Make].
func StepsByKind(all map[string]Applyer) map[string]drift.Steps {
	steps := make(map[string]drift.Steps)
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		steps[kind] = all[kind].Steps
	}
	return steps
}

// ByKind indexes appliers by the kinds that they look after.
func ByKind(all ...Applyer) map[string]Applyer {
	byKind := make(map[string]Applyer)
	for _, a := range all {
		for _, kind := range a.Kinds() {
			byKind[kind] = a
		}
	}
	return byKind
}
