// Package routes tells which name arrives where, through which proxies: what
// the edges of a fleet make of it together. It only works on what was read.
package routes

import (
	"strings"
	"time"

	"berth/desired"
)

// Way is how traffic finds its route.
type Way string

// The ways.
const (
	TLS  Way = "tls"  // by the name in the ClientHello
	HTTP Way = "http" // by Host
	TCP  Way = "tcp"  // by the port alone
	UDP  Way = "udp"
)

// State is how a route, or an edge, stands to what Git says.
type State string

// The states; "" is that nobody has looked.
const (
	Live    State = "live"    // as Git says
	New     State = "new"     // in Git, and not live yet
	Moves   State = "moves"   // live, to elsewhere
	Goes    State = "goes"    // live, and gone from Git
	Unknown State = "unknown" // it could not be read
	Foreign State = "foreign" // what stands there is not ours
)

// Table is every edge, and every name with the way that it takes.
type Table struct {
	Edges  []Edge  `json:"edges"`
	Routes []Route `json:"routes"`
}

// Edge is a proxy.
type Edge struct {
	ID desired.ID `json:"id"`
	// At is local, or the guest or Host that nginx runs on; Site its site, "" for none.
	At   string `json:"at"`
	Site string `json:"site,omitempty"`
	// Address is where it is reached; "" is not known, or the agent's own host.
	Address string `json:"address,omitempty"`
	// Inner tells that other edges lead to it.
	Inner bool `json:"inner,omitempty"`
	// State is Live where it could be read; Reason says why it is not, Remedy what
	// to do.
	State  State  `json:"state,omitempty"`
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Others counts what differs of it beside its routes.
	Others int `json:"otherDifferences,omitempty"`
	// Timeout is how long an answer may take when it is asked.
	Timeout time.Duration `json:"timeoutNanoseconds,omitempty"`
	// Source is its document.
	Source desired.Source `json:"source,omitzero"`
}

// Route is one name, or port, from where it arrives to where it ends.
type Route struct {
	// Edge is where it arrives.
	Edge desired.ID `json:"edge"`
	Way  Way        `json:"way"`
	// Listen are the ports, or address:port, that it arrives on.
	Listen []string `json:"listen"`
	// Name is the name, .name or *.name; "" is every name that no route has, and
	// what goes by its port alone.
	Name string `json:"name,omitempty"`
	// By is the route that decides the name, where somebody asked for a name that is
	// none itself; [ByDefault] where none does.
	By string `json:"by,omitempty"`
	// Chains are the ways that it takes: more than one where an upstream's servers
	// are proxies themselves.
	Chains []Chain `json:"chains"`
	// Unreached tells that it arrives only where somebody asks this edge itself: it is
	// behind others, and none of them sends the name to it.
	Unreached bool `json:"unreached,omitempty"`
	// State is how the route stands to what Git says; Remarks tell more.
	State   State    `json:"state,omitempty"`
	Remarks []string `json:"remarks,omitempty"`
	// PROXY tells that who asks must send a PROXY header first.
	PROXY bool `json:"proxyProtocol,omitempty"`
	// Answer is what came of asking it; nil if nobody did.
	Answer *Answer `json:"answer,omitempty"`
	// Source is the line that asks for it.
	Source desired.Source `json:"source,omitzero"`
}

// Chain is one way through proxies.
type Chain struct {
	// Through are the edges, the first where it arrives.
	Through []Hop `json:"through"`
	// To is where the last of them sends it: the servers of an upstream in turn.
	To []Leg `json:"to"`
}

// Hop is what one edge does with it.
type Hop struct {
	Edge desired.ID `json:"edge"`
	// Rule is the edge's own route that decides: "" is its default; for TCP and UDP
	// it is the port.
	Rule string `json:"rule,omitempty"`
	// Upstream is the upstream that it is sent to; "" if it has none.
	Upstream string `json:"upstream,omitempty"`
	// PROXY tells that the next is told who asks, by a PROXY header.
	PROXY bool `json:"proxyProtocol,omitempty"`
	// Backup tells that the way begins at this edge only if no other server answers.
	Backup bool `json:"backup,omitempty"`
}

// Leg is an end of the way.
type Leg struct {
	// Target is what the manifest says: vm/web-1:443, 10.1.1.9:443, reject, redirect.
	Target string `json:"target"`
	// ID is the guest or Host, where it is one of the fleet's, Site a guest's site.
	ID   desired.ID `json:"id,omitempty"`
	Site string     `json:"site,omitempty"`
	// Address is where it is reached, with its port; "" is not known.
	Address string `json:"address,omitempty"`
	Weight  int    `json:"weight,omitempty"`
	Backup  bool   `json:"backup,omitempty"`
	// Problem says why nothing gets there.
	Problem string `json:"problem,omitempty"`
}

// Skipped is the outcome of a name that was not asked; [Answer.Text] says why.
const Skipped = "unasked"

// Answer is what came of asking a name.
type Answer struct {
	// Name is what was asked, Address where.
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
	// Outcome is the sort of the answer: certificate, response, alert, garbled,
	// closed, refused, timeout, unasked.
	Outcome string `json:"outcome"`
	// Good tells that the answer is what the route is there for.
	Good bool `json:"good"`
	// Text is the answer in words.
	Text string `json:"text"`
	// Took is how long it took.
	Took time.Duration `json:"tookNanoseconds,omitempty"`
	// Subject is that of the certificate that was shown, Fingerprint its SHA-256.
	Subject     string `json:"subject,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	// Status is the status that HTTP answered.
	Status int `json:"status,omitempty"`
}

// Edge finds an edge; nil if there is none such.
func (t *Table) Edge(id desired.ID) *Edge {
	for i := range t.Edges {
		if t.Edges[i].ID == id {
			return &t.Edges[i]
		}
	}
	return nil
}

// Default tells whether it is what is done with all names that no route has.
func (r *Route) Default() bool {
	return (r.Name == "" || r.By == ByDefault) && (r.Way == TLS || r.Way == HTTP)
}

// Ask is a name to ask that the route decides; "" is to ask without one.
func (r *Route) Ask() string {
	if below, ok := strings.CutPrefix(r.Name, "*."); ok {
		return "any." + below
	}
	return strings.TrimPrefix(r.Name, ".")
}

// Ends says what becomes of it where it goes nowhere: reject or redirect; "" where
// it goes somewhere.
func (r *Route) Ends() string {
	end := ""
	for _, c := range r.Chains {
		for _, leg := range c.To {
			if leg.Target != reject && leg.Target != redirect {
				return ""
			}
			end = leg.Target
		}
	}
	return end
}

// Problem is why nothing gets there; "" if something may.
func (r *Route) Problem() string {
	problem := ""
	for _, c := range r.Chains {
		for _, leg := range c.To {
			if leg.Problem == "" {
				return ""
			}
			if problem == "" {
				problem = leg.Problem
			}
		}
	}
	return problem
}

// The targets that are no place.
const (
	reject   = "reject"
	redirect = "redirect"
)
