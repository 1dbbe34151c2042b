package notify

import (
	"sync"
	"time"
)

// remindAfter is how soon people are told again of the same.
const remindAfter = 24 * time.Hour

// Once tells of something that lasts: when it begins, and again each day while it
// does. The zero Once has told nobody. It may be used by many at once.
type Once struct {
	mu   sync.Mutex
	told time.Time
}

// Due tells whether people should be told now, and takes it that they are.
func (o *Once) Due(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	// A clock that was set back must not silence it for longer.
	if !o.told.IsZero() && now.Sub(o.told) < remindAfter && !now.Before(o.told) {
		return false
	}
	o.told = now
	return true
}

// Over notes that it is over: when it begins anew, people are told again.
func (o *Once) Over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = time.Time{}
}
