package drift

import (
	"time"

	"berth/desired"
)

// Outlook is what comes by itself, or waits for somebody, beside what a turn would do.
type Outlook struct {
	// Archives are the guests in the archive, by when they go.
	Archives []Archived `json:"archives,omitempty"`
	// Expiries are what is valid until a time: tokens and certificates of sites, and
	// Approvals.
	Expiries []Expiry `json:"expiries,omitempty"`
	// Clocks are of the sites whose clock differs from ours by so much that nothing is
	// deleted there.
	Clocks []Clock `json:"clocks,omitempty"`
}

// Archived is a guest that is kept, stopped, until its time is up.
type Archived struct {
	ID   desired.ID `json:"id"`
	Site string     `json:"site,omitempty"`
	// Until is when it is deleted, if nothing speaks against that then.
	Until time.Time `json:"until"`
	// Reason says why its time can't be judged; "" if it can.
	Reason string `json:"reason,omitempty"`
}

// The kinds of what expires.
const (
	TokenExpiry       = "token"
	CertificateExpiry = "certificate"
	ApprovalExpiry    = "approval"
)

// Expiry is something that is valid until a time.
type Expiry struct {
	// Kind is what it is.
	Kind string `json:"kind"`
	// ID is whose it is: "site/home", "approval/delete vm/db-1".
	ID desired.ID `json:"id"`
	// What names it: "berth@pve!agent", "https://10.1.1.11:8006", "delete vm/db-1".
	What string `json:"what"`
	// At is when it is over; zero where it never is, or where nobody knows.
	At time.Time `json:"at,omitzero"`
	// Unknown says why At is not known; "" if it is.
	Unknown string `json:"unknown,omitempty"`
	// Unused tells of an Approval that it lets nothing go.
	Unused bool           `json:"unused,omitempty"`
	Source desired.Source `json:"source,omitzero"`
}

// ExpirySoon is how long before its end people are told of a token's or certificate's.
const ExpirySoon = 14 * 24 * time.Hour

// Soon tells whether somebody should see to it. An Approval is meant to end.
func (e Expiry) Soon(now time.Time) bool {
	return e.Kind != ApprovalExpiry && !e.At.IsZero() && e.At.Sub(now) <= ExpirySoon
}

// Clock is how far a site's clock is from ours.
type Clock struct {
	Site string `json:"site"`
	// Ahead is positive where the site's is later.
	Ahead time.Duration `json:"aheadNanoseconds"`
}

// add puts what others have found to it.
func (o *Outlook) add(other Outlook) {
	o.Archives = append(o.Archives, other.Archives...)
	o.Expiries = append(o.Expiries, other.Expiries...)
	o.Clocks = append(o.Clocks, other.Clocks...)
}
