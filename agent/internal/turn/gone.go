package turn

import (
	"context"
	"fmt"
	"slices"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// untagged notes guests of ours that are gone from Git and were not found by their tag,
// which is how what no manifest names is found: they are looked for where they were.
func untagged(ctx context.Context, a applyers.Applyer, fleet, previous *desired.Fleet, o drift.Observed) []drift.Note {
	gone := goneGuests(fleet, previous, a.Kinds(), o)
	if gone == nil {
		return nil
	}
	var ids []desired.ID
	for _, r := range gone.Resources {
		ids = append(ids, r.ID)
	}
	// What can't be read now is not known to be ours, and was told where it counts.
	found, err := a.Observe(ctx, gone, applyers.Scope{IDs: ids})
	if err != nil {
		return nil
	}
	var notes []drift.Note
	for _, live := range found.Lives {
		if slices.Contains(ids, live.ID) {
			notes = append(notes, drift.Note{
				ID: live.ID,
				Text: fmt.Sprintf("gone from Git, and somebody took the fleet's tag off it: put the tag back on VMID %d (site %s) to have it archived; as it is, nobody looks at it any more",
					gone.Machine(live.ID).VMID, live.Site),
			})
		}
	}
	return notes
}

// goneGuests is a fleet of the guests that the manifests no longer have and that were
// not found; nil if there are none.
func goneGuests(fleet, previous *desired.Fleet, kinds []string, o drift.Observed) *desired.Fleet {
	if previous == nil {
		return nil
	}
	known := make(map[desired.ID]bool)
	for _, live := range o.Lives {
		known[live.ID] = true
	}
	taken := make(map[string]bool)
	for _, r := range fleet.Resources {
		known[r.ID] = true
		if g := fleet.Machine(r.ID); g != nil {
			taken[fmt.Sprintf("%s %d", r.Site, g.VMID)] = true
		}
	}
	var gone []*desired.Resource
	for _, r := range previous.Resources {
		g := previous.Machine(r.ID)
		if g == nil || known[r.ID] || !slices.Contains(kinds, r.ID.Kind()) || fleet.Sites[r.Site] == nil || taken[fmt.Sprintf("%s %d", r.Site, g.VMID)] ||
			slices.ContainsFunc(o.Blind, func(b drift.Blind) bool { return b.Covers(r.ID, r.Site) }) {
			continue
		}
		gone = append(gone, r)
	}
	if gone == nil {
		return nil
	}
	return previous.Of(gone)
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
