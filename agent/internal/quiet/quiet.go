// Package quiet lets one of many like lines of the log through in a while, and tells
// how many were left out: what strangers send must not fill a disk.
package quiet

import (
	"sync"
	"time"
)

// Every is how often one is let through.
const Every = time.Minute

// Line is one line that may come often. Its zero value is ready.
type Line struct {
	mu    sync.Mutex
	until time.Time
	more  int
}

// Speak tells whether the line is to be written now, and how many were not since the
// last that was.
func (l *Line) Speak(now time.Time) (more int, speak bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.until) {
		l.more++
		return 0, false
	}
	more, l.more = l.more, 0
	l.until = now.Add(Every)
	return more, true
}
