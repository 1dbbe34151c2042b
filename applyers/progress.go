package applyers

import (
	"fmt"
	"sync"

	"berth/desired"
	"berth/drift"
)

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

func (p *progress) Warn(line string) {
	p.mu.Lock()
	p.outcome.Warnings = append(p.outcome.Warnings, line)
	p.mu.Unlock()
	_ = p.tell(Event{Key: p.outcome.Key, Line: line})
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
