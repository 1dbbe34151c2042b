// Package explain tells of one resource what is desired and which line says so, what
// is live, what is due, what is held or waits, and why. It only works on what was read.
package explain

import (
	"time"

	"berth/desired"
	"berth/drift"
)

// Version is the newest version of an [Explanation] that this package knows.
const Version = 1

// Explanation is all that there is to say of one resource.
type Explanation struct {
	Version int        `json:"version"`
	ID      desired.ID `json:"resource"`
	Site    string     `json:"site,omitempty"`
	// Commit is the one that was looked at.
	Commit string `json:"commit,omitempty"`
	// Source is the document that asks for it; zero where none does.
	Source desired.Source `json:"source,omitzero"`
	// Standing says in a sentence how it stands.
	Standing string `json:"standing"`
	// Remedy says what to do, where somebody has to.
	Remedy string `json:"remedy,omitempty"`
	// Traits are what is known of the live one beside its values.
	Traits []drift.Trait `json:"traits,omitempty"`
	// Needs are the resources that must stand first.
	Needs  []desired.ID `json:"needs,omitempty"`
	Fields []Field      `json:"fields"`
	// Steps are what the plan does, or would do, with it.
	Steps []Step `json:"steps,omitempty"`
	// Waits are what failed, and is tried again by itself.
	Waits []Wait `json:"waits,omitempty"`
	// Playbooks are those that are for it, Names those that lead to it.
	Playbooks []Play `json:"playbooks,omitempty"`
	Names     []Name `json:"names,omitempty"`
	// Approvals are those that bear on it, Windows when it may be out of service.
	Approvals []Approval `json:"approvals,omitempty"`
	Windows   string     `json:"windows,omitempty"`
	Notes     []string   `json:"notes,omitempty"`
	// Last is what happened to it last, the newest first.
	Last []Event `json:"last,omitempty"`
}

// Rule is what becomes of a value.
type Rule string

// The rules.
const (
	// Enforced values are compared and put right.
	Enforced Rule = "enforced"
	// Settled ones are made with the resource, and never changed on it.
	Settled Rule = "settled at creation"
	// Ignored ones the manifest lets go.
	Ignored Rule = "ignored"
	// Default ones no manifest sets: they hold when the resource is made, and what is
	// live may be anything from then on.
	Default Rule = "default"
	// Unmanaged ones are live, and no manifest speaks of them.
	Unmanaged Rule = "unmanaged"
	// Unwanted ones are live within what the manifest has whole, and go.
	Unwanted Rule = "not wanted"
)

// Field is one value.
type Field struct {
	Path desired.Path `json:"path"`
	Rule Rule         `json:"rule"`
	// Desired is how a manifest would write it; "" is that none does. From says whose
	// it becomes known by, where it is not known yet.
	Desired string `json:"desired,omitempty"`
	From    string `json:"from,omitempty"`
	// Source is the line, and the profile or other layer, that sets it.
	Source desired.Source `json:"source,omitzero"`
	// Live is what was found; Seen tells that something was.
	Live string `json:"live,omitempty"`
	Seen bool   `json:"seen,omitempty"`
	// Differs tells that the two are not the same; Origin and By which side moved, Held
	// why it stays so, Reason why it is due.
	Differs bool           `json:"differs,omitempty"`
	Origin  drift.Origin   `json:"origin,omitempty"`
	By      string         `json:"by,omitempty"`
	Held    string         `json:"held,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Effect  desired.Effect `json:"effect,omitempty"`
}

// Step is one step of the plan.
type Step struct {
	Step   drift.Step `json:"step"`
	Reason string     `json:"reason,omitempty"`
	// Held is why it is not done.
	Held string `json:"held,omitempty"`
	// After are the steps that it waits for.
	After []string `json:"after,omitempty"`
}

// Wait is something that failed.
type Wait struct {
	Path   desired.Path `json:"path,omitempty"`
	Until  time.Time    `json:"until"`
	Reason string       `json:"reason"`
}

// Play is a playbook that is for the resource.
type Play struct {
	ID     desired.ID     `json:"playbook"`
	Source desired.Source `json:"source,omitzero"`
	// Due tells that it is to run, Reason why, Held why it does not. Unknown is why
	// nobody knows.
	Due     bool   `json:"due,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Held    string `json:"held,omitempty"`
	Unknown string `json:"unknown,omitempty"`
}

// Name is a name, or a port, that leads to the resource.
type Name struct {
	Name  string         `json:"name"`
	Edge  desired.ID     `json:"edge"`
	Way   string         `json:"way"`
	State string         `json:"state,omitempty"`
	From  desired.Source `json:"source,omitzero"`
}

// Approval is a permission in Git.
type Approval struct {
	Allow  string         `json:"allow"`
	Until  string         `json:"until"`
	Why    string         `json:"why,omitempty"`
	Source desired.Source `json:"source,omitzero"`
	// Void is why it does not count; "" if it does.
	Void string `json:"void,omitempty"`
}

// Event is something that happened.
type Event struct {
	At      time.Time `json:"at"`
	What    string    `json:"what"`
	Reason  string    `json:"reason,omitempty"`
	Turn    string    `json:"turn,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	Subject string    `json:"subject,omitempty"`
	Author  string    `json:"author,omitempty"`
}
