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
// destructive step. It has no name: what it allows is its identity. It lifts limits
// and windows from that step, and nothing else: not a protection, not what is
// unknown, not a volume that is in use. It counts once, which the history of the
// manifests tells: what it names and has come back since needs a new one. Take it out
// of Git when it has done its work; one that is over, or that nothing waits for, is
// noted.
type Approval struct {
	// Allow is a verb and what it may be done to: "delete vm/db-1", "recreate
	// vm/web-1", "destroy-volume data/certs/letsencrypt", or "shrink-fleet". delete
	// lets one guest be archived and deleted beside the Fleet's guards and outside
	// its windows. destroy-volume lets a disk of a DataVM be destroyed: a DataVM that
	// is gone from Git is deleted once its time in the archive is up, nothing uses
	// it, and there is one for each of its disks. shrink-fleet lifts the Fleet's
	// guards from all that is gone from Git in the commit that brings it, or went
	// before, and no window; what is taken out later needs an approval of its own. An
	// approval with another until or why is another one.
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
	// Spent says for which resources the approval no longer counts, and why; nil
	// after loading, since only the history of the manifests can tell. "" stands for
	// every resource.
	Spent map[ID]string `yaml:"-"`
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
