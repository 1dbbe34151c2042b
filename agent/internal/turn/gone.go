package turn

import (
	"fmt"
	"slices"

	"berth/desired"
	"berth/drift"
)

// goneGuests notes guests that are gone from Git and were not found: by their tag, which
// is how what no manifest names is found. Where that was taken off, they are still
// there, and no other turn would speak of them.
func goneGuests(fleet, previous *desired.Fleet, o drift.Observed) []drift.Note {
	if previous == nil {
		return nil
	}
	type place struct {
		site string
		vmid int
	}
	known := make(map[desired.ID]bool)
	named := make(map[place]bool)
	for _, live := range o.Lives {
		known[live.ID] = true
	}
	for _, f := range o.Foreign {
		known[f.ID] = true
	}
	for _, r := range fleet.Resources {
		known[r.ID] = true
		if g := fleet.Machine(r.ID); g != nil {
			named[place{r.Site, g.VMID}] = true
		}
	}
	var notes []drift.Note
	for _, r := range previous.Resources {
		g := previous.Machine(r.ID)
		if g == nil || g.State == desired.Absent || known[r.ID] || fleet.Sites[r.Site] == nil || named[place{r.Site, g.VMID}] ||
			slices.ContainsFunc(o.Blind, func(b drift.Blind) bool { return b.Covers(r.ID, r.Site) }) {
			continue
		}
		notes = append(notes, drift.Note{
			ID: r.ID,
			Text: fmt.Sprintf("gone from Git, and not found under the fleet's tag: if VMID %d on site %s is still it, somebody took the tag off; put that back to have it archived, or leave it: nobody looks at it any more",
				g.VMID, r.Site),
		})
	}
	return notes
}

// goneSites notes what nobody looks at any more since its site is gone from Git:
// the guests there stay as they are, and no other turn would speak of them.
func goneSites(fleet, previous *desired.Fleet) []drift.Note {
	if previous == nil {
		return nil
	}
	guests := make(map[string]int)
	for _, r := range previous.Resources {
		if r.ID.Machine() && r.Site != "" && fleet.Sites[r.Site] == nil {
			guests[r.Site]++
		}
	}
	var notes []drift.Note
	for _, site := range sortedKeys(guests) {
		notes = append(notes, drift.Note{
			ID: desired.MakeID(desired.KindSite, site),
			Text: fmt.Sprintf("gone from Git with its guests (%d): nobody looks at them any more, and they stay as they are; bring the Site back to have them kept or archived",
				guests[site]),
		})
	}
	return notes
}
