package turn

import (
	"slices"
	"strings"
	"time"

	"berth/desired"
)

// Wait is something that failed and is tried again by itself.
type Wait struct {
	ID desired.ID
	// Path is the one field that failed; "" for all of the resource.
	Path   desired.Path
	Until  time.Time
	Reason string
}

// Waits lists what has failed and waits, sorted. Between turns it may be asked by
// whoever makes them.
func (t *Turner) Waits() []Wait {
	var all []Wait
	for who, w := range t.backoff.waits {
		all = append(all, Wait{ID: who.id, Path: who.path, Until: w.until, Reason: w.reason})
	}
	slices.SortFunc(all, func(a, b Wait) int {
		if a.ID != b.ID {
			return strings.Compare(string(a.ID), string(b.ID))
		}
		return strings.Compare(string(a.Path), string(b.Path))
	})
	return all
}
