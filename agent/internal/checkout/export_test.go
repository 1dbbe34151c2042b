package checkout

import "time"

// SetMaxFetch ends a fetch earlier than after defaultMaxFetch.
func (r *Repo) SetMaxFetch(d time.Duration) { r.maxFetch = d }

// SetMaxPacks makes the clone anew earlier than after defaultMaxPacks.
func (r *Repo) SetMaxPacks(n int) { r.maxPacks = n }

// SingleObject tells whether a path is that of an object in a file of its own.
var SingleObject = singleObject
