// Package ansible sees to it that playbooks have come to a good end on the hosts
// that they are for.
//
// A playbook is run by the host's own ansible-playbook, over SSH, with an
// inventory made from the fleet. Like every use of Ansible this lets the
// playbook's author run programs on the agent's host, as the agent's user. Others are
// run by whom a webhook asks.
//
// # Guests that go away
//
// A run is a step of its turn: it waits for all steps of the turn that make its hosts
// what they are to be, and no step that takes a host away can be beside it, since what is
// gone from Git, or is to be absent, is no host of it. What somebody orders meanwhile, or
// commits, is for the next turn. A guest can go under a run all the same, by a person or
// another agent at Proxmox. Then the run has failed there, and says that; it is
// remembered for the very guest, by its instance, so that one made anew is due, at once;
// and nothing is run where no guest of ours stands. What somebody else's control node
// still does for a webhook that has been given up, nobody here sees.
package ansible

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"time"

	"berth/applyers"
	"berth/applyers/ansible/runner"
	"berth/desired"
)

// Memory is what is known of earlier runs, and of who wants one. It is asked to be
// right, and losing it costs one more run. It may be used by many at once.
type Memory interface {
	Runs
	Demands
}

// Runs are those that were made.
type Runs interface {
	// Ran tells what a playbook's last run on a host that came to a good end is
	// known by, and when that was.
	Ran(play desired.ID, host string) (digest string, at time.Time, ok bool)
	// Remember notes such runs of a playbook, by host, all or none. They answer who
	// had asked for them before they began.
	Remember(play desired.ID, runs map[string]string) error
	// Begins notes that runs begin. Until Remember or Ends they count as cut off.
	Begins(play desired.ID, hosts []string) error
	// Ends notes runs that came to a bad end, by host and what they would have been
	// known by. Unless again is set, nobody asks for them any more.
	Ends(play desired.ID, runs map[string]string, again bool) error
	// CutOff tells when a run began of which nobody has seen the end.
	CutOff(play desired.ID, host string) (began time.Time, ok bool)
	// Failed tells of the last run, if that came to a bad end.
	Failed(play desired.ID, host string) (digest string, at time.Time, ok bool)
}

// Demands are why a run is due although nothing has changed.
type Demands interface {
	// Asked tells why somebody wants a run.
	Asked(play desired.ID, host string) (why string, ok bool)
	// Since tells from when on a schedule counts, by host: from the beginning of the
	// last good run, or from when the playbook was first found to have the schedule.
	Since(play desired.ID, schedule string, hosts []string) (map[string]time.Time, error)
	// Mend notes that runs followed since check mode had found tasks, by host; ""
	// notes that it found none. Mended tells of the last, and how many times in a row
	// it was for the same tasks.
	Mend(play desired.ID, tasks map[string]string) error
	Mended(play desired.ID, host string) (tasks string, at time.Time, times int)
}

// Secrets are those that manifests refer to. It may be used by many at once.
type Secrets interface {
	// Read gives a secret's value. While the agent is locked, the error of what needs
	// its identity is a [desired.LockedError].
	Read(ctx context.Context, ref desired.SecretRef) (desired.Secret, error)
	// Version names the value without telling it.
	Version(ctx context.Context, ref desired.SecretRef) (string, error)
}

// Options are what an applyer is made with.
type Options struct {
	Memory Memory
	// Files gives the manifests' tree, of the very commit that the fleet in
	// hand was loaded from.
	Files func(ctx context.Context) (fs.FS, error)
	// Repository gives the files of another repository, and the commit that they are
	// of; without it, playbooks of others are unknown.
	Repository func(ctx context.Context, git desired.PlaybookGit) (files fs.FS, commit string, err error)
	Secrets    Secrets
	// State is a directory that lasts, for the host keys learnt.
	State string
	// Cache is a directory that lasts, for collections and roles; State/galaxy unless
	// set.
	Cache string
	// Dir is where each run has a private directory, gone when the run is over:
	// keys are in it, so memory-backed is best. /dev/shm if it is there, else
	// the system's directory for temporary files, unless set.
	Dir string
	// Bin is the program; ansible-playbook unless set.
	Bin string
	// Run runs a playbook, as [runner.Runner.Run] does, which it is unless set.
	Run func(ctx context.Context, s runner.Spec) (*runner.Result, error)
	// Dial reaches hosts, to see whether they answer; the network unless set.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is [time.Now] unless set.
	Now func() time.Time
	// Log is told of what concerns no host; nothing is logged unless set.
	Log *slog.Logger
}

// Applyer runs playbooks. It is made for one turn: what check mode has found is found
// once.
type Applyer struct {
	Options
	play func(ctx context.Context, s runner.Spec) (*runner.Result, error)
	// places bound the programs that run at once.
	places chan struct{}
	// alive is how often a host must say that it is there, in seconds; after three times
	// without an answer it can't be reached.
	alive int

	mu sync.Mutex
	// checked is what check mode has found, by playbook and host; nil before it was
	// asked.
	checked map[desired.ID]map[string]finding
	// noted are the remarks that it left.
	noted []note
	// sources are the repositories of playbooks, as they were read first.
	sources map[desired.PlaybookGit]*source
}

var _ applyers.Follower = (*Applyer)(nil)

// New checks the options, and removes what runs of killed agents left in
// Options.Dir.
func New(o Options) (*Applyer, error) {
	if o.Memory == nil || o.Files == nil || o.Secrets == nil || o.State == "" {
		return nil, errors.New("make the ansible applyer: it needs a memory, files, secrets and a state directory")
	}
	if !runner.Quotable(o.State) {
		return nil, fmt.Errorf("make the ansible applyer: ssh can't be given the directory %q: use letters, digits and /._+@=,- alone", o.State)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	play := o.Run
	if play == nil {
		r, err := runner.New(runner.Options{Dir: o.Dir, Bin: o.Bin, Cache: o.cache(), Log: o.Log})
		if err != nil {
			return nil, fmt.Errorf("make the ansible applyer: %w", err)
		}
		play = r.Run
	}
	return &Applyer{Options: o, play: play, places: make(chan struct{}, atOnce), alive: 20, sources: make(map[desired.PlaybookGit]*source)}, nil
}

// Kinds is play.
func (a *Applyer) Kinds() []string { return []string{desired.KindPlaybook} }

// Follows are guests: what has run on one is known by its instance.
func (a *Applyer) Follows() []string { return []string{desired.KindVM, desired.KindContainer} }

// source is where a playbook's files are.
type source struct {
	files  fs.FS
	commit string
	err    error
}

// source reads the repository of a playbook, once a turn.
func (a *Applyer) source(ctx context.Context, play *desired.Playbook) *source {
	if play.Git == nil {
		files, err := a.Files(ctx)
		return &source{files: files, err: err}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.sources[*play.Git]; s != nil {
		return s
	}
	s := &source{err: errors.New("this agent reads no other repositories: put the playbook into this one")}
	if a.Repository != nil {
		s.files, s.commit, s.err = a.Repository(ctx, *play.Git)
	}
	a.sources[*play.Git] = s
	return s
}
