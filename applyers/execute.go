package applyers

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
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
	// Confirm is asked right before a destructive step, and before the stop that
	// leads to one; a reason holds it.
	Confirm func(ctx context.Context, c drift.Change) (reason string)
	// Shut is asked right before each step; a reason holds it.
	Shut func(c drift.Change) (reason string)
	// Superseded is asked right before each step; a reason leaves it, and all that
	// has not begun, to the next turn.
	Superseded func(ctx context.Context) (reason string)
	// Events are told in order, each before what follows from it goes on: an
	// error, from a journal that can't be written, stops the execution.
	Events func(Event) error
	// Output opens the log of a step; nil keeps none.
	Output func(k drift.Key) Output
	Now    func() time.Time
	// Alive, if set, is called every few seconds by the loop that begins steps and takes
	// their ends: while it is, what is awaited are steps, each within its own bounds.
	Alive func()
}

// Output is where the full log of a step is kept.
type Output interface {
	io.WriteCloser
	// Path is the file that holds it; "" as long as nothing was written.
	Path() string
}

// nowhere is the Output of who keeps none.
type nowhere struct{}

func (nowhere) Write(text []byte) (int, error) { return len(text), nil }
func (nowhere) Close() error                   { return nil }
func (nowhere) Path() string                   { return "" }

// Event is one thing that happened during an execution. Exactly one of the
// fields but Key is set.
type Event struct {
	drift.Key
	Started bool
	Task    string
	Line    string
	Outcome *drift.Outcome
}

// beatEvery is how often an execution gives a sign of life.
const beatEvery = 10 * time.Second

// defaultLanes bounds what happens at once.
var defaultLanes = map[string]int{"site": 8, "node": 3, "guest": 1, "host": 1, "plays": 4}

// Execute carries the plan out and tells what became of each change, in the
// plan's order. Cancelling ctx lets begun steps come to their end and begins no
// more. It returns an error only if the events could not be told.
func Execute(ctx context.Context, e Execution) ([]drift.Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := newRunning(e, cancel)
	ended := make(chan *drift.Outcome)
	active := 0
	var beats <-chan time.Time
	if e.Alive != nil {
		every := time.NewTicker(beatEvery)
		defer every.Stop()
		beats = every.C
	}
	for {
		for _, c := range r.begin(ctx) {
			active++
			go func() { ended <- r.step(ctx, c) }()
		}
		if active == 0 {
			break
		}
		select {
		case outcome := <-ended:
			active--
			r.finish(outcome)
		case <-r.impatient(ctx):
		case <-beats:
			e.Alive()
		}
	}
	return r.result(), r.failure()
}

// step makes one change.
func (r *running) step(ctx context.Context, c drift.Change) *drift.Outcome {
	ctx = ForResource(ctx, c.ID)
	p := &progress{running: r, outcome: drift.Outcome{Key: c.Key, Started: r.Now()}}
	err := r.tell(Event{Key: c.Key, Started: true})
	var output Output = nowhere{}
	if r.Output != nil {
		output = r.Output(c.Key)
	}
	if err == nil {
		err = r.make(ctx, c, p, output)
	}
	// What could not be kept of a log takes nothing from the step.
	_ = output.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.outcome
	o.Ended, o.Log = r.Now(), output.Path()
	var held *HeldError
	var locked *desired.LockedError
	var old *supersededError
	switch {
	case err == nil:
		o.Status = drift.Done
	case errors.As(err, &held):
		o.Status, o.Reason = drift.Held, held.Reason
	case errors.As(err, &locked):
		o.Status, o.Reason = drift.Held, locked.Error()
	case errors.As(err, &old):
		o.Status, o.Reason = drift.Left, old.reason
	case r.failure() != nil && (errors.Is(err, r.failure()) || errors.Is(err, ErrLeft) || errors.Is(err, context.Canceled)):
		o.Status, o.Reason = drift.Left, unwritten
		if len(o.Tasks) > 0 {
			o.Reason += "; what it began runs on: " + strings.Join(o.Tasks, ", ")
		}
	case errors.Is(err, ErrLeft), ctx.Err() != nil && errors.Is(err, context.Canceled):
		o.Status, o.Reason = drift.Left, ErrLeft.Error()
	default:
		o.Status, o.Reason = drift.Failed, strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return o
}

// unwritten is why a step was left where its events could not be told.
const unwritten = "what was done can't be written down, so nothing more is begun; the next turn goes on"

// supersededError is that what is being carried out is no longer what is wanted.
type supersededError struct{ reason string }

func (e *supersededError) Error() string { return e.reason }

// leaves tells whether the plan puts a resource away.
func (r *running) leaves(id desired.ID) bool {
	return r.changes[drift.Key{ID: id, Step: drift.Archive}] != nil || r.changes[drift.Key{ID: id, Step: drift.Delete}] != nil
}

func (r *running) make(ctx context.Context, c drift.Change, p Progress, output Output) error {
	if r.Superseded != nil {
		if reason := r.Superseded(ctx); reason != "" {
			return &supersededError{reason}
		}
	}
	if r.Shut != nil {
		if reason := r.Shut(c); reason != "" {
			return &HeldError{Reason: reason}
		}
	}
	if r.Confirm != nil && (c.Step.Destructive() || c.Step == drift.Stop && r.leaves(c.ID)) {
		if reason := r.Confirm(ctx, c); reason != "" {
			return &HeldError{Reason: reason}
		}
	}
	job := Job{
		Change: c, Fleet: r.World.Fleet, Want: r.World.Fleet.Resource(c.ID),
		Have: r.World.Live(c.ID), Fact: r.fact, Look: r.look, Output: output,
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
