package applyers

import (
	"context"
	"errors"
	"io"

	"berth/desired"
	"berth/drift"
)

// Applyer looks after some kinds of resource: it observes them, says which
// steps a difference takes, and makes the steps.
type Applyer interface {
	// Kinds are the short kinds that it looks after.
	Kinds() []string
	// Observe reads what is live and puts it in the manifest's words. It never
	// writes. What can't be read is Blind, not an error and not absent; an
	// error means that nothing at all could be said.
	Observe(ctx context.Context, fleet *desired.Fleet, only Scope) (drift.Observed, error)
	// Steps is a [drift.Steps]: pure.
	Steps(w *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change
	// Apply makes one step. It reads the proof of ownership and the state anew
	// right before, and may be called again for a step that was made already or
	// half: then it makes the rest, and nothing twice. When ctx is done it
	// begins nothing more, lets the request in flight end, leaves outside tasks
	// running, and returns an error that is [ErrLeft].
	Apply(ctx context.Context, job Job, p Progress) error
}

// Resumer is an Applyer whose outside tasks outlive the agent.
type Resumer interface {
	// Resume waits for a task that [Progress.Task] named, in an earlier life of
	// the agent, to end. That it failed is no error: what is live tells.
	Resume(ctx context.Context, fleet *desired.Fleet, task string) error
}

// Scope narrows an observation. The zero Scope is everything.
type Scope struct {
	// IDs are the resources to look at; nil is all.
	IDs []desired.ID
	// Others is what has been found of other kinds, for a [Follower].
	Others drift.Observed
	// Quick leaves out what is dear to find, as Ansible's check mode: the turn goes on
	// with what an earlier one left, or is about something else.
	Quick bool
	// Whole is a resource of which all that is live is told, also where nothing differs from
	// its manifest: somebody asks about it. "" is none.
	Whole desired.ID
}

// ErrLeft is the error of a step that was begun, or could not begin, because the
// agent is stopping.
var ErrLeft = errors.New("the agent is stopping; the next turn goes on")

// HeldError is the error of a step that must not be made after all, found at
// the last look: nothing was changed.
type HeldError struct {
	Reason string
}

// Error is the reason.
func (e *HeldError) Error() string { return e.Reason }

// Job is one step to make.
type Job struct {
	drift.Change
	Fleet *desired.Fleet
	// Want is nil for what is gone from the manifests, Have for what was not
	// there when the plan was made.
	Want *desired.Resource
	Have *drift.Live
	// Fact answers what earlier steps made known, or what was known before.
	Fact desired.Lookup
	// Look reads resources of other kinds afresh, while the step is being made, as far
	// as they are there; nil where nobody can. The error is that they can't be read.
	Look func(ctx context.Context, ids []desired.ID) (map[desired.ID]drift.Live, error)
	// Output takes the full log of the step, where it has one; it never fails.
	Output io.Writer
}

// Progress is what a step tells while it is being made.
type Progress interface {
	// Task names an outside task that has been started. It returns once the
	// journal holds it, so that a crash does not start it again.
	Task(ref string) error
	// Say adds a line for people, who read it where the step went wrong, or ask for all.
	Say(line string)
	// Warn adds a line that is to be read even where the step went well.
	Warn(line string)
	// Made tells a fact that is known from now on: its address, its instance.
	Made(id desired.ID, fact, value string)
	// Field tells how one field went, where a step's fields go different ways;
	// nil is success. Once it is used, a field that it is not called for has
	// not been done.
	Field(path desired.Path, err error)
}
