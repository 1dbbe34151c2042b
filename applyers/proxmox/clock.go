package proxmox

import (
	"fmt"
	"time"

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

// archiveEnd tells when an archived guest's time is up, and whether it is by the
// later-safe of both clocks: the one that says that less time has passed. clock
// says why that can't be judged; "" if it can.
func (s *sweep) archiveEnd(since time.Time) (until time.Time, over bool, clock string) {
	until = since.Add(time.Duration(s.fleet.Spec.ArchiveFor))
	now := s.Now()
	ahead, known := s.Clock()
	switch {
	case !known:
		return until, now.After(until), "Proxmox's clock can't be read, and without it nothing is deleted by date"
	case ahead.Abs() >= clocksApart:
		clock = fmt.Sprintf("our clock and Proxmox's are %s apart, and so nothing is deleted by date: set them right", desired.Duration(ahead.Abs().Round(time.Minute)))
	}
	if ahead < 0 {
		now = now.Add(ahead)
	}
	return until, now.After(until), clock
}
