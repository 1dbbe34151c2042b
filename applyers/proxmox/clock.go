package proxmox

import (
	"fmt"
	"time"

	"berth/applyers"
	"berth/desired"
)

// clocksApart is how far our clock and Proxmox's may differ while something is
// deleted by date.
const clocksApart = 5 * time.Minute

// laterNow is the time by the later of both clocks: what is stamped with it is kept
// too long rather than too short, should one of them be behind.
func (c *cluster) laterNow() time.Time {
	now := c.Now()
	if ahead, known := c.Clock(); known && ahead > 0 {
		now = now.Add(ahead)
	}
	return now
}

// apart says that our clock and Proxmox's differ too much for anything to be deleted:
// of what one of them says, be it that a time is up, that a window is open or that an
// approval is in force, nothing is certain. "" if they do not, or if Proxmox's is not
// known.
func (c *cluster) apart() string {
	ahead, known := c.Clock()
	if !known || ahead.Abs() < clocksApart {
		return ""
	}
	return fmt.Sprintf("our clock and Proxmox's are %s apart, and so nothing is deleted: set them right", desired.Duration(ahead.Abs().Round(time.Minute)))
}

// archiveEnd tells when the time of a guest that has been archived since then is up,
// and whether it is by the later-safe of both clocks: the one that says that less
// time has passed. clock says why that can't be judged; "" if it can.
func (c *cluster) archiveEnd(since time.Time, keep desired.Duration) (until time.Time, over bool, clock string) {
	until = since.Add(time.Duration(keep))
	now := c.Now()
	ahead, known := c.Clock()
	if !known {
		return until, now.After(until), "Proxmox's clock can't be read, and without it nothing is deleted by date"
	}
	if ahead < 0 {
		now = now.Add(ahead)
	}
	return until, now.After(until), c.apart()
}

// due refuses to delete what the clocks do not let go any more: they may have been
// set since it was planned.
func (j *job) due(g *found) error {
	if apart := j.apart(); apart != "" {
		return &applyers.HeldError{Reason: apart}
	}
	if j.Want != nil || g.stamp.Archived.IsZero() {
		return nil
	}
	until, over, clock := j.archiveEnd(g.stamp.Archived, j.Fleet.Spec.ArchiveFor)
	switch {
	case clock != "":
		return &applyers.HeldError{Reason: clock}
	case !over:
		return heldf("its time in the archive is up at %s UTC, which is not yet: planned again in the next turn", until.UTC().Format(time.DateTime))
	}
	return nil
}
