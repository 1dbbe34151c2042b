// Package nginx looks after edges: an nginx that passes TLS on by name, unopened,
// and what else comes in from outside. It is on the agent's own host, or on a guest
// or Host that is reached over SSH, or in a container on any of these.
//
// Two files are ours, one included by the stream block of nginx's own configuration
// and one by its http block; their first lines say so. They are changed as a whole,
// tested by nginx before they are put in place, and the former ones are put back
// where nginx does not take them over, or where a name that was served before is
// not served any more.
package nginx

import (
	"context"
	"log/slog"
	"time"

	"berth/applyers"
	"berth/applyers/machine"
	"berth/desired"
)

// Options are what an Applyer may be given; the zero value is right for edges on
// this machine.
type Options struct {
	// Log is told what was done; nothing is logged if it is nil.
	Log *slog.Logger
	// Machines reach other machines; none are reached if it is nil. They are closed
	// with the Applyer.
	Machines Machines
	// Run runs a test or a reload in place of the machine, for tests.
	Run func(ctx context.Context, argv []string) ([]byte, error)
	// Takeover is how long new workers may take to answer; 5 s unless set.
	Takeover time.Duration
}

// Machines are machines that are reached over SSH, as [machine.Machines] are.
type Machines interface {
	SSH(a machine.Access, sudo bool) machine.Machine
	Close() error
}

// Applyer is the [applyers.Applyer] of edges.
type Applyer struct {
	log      *slog.Logger
	machines Machines
	run      func(ctx context.Context, argv []string) ([]byte, error)
	takeover time.Duration
	// usualPid is where nginx writes its process id unless it is told.
	usualPid string
}

var _ applyers.Follower = (*Applyer)(nil)

// New makes an Applyer.
func New(o Options) *Applyer {
	a := &Applyer{log: o.Log, machines: o.Machines, run: o.Run, takeover: o.Takeover, usualPid: debianPid}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.takeover == 0 {
		a.takeover = 5 * time.Second
	}
	return a
}

// Kinds are the edges alone.
func (*Applyer) Kinds() []string { return []string{desired.KindEdge} }

// Follows are guests: an edge on one is asked under the address that it has.
func (*Applyer) Follows() []string { return []string{desired.KindVM, desired.KindContainer} }

// Close ends the connections to other machines.
func (a *Applyer) Close() error {
	if a.machines == nil {
		return nil
	}
	return a.machines.Close()
}
