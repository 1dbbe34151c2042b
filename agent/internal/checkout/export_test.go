package checkout

import (
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// SetMaxFetch ends a fetch earlier than after defaultMaxFetch.
func (r *Repo) SetMaxFetch(d time.Duration) { r.maxFetch = d }

// SetMaxPacks makes the clone anew earlier than after defaultMaxPacks.
func (r *Repo) SetMaxPacks(n int) { r.maxPacks = n }

// SingleObject tells whether a path is that of an object in a file of its own.
var SingleObject = singleObject

// Keeps tells whether an object is in memory that was read before.
func (r *Repo) Keeps(object string) bool {
	_, ok := r.bases.Get(plumbing.NewHash(object))
	return ok
}
