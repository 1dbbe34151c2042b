// Package nginx looks after the SNI edge: an nginx on the agent's own host that
// passes TLS on by name, unopened.
//
// One file is ours, included by the stream block of nginx's own configuration;
// its first line says so. It is changed as a whole, tested by nginx before it is
// put in place, and the former one is put back where nginx does not take it over.
package nginx

import (
	"context"
	"log/slog"
	"os"
	"time"

	"berth/applyers"
	"berth/desired"
)

// Options are what an Applyer may be given; the zero value is right.
type Options struct {
	// Log is told what was done; nothing is logged if it is nil.
	Log *slog.Logger
	// Run runs a program and gives what it printed, for tests.
	Run func(ctx context.Context, argv []string) ([]byte, error)
	// Takeover is how long new workers may take to answer; 5 s unless set.
	Takeover time.Duration
}

// Applyer is the [applyers.Applyer] of edges.
type Applyer struct {
	log      *slog.Logger
	run      func(ctx context.Context, argv []string) ([]byte, error)
	takeover time.Duration
	// ipv6 tells whether a bare port is to be listened on by IPv6, too.
	ipv6 bool
}

var _ applyers.Applyer = (*Applyer)(nil)

// New makes an Applyer.
func New(o Options) *Applyer {
	a := &Applyer{log: o.Log, run: o.Run, takeover: o.Takeover}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.run == nil {
		a.run = run
	}
	if a.takeover == 0 {
		a.takeover = 5 * time.Second
	}
	// A kernel without IPv6 makes nginx refuse the whole configuration.
	_, err := os.Stat("/proc/net/if_inet6")
	a.ipv6 = err == nil
	return a
}

// Kinds are the edges alone.
func (*Applyer) Kinds() []string { return []string{desired.KindEdge} }
