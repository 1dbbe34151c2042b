package applyers_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// actor is an applyer that does what a test says, step by step, and writes down
// what is being done.
type actor struct {
	steps map[string]func(ctx context.Context, job applyers.Job, p applyers.Progress) error
	// otherwise is what a step does that has no entry; nil takes a second.
	otherwise func(ctx context.Context, job applyers.Job, p applyers.Progress) error

	mu    sync.Mutex
	log   []string // "vm/a create begins", "vm/a create ends"
	begun map[string]time.Time
	ended map[string]time.Time
	lanes map[string]int
	most  map[string]int
}

func (a *actor) Kinds() []string { return []string{"vm", "edge"} }

func (a *actor) Observe(context.Context, *desired.Fleet, applyers.Scope) (drift.Observed, error) {
	return drift.Observed{}, nil
}

func (a *actor) Steps(*drift.World, *desired.Resource, *drift.Live, []drift.Field) []drift.Change {
	return nil
}

func (a *actor) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	key := job.String()
	a.note(key, "begins", job.Lanes, 1)
	defer a.note(key, "ends", job.Lanes, -1)
	if do := a.steps[key]; do != nil {
		return do(ctx, job, p)
	}
	if a.otherwise != nil {
		return a.otherwise(ctx, job, p)
	}
	<-time.After(time.Second)
	return nil
}

func (a *actor) note(key, what string, lanes []string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begun == nil {
		a.begun, a.ended = make(map[string]time.Time), make(map[string]time.Time)
		a.lanes, a.most = make(map[string]int), make(map[string]int)
	}
	a.log = append(a.log, key+" "+what)
	if n > 0 {
		a.begun[key] = time.Now()
	} else {
		a.ended[key] = time.Now()
	}
	for _, lane := range lanes {
		a.lanes[lane] += n
		a.most[lane] = max(a.most[lane], a.lanes[lane])
	}
}

// fails is a step that fails at once.
func fails(context.Context, applyers.Job, applyers.Progress) error {
	return errors.New("no space left")
}

// step makes a change of "vm/a create" that waits for others.
func step(key string, wait ...string) drift.Change {
	return drift.Change{Key: parse(key), Wait: parseAll(wait)}
}

func parse(key string) drift.Key {
	id, word, _ := strings.Cut(key, " ")
	return drift.Key{ID: desired.ID(id), Step: drift.Step(word)}
}

func parseAll(keys []string) []drift.Key {
	var all []drift.Key
	for _, k := range keys {
		all = append(all, parse(k))
	}
	return all
}

// execution carries changes out by a, with nothing else set.
func execution(a *actor, changes ...drift.Change) applyers.Execution {
	return applyers.Execution{
		Plan: &drift.Plan{Changes: changes}, World: drift.NewWorld(&desired.Fleet{}, nil),
		Appliers: applyers.ByKind(a),
	}
}

// told is "vm/a create done", or with its reason "…: why".
func told(outcomes []drift.Outcome) []string {
	var all []string
	for _, o := range outcomes {
		text := o.String() + " " + string(o.Status)
		if o.Reason != "" {
			text += ": " + o.Reason
		}
		all = append(all, text)
	}
	return all
}

func execute(t *testing.T, ctx context.Context, e applyers.Execution) []drift.Outcome {
	t.Helper()
	outcomes, err := applyers.Execute(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}
