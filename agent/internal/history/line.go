// Package history remembers, a line each and far longer than turns are kept, what
// happened to each resource, and lists what the agent keeps of its turns.
//
// It is for people. Nothing is decided by it, and no turn fails because a line could not
// be written.
package history

import (
	"time"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// Version is the newest form of the files that this package reads, and the one that it
// writes.
const Version = 1

// What is what happened, in a word.
type What string

// What happens to resources. A step that was done is told by its own word: "created",
// "changed", "archived".
const (
	// Held begins a hold, Free ends one without anything having been done.
	Held What = "held"
	Free What = "no longer held"
	// Failed is a step that failed, the first time that it did for this reason.
	Failed What = "failed"
	// Unknown is that something could not be read, Known that it can again.
	Unknown What = "unknown"
	Known   What = "known again"
	// Renamed is that Git has a guest under another name.
	Renamed What = "renamed"
)

// What is told of the turns themselves, with no ID.
const (
	// TurnEnded is a turn that did something.
	TurnEnded What = "turn"
	// TurnFailed is one that could not be made, or went wrong as a whole.
	TurnFailed What = "turn failed"
	// Refused is a commit that is not enforced.
	Refused What = "refused"
	// Recovered is the first good turn after such ones.
	Recovered What = "recovered"
)

// Line is one thing that happened.
type Line struct {
	At   time.Time `json:"at"`
	Turn string    `json:"turn,omitempty"`
	// Commit is the one that was enforced, or the one that was refused.
	Commit report.Commit `json:"commit,omitzero"`
	// ID is what it happened to; "" is the turn as a whole.
	ID   desired.ID `json:"resource,omitempty"`
	What What       `json:"what"`
	// Step is the step that was done, or that failed or is held.
	Step drift.Step `json:"step,omitempty"`
	// Reason says why, for people.
	Reason string  `json:"reason,omitempty"`
	Fields []Field `json:"fields,omitempty"`
	// Whole tells of a hold that it is on the whole of it, not on Fields alone.
	Whole bool `json:"whole,omitempty"`
	// More counts fields that are not among Fields.
	More int `json:"more,omitempty"`
	// Times is how often a step had failed before it was done.
	Times int `json:"times,omitempty"`
	// Former is the name that a renamed resource had.
	Former desired.ID `json:"former,omitempty"`
	// Why says of a turn what it was made for, Headline what came of it in a line,
	// Result how it went in a word.
	Why      string `json:"why,omitempty"`
	Headline string `json:"headline,omitempty"`
	Result   string `json:"result,omitempty"`

	// Standing is, right after a file's header, what held when it was begun.
	Standing *standing `json:"standing,omitempty"`
}

// Field is one value that differed.
type Field struct {
	Path   desired.Path `json:"path"`
	Before string       `json:"before,omitempty"`
	After  string       `json:"after,omitempty"`
	// Secret tells that neither side is told.
	Secret bool         `json:"secret,omitempty"`
	Origin drift.Origin `json:"origin,omitempty"`
	// By is who moved the live side, where that is known.
	By string `json:"by,omitempty"`
	// Reason says why, where the values don't: why a playbook ran on a host.
	Reason string `json:"reason,omitempty"`
	// About are other resources that the value concerns: the host of a playbook, the
	// guest that a name leads to.
	About []desired.ID `json:"about,omitempty"`
}

// header is a file's first line.
type header struct {
	Version int `json:"version"`
}
