// Package ansible sees to it that playbooks have come to a good end on the hosts
// that they are for.
//
// A playbook is run by the host's own ansible-playbook, over SSH, with an
// inventory made from the fleet. Like every use of Ansible this lets the
// playbook's author run programs on the agent's host, as the agent's user.
package ansible

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"berth/applyers"
	"berth/applyers/ansible/runner"
	"berth/desired"
	"berth/drift"
)

// Memory is what is known of earlier runs. It is asked to be right, and losing
// it costs one more run.
type Memory interface {
	// Ran tells what a playbook's last run on a host that came to a good end is
	// known by, and when that was.
	Ran(play desired.ID, host string) (digest string, at time.Time, ok bool)
	// Remember notes such runs of a playbook, by host, all or none.
	Remember(play desired.ID, runs map[string]string) error
}

// Options are what an applyer is made with.
type Options struct {
	Memory Memory
	// Files gives the manifests' tree, of the very commit that the fleet in
	// hand was loaded from.
	Files func(ctx context.Context) (fs.FS, error)
	// Key gives the private key that a fleet or a guest names.
	Key func(ctx context.Context, ref desired.SecretRef) ([]byte, error)
	// State is a directory that lasts, for the host keys learnt.
	State string
	// Dir is where each run has a private directory, gone when the run is over:
	// keys are in it, so memory-backed is best. /dev/shm if it is there, else
	// the system's directory for temporary files, unless set.
	Dir string
	// Bin is the program; ansible-playbook unless set.
	Bin string
	// Log is told of what concerns no host; nothing is logged unless set.
	Log *slog.Logger
}

// Applyer runs playbooks.
type Applyer struct {
	Options
	runner *runner.Runner
}

var _ applyers.Applyer = (*Applyer)(nil)

// New checks the options, and removes what runs of killed agents left in
// Options.Dir.
func New(o Options) (*Applyer, error) {
	if o.Memory == nil || o.Files == nil || o.Key == nil || o.State == "" {
		return nil, errors.New("make the ansible applyer: it needs a memory, files, keys and a state directory")
	}
	if !runner.Quotable(o.State) {
		return nil, fmt.Errorf("make the ansible applyer: ssh can't be given the directory %q: use letters, digits and /._+@=,- alone", o.State)
	}
	r, err := runner.New(runner.Options{Dir: o.Dir, Bin: o.Bin, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("make the ansible applyer: %w", err)
	}
	return &Applyer{Options: o, runner: r}, nil
}

// Kinds is play.
func (a *Applyer) Kinds() []string { return []string{desired.KindPlaybook} }

// Observe tells what has run.
func (a *Applyer) Observe(_ context.Context, fleet *desired.Fleet, only applyers.Scope) (drift.Observed, error) {
	var seen drift.Observed
	for _, r := range fleet.Resources {
		play, ok := r.Spec.(*desired.Playbook)
		if !ok || (only.IDs != nil && !slices.Contains(only.IDs, r.ID)) {
			continue
		}
		due := make(map[string]desired.Run)
		for _, target := range play.Targets {
			digest, _, ran := a.Memory.Ran(r.ID, target.Name())
			if ran || play.Due[target.Name()].OnDemand {
				due[target.Name()] = desired.Run{Digest: digest, Guest: target}
			} else if !runs(fleet, target) {
				seen.Notes = append(seen.Notes, drift.Note{
					ID: r.ID, Source: r.Source,
					Text: fmt.Sprintf("runs on %s when its manifest no longer says state: %s", target, fleet.Guest(target).State),
				})
			}
		}
		seen.Lives = append(seen.Lives, drift.Live{ID: r.ID, Spec: &desired.Playbook{Due: due}})
	}
	return seen, nil
}

// runs tells whether a host is meant to be up.
func runs(fleet *desired.Fleet, id desired.ID) bool {
	g := fleet.Guest(id)
	return g == nil || g.State == desired.Running || g.State == ""
}
