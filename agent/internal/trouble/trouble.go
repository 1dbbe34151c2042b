// Package trouble keeps what goes wrong again and again from filling the log: it is
// told when it begins, when its reason changes, once an hour, and when it is over.
package trouble

import (
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	// every is how often it is told that something still goes wrong.
	every = time.Hour
	// changes is how many other reasons are told in between: some go to and fro.
	changes = 5
)

// Ongoing is one thing that may go wrong again and again. The zero Ongoing goes well. It
// may be used by many at once.
type Ongoing struct {
	mu     sync.Mutex
	since  time.Time
	told   time.Time // the last time without another reason
	reason string
	times  int
	others int // reasons told since
}

// Told is how long something has gone wrong, and how often.
type Told struct {
	Since time.Time
	Times int
}

// Due notes that it has gone wrong once more, and tells whether to say so.
func (o *Ongoing) Due(now time.Time, reason string) (Told, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	kind := kindOf(reason)
	begins := o.times == 0
	if begins {
		o.since = now
	}
	o.times++
	other := o.reason != kind && o.others < changes
	o.reason = kind
	switch {
	// A clock that was set back must not silence it for longer.
	case begins, now.Sub(o.told) >= every, now.Before(o.told):
		o.told, o.others = now, 0
	case other:
		o.others++
	default:
		return Told{}, false
	}
	return Told{Since: o.since, Times: o.times}, true
}

// Over notes that it goes well, and tells whether that is news.
func (o *Ongoing) Over() (Told, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.times == 0 {
		return Told{}, false
	}
	was := Told{Since: o.since, Times: o.times}
	o.since, o.told, o.reason, o.times, o.others = time.Time{}, time.Time{}, "", 0, 0
	return was, true
}

// Since is when it began to go wrong; zero while it goes well.
func (o *Ongoing) Since() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.since
}

// kindOf is a reason without its numbers: ports, durations and counts are others each
// time.
func kindOf(reason string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, reason)
}
