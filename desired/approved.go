package desired

import "time"

// Approved is the approval of a step on a resource, or on a disk of a data VM, that
// counts at a time; nil if there is none. At the zero time none does.
func (f *Fleet) Approved(verb string, target ID, disk string, now time.Time) *Approval {
	for _, a := range f.Approvals {
		if a.Verb == verb && a.Target == target && a.Disk == disk && !now.IsZero() && !a.Expired(now) && !a.TooFar(now) {
			return a
		}
	}
	return nil
}
