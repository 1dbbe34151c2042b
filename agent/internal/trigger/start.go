package trigger

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// maxWhys is how many reasons of one turn are told.
const maxWhys = 3

// queue is the one turn that is started next without anybody waiting for it.
type queue struct {
	// ready has something in it while a turn is wanted.
	ready chan struct{}

	mu     sync.Mutex
	wanted bool
	whole  bool // it spares nothing
	id     string
	whys   []string // the first of them
	more   bool
}

// Start makes a turn as soon as the one under way is over, and comes back at once with
// its id. All who want one before it begins get the same.
func (l *Loop) Start(why string) (id string) { return l.start(why, false) }

// StartWhole is Start for a turn that looks at all there is, as one for a commit does.
func (l *Loop) StartWhole(why string) (id string) { return l.start(why, true) }

func (l *Loop) start(why string, whole bool) (id string) {
	q := l.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.wanted && l.NextID != nil {
		q.id = l.NextID()
	}
	q.wanted, q.whole = true, q.whole || whole
	switch {
	case slices.Contains(q.whys, why):
	case len(q.whys) < maxWhys:
		q.whys = append(q.whys, why)
	default:
		q.more = true
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return q.id
}

// take begins the turn that was wanted; quick spares what is dear to look at.
func (q *queue) take() (why, id string, quick bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	why, id, quick = strings.Join(q.whys, ", "), q.id, !q.whole
	if q.more {
		why += " and more"
	}
	q.wanted, q.whole, q.id, q.whys, q.more = false, false, "", nil, false
	return why, id, quick
}

// future is the turn that comes by itself.
type future struct {
	mu  sync.Mutex
	at  time.Time
	why string
}

func (f *future) note(at time.Time, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.why = at, why
}

// Next tells when a turn is made if nothing happens before, and why: "sweep" or
// "retry". It is zero until the first turn is over.
func (l *Loop) Next() (at time.Time, why string) {
	l.future.mu.Lock()
	defer l.future.mu.Unlock()
	return l.future.at, l.future.why
}
