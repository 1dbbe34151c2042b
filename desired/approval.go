package desired

import "time"

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
	// Ends is when Until is over.
	Ends   time.Time `yaml:"-"`
	Source Source    `yaml:"-"`
}
