package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"berth/agent/internal/pause"
	"berth/agent/internal/turn"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// StatusVersion is the newest version of [Status] that this package reads, and the
// one that it writes.
const StatusVersion = 1

// Status is how an agent stands. What it tells of the fleet is from its last turn.
type Status struct {
	Version int `json:"version"`
	// Agent is the one that runs; nil if none does.
	Agent      *Agent     `json:"agent,omitempty"`
	Repository Repository `json:"repository"`
	Lock       LockStatus `json:"lock"`
	// HTTP is where other machines may ask, as in "https://10.0.0.5:9000"; "" if none may.
	HTTP string `json:"http,omitempty"`
	// Fleet is its name, Commit the one that is enforced; zero before the first turn.
	Fleet  string        `json:"fleet,omitempty"`
	Commit report.Commit `json:"commit,omitzero"`
	// Seen is the commit that the repository had when it was asked last, BehindSince since
	// when that is not the one that is enforced; zero while it is.
	Seen        report.Commit `json:"seen,omitzero"`
	BehindSince time.Time     `json:"behindSince,omitzero"`
	// Refused is a newer commit that is not enforced, or why none can be had; nil if
	// there is none.
	Refused *report.Refusal `json:"refused,omitempty"`
	// Settings tells that agent.yaml was read anew and is not in force; nil if it is.
	Settings *RefusedSettings `json:"settings,omitempty"`
	// Paused tells that nothing is changed for a while, and why; nil if all is.
	Paused *pause.Pause `json:"paused,omitempty"`
	// Now is the turn that is under way; nil if none is.
	Now *Underway `json:"now,omitempty"`
	// Last is the last turn that was not a dry run; nil before the first.
	Last *Turn `json:"last,omitempty"`
	// Next is the turn that comes if nothing happens before; nil while nobody knows.
	Next *Next `json:"next,omitempty"`
	// Waiting is what waits for an unlock, Failing what went wrong and is tried again,
	// Held what must not be done for another reason, Unknown what could not be read.
	Waiting []turn.Waiting `json:"waiting,omitempty"`
	Failing []turn.Failing `json:"failing,omitempty"`
	Held    []Held         `json:"held,omitempty"`
	Unknown []Held         `json:"unknown,omitempty"`
	// Asked are playbooks that somebody has asked for, and that have not come to a good end
	// since.
	Asked []Asked `json:"asked,omitempty"`
	// Skipped are steps that wait for others which failed or are held, Reboots what takes
	// effect with the next start of a guest.
	Skipped []Held `json:"skipped,omitempty"`
	Reboots []Held `json:"reboots,omitempty"`
	// Archives are the guests in the archive, by when they go; Expiries until when tokens,
	// certificates and Approvals hold; Clocks those that are so far from ours that nothing
	// is deleted by them.
	Archives []drift.Archived `json:"archives,omitempty"`
	Expiries []drift.Expiry   `json:"expiries,omitempty"`
	Clocks   []drift.Clock    `json:"clocks,omitempty"`
}

// Agent is a process.
type Agent struct {
	Process int       `json:"process"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
}

// Repository is where the manifests come from.
type Repository struct {
	URL    string `json:"url"`
	Branch string `json:"branch"`
	Path   string `json:"path,omitempty"`
}

// RefusedSettings are settings that are wrong, or name what can't be opened: the former
// ones hold.
type RefusedSettings struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// The states of a lock.
const (
	// LockNew has no identity, LockOpen one that is never locked.
	LockNew      = "new"
	LockLocked   = "locked"
	LockUnlocked = "unlocked"
	LockOpen     = "open"
)

// LockStatus tells whether secrets can be read.
type LockStatus struct {
	State string `json:"state"`
	// Since is when it became so, as far as the agent that runs knows.
	Since time.Time `json:"since,omitzero"`
	// Recipient is the public half, by which people encrypt.
	Recipient string `json:"recipient,omitempty"`
}

// Underway is a turn that has begun.
type Underway struct {
	Turn  string    `json:"turn,omitempty"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// Turn is one that has ended.
type Turn struct {
	ID      string         `json:"id,omitempty"`
	Why     string         `json:"why,omitempty"`
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended"`
	Summary report.Summary `json:"summary"`
	// Paused tells that it looked, and changed nothing.
	Paused bool `json:"paused,omitempty"`
	// Error is why the turn as a whole went wrong, or could not be made; "" if it did
	// not.
	Error string `json:"error,omitempty"`
}

// Next is a turn that comes.
type Next struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// Asked is a playbook that is to run on some hosts, due or not.
type Asked struct {
	Playbook desired.ID `json:"playbook"`
	// Hosts are sorted.
	Hosts []string `json:"hosts"`
	// Why is by whom, or for what.
	Why string `json:"why"`
}

// Held is what is left as it is.
type Held struct {
	// What is the id of a resource, with the field if it is but one; or what is unknown
	// as a whole: a site, as in "site/home", or a kind, as in "edge/".
	What   string `json:"what"`
	Reason string `json:"reason"`
}

// Well tells whether there is nothing to be done by anybody.
func (s *Status) Well() bool {
	return s.Agent != nil && s.Refused == nil && s.Settings == nil && s.Paused == nil && (s.Last == nil || s.Last.Error == "") &&
		len(s.Waiting)+len(s.Failing)+len(s.Held)+len(s.Unknown)+len(s.Skipped)+len(s.Reboots)+len(s.Clocks)+len(s.Expiring(time.Now())) == 0
}

// Status asks how the agent stands, which is answered at once. It fails with
// [ErrNoAgent] where none runs.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	code, text, err := c.do(ctx, http.MethodGet, "/v1/status", http.NoBody)
	if err != nil {
		return nil, err
	}
	s := &Status{}
	switch err := json.Unmarshal(text, s); {
	case code != http.StatusOK, err != nil && s.Version <= StatusVersion:
		return nil, strange(code, text)
	case s.Version > StatusVersion:
		return nil, fmt.Errorf("ask the agent: its status is of version %d and this command knows %d: use the newer one", s.Version, StatusVersion)
	}
	return s, nil
}
