package turn

import (
	"slices"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// heard puts to a report what the look afterwards has noted of whole sites: what
// others did there meanwhile.
func heard(rep *report.Report, after *drift.Plan) {
	for _, n := range after.Notes {
		if n.ID.Kind() == desired.KindSite && !slices.Contains(rep.Plan.Notes, n) {
			rep.Plan.Notes = append(rep.Plan.Notes, n)
		}
	}
}

// unverified notes of what was done that it could not be looked at once more, and
// why. It tells whether there was any.
func unverified(rep *report.Report, done map[drift.Key]*drift.Outcome, after *drift.Plan) bool {
	told := make(map[desired.ID]bool)
	for i := range rep.Plan.Changes {
		c := &rep.Plan.Changes[i]
		if done[c.Key] == nil || told[c.ID] {
			continue
		}
		blind := slices.IndexFunc(after.Blind, func(b drift.Blind) bool { return b.Covers(c.ID, c.Site) })
		if blind >= 0 {
			told[c.ID] = true
			rep.Plan.Notes = append(rep.Plan.Notes, drift.Note{ID: c.ID, Text: "what was done could not be looked at once more: " + after.Blind[blind].Reason})
		}
	}
	return len(told) > 0
}
