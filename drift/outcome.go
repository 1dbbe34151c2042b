package drift

import (
	"time"

	"berth/desired"
)

// Status is how a change ended.
type Status string

// The statuses.
const (
	Done    Status = "done"
	Failed  Status = "failed"
	Skipped Status = "skipped" // it waits for something that failed, was held or was left
	Held    Status = "held"    // a guard, or the applyer's last look, said no
	Left    Status = "left"    // the agent was told to stop: the next turn goes on
)

// Outcome is what became of one change.
type Outcome struct {
	Key
	Status Status `json:"status"`
	// Reason says why it is not done, and what to do.
	Reason string `json:"reason,omitempty"`
	// Results tell of single fields where they went different ways: of hosts of
	// a playbook, of names of an edge. "" is success.
	Results map[desired.Path]string `json:"results,omitempty"`
	// Untried are the fields among Results that were left out, since what they wait
	// for did not come about.
	Untried []desired.Path `json:"untried,omitempty"`
	// Lines are what the step had to say, in order.
	Lines []string `json:"lines,omitempty"`
	// Warnings are what people are to read although the step went well.
	Warnings []string `json:"warnings,omitempty"`
	Tasks    []string `json:"tasks,omitempty"`
	// Log is the file on the agent's host that holds all that the step has put out;
	// "" for none.
	Log     string    `json:"log,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
}

// Resolved puts into a field what has become known since it was planned.
// It tells whether the value is known now.
func Resolved(want *desired.Resource, f Field, fact desired.Lookup) (Field, bool) {
	if f.After.From == "" || want == nil {
		return f, true
	}
	for _, leaf := range desired.Leaves(want.ID.Kind(), want.Spec) {
		if leaf.Path != f.Path {
			continue
		}
		d, ok := leaf.Value.(desired.Deferred)
		if !ok {
			return f, true
		}
		value, from := d.Resolve(fact)
		f.After = Value{Text: desired.Text(value), From: from, Secret: f.After.Secret}
		return f, from == ""
	}
	return f, false
}
