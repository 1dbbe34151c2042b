package desired

import "time"

// MaxApprovalDays is how far ahead an Approval may end.
const MaxApprovalDays = 90

// The verbs that an Approval allows.
const (
	AllowDelete        = "delete"
	AllowRecreate      = "recreate"
	AllowDestroyVolume = "destroy-volume"
	AllowShrinkFleet   = "shrink-fleet"
)

// Approval is the document of kind Approval: an expiring permission for one
// destructive step. It has no name: what it allows is its identity.
type Approval struct {
	// Allow is a verb and what it may be done to: "delete vm/db-1", "recreate
	// vm/web-1", "destroy-volume data/certs/letsencrypt", or "shrink-fleet".
	Allow string `yaml:"allow" default:"required" form:"approval" example:"delete vm/db-1"`
	// Until is a date, the end of that day in the fleet's zone, or a time as
	// RFC 3339 writes it; at most 90 days ahead.
	Until string `yaml:"until" default:"required" form:"until" example:"2026-12-01"`
	// Why is for people, and for the record.
	Why string `yaml:"why" example:"moved to db-2"`

	// Verb and Target are Allow's parts, always set after loading. Target is a
	// guest's id; for destroy-volume the data VM's, and Disk the disk's name; ""
	// for shrink-fleet.
	Verb   string `yaml:"-"`
	Target ID     `yaml:"-"`
	Disk   string `yaml:"-"`
	// Ends is when Until is over, always set after loading.
	Ends   time.Time `yaml:"-"`
	Source Source    `yaml:"-"`
}

// Expired tells whether the approval is over at a time. The loader does not
// ask: the same manifests always load alike.
func (a *Approval) Expired(now time.Time) bool { return !now.Before(a.Ends) }

// TooFar tells whether the approval ends more than [MaxApprovalDays] after a
// time: when it was committed, or else now. The last day is not counted, since
// a date means the end of its day.
func (a *Approval) TooFar(now time.Time) bool {
	return a.Ends.After(now.AddDate(0, 0, MaxApprovalDays+1))
}
