package web

import (
	"time"

	"berth/drift"
	"berth/drift/report"
)

// Expiring are the tokens and certificates that are over, or soon are.
func (s *Status) Expiring(now time.Time) []drift.Expiry {
	var soon []drift.Expiry
	for _, e := range s.Expiries {
		if e.Soon(now) {
			soon = append(soon, e)
		}
	}
	return soon
}

// seen notes which commit the repository had, and since when that is another than the one
// that is enforced.
func (s *Status) seen(rep *report.Report, now time.Time) {
	switch r := rep.Refused; {
	case r == nil:
		s.Seen, s.BehindSince = rep.Commit, time.Time{}
	case r.Commit.Hash == "":
		// The repository can't be asked: what was seen last holds.
		if s.Seen.Hash == "" {
			s.Seen = rep.Commit
		}
	default:
		s.Seen = r.Commit
	}
	switch behind := s.Seen.Hash != rep.Commit.Hash; {
	case !behind:
		s.BehindSince = time.Time{}
	case s.BehindSince.IsZero():
		s.BehindSince = now
	}
}

// outlook takes what a plan says of what comes by itself, or waits for a reboot.
func (s *Status) outlook(plan *drift.Plan) {
	s.Archives, s.Expiries, s.Clocks, s.Reboots = plan.Archives, plan.Expiries, plan.Clocks, nil
	for _, n := range plan.Notes {
		if n.Unless == drift.Reboot {
			s.Reboots = append(s.Reboots, Held{What: string(n.ID), Reason: n.Text})
		}
		if n.Unknown {
			s.Unknown = append(s.Unknown, Held{What: string(n.ID), Reason: n.Text})
		}
	}
	for i := range plan.Changes {
		if c := &plan.Changes[i]; c.Step == drift.Reboot && c.Held != "" {
			s.Reboots = append(s.Reboots, Held{What: string(c.ID), Reason: c.Held})
		}
	}
}
