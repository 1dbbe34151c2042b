package desired

import "time"

// Approved is the approval of a step on a resource, or on a disk of a data VM, that
// counts at a time; nil if there is none. At the zero time none does.
func (f *Fleet) Approved(verb string, target ID, disk string, now time.Time) *Approval {
	for _, a := range f.Approvals {
		if a.Verb == verb && a.Target == target && a.Disk == disk && a.Counts(now) && a.Spent[target] == "" {
			return a
		}
	}
	return nil
}

// Spent says why approvals that are in force do not count for a resource; "" if
// none is spent. One of the whole fleet is asked last.
func (f *Fleet) Spent(id ID, now time.Time) string {
	for _, fleet := range []bool{false, true} {
		for _, a := range f.Approvals {
			if (a.Verb == AllowShrinkFleet) != fleet || !a.Counts(now) {
				continue
			}
			if why := a.Spent[id]; why != "" {
				return why
			}
			if why := a.Spent[""]; fleet && why != "" {
				return why
			}
		}
	}
	return ""
}

// Counts tells whether the approval is in force at a time; at the zero time it is
// not.
func (a *Approval) Counts(now time.Time) bool {
	return !now.IsZero() && !a.Expired(now) && !a.TooFar(now)
}
