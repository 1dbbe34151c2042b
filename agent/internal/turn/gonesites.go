package turn

import (
	"fmt"

	"berth/desired"
	"berth/drift"
)

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
