package pve

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Ledger tells the tasks that were begun here from those that somebody else begins
// with the same token, as a second agent on the same fleet does. It outlives the
// clients of a site. It is safe for concurrent use; nil remembers nothing.
type Ledger struct {
	mu sync.Mutex
	// own are the tasks that were begun here within a day, with the time. lost are the
	// guests of writes whose answer never came: each may have begun one more.
	own  map[string]time.Time
	lost []lostTask
	// known are the tasks that the log had at the last look; nil before the first.
	known map[string]bool
}

// lostTask is a task that may have been begun: on this guest, "" for any.
type lostTask struct {
	guest string
	at    time.Time
}

const (
	// forgotten is when nothing more is expected to be heard of a lost task.
	forgotten = 15 * time.Minute
	// longAgo is when no task that was begun runs any more, and the log has it.
	longAgo = 24 * time.Hour
)

// Begun remembers a task that was begun here, be it in an earlier life.
func (l *Ledger) Begun(upid string, now time.Time) {
	if l == nil || upid == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own == nil {
		l.own = make(map[string]time.Time)
	}
	l.own[upid] = now
}

func (l *Ledger) lose(guest string, now time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = append(l.lost, lostTask{guest, now})
}

// Others takes in a look at the log, in which the token has begun these tasks, the
// newest first: it gives those that others have begun since the last one, the oldest
// first. At the first look nothing tells whose they are, and so there are none.
func (l *Ledger) Others(now time.Time, begun []string) []string {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = slices.DeleteFunc(l.lost, func(t lostTask) bool { return now.Sub(t.at) > forgotten })
	defer maps.DeleteFunc(l.own, func(_ string, at time.Time) bool { return now.Sub(at) > longAgo })
	first := l.known == nil
	if len(begun) == 0 && !first {
		return nil // The log was lost, and other nodes may yet tell what it said.
	}
	known := make(map[string]bool, len(begun))
	var others []string
	for _, upid := range slices.Backward(begun) {
		_, own := l.own[upid]
		if !first && !own && !l.known[upid] && !known[upid] && !l.excused(upid) {
			others = append(others, upid)
		}
		known[upid] = true
	}
	l.known = known
	return others
}

// excused tells whether a task may be that of a write whose answer was lost. Each
// such write excuses one.
func (l *Ledger) excused(upid string) bool {
	_, guest := TaskWords(upid)
	i := slices.IndexFunc(l.lost, func(t lostTask) bool { return t.guest == guest || t.guest == "" })
	if i >= 0 {
		l.lost = slices.Delete(l.lost, i, i+1)
	}
	return i >= 0
}

// Own tells whether a task was begun here, as far as that is remembered.
func (l *Ledger) Own(upid string) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, own := l.own[upid]
	return own
}

// TaskWords are a task's type and what it is about, "qmcreate" and "4001"; both "" for
// what is no task.
func TaskWords(upid string) (kind, about string) {
	parts := strings.SplitN(upid, ":", 8)
	if len(parts) < 8 {
		return "", ""
	}
	return parts[5], parts[6]
}

// guestOf is the guest that a write is about, by its path or its parameters; "" for
// none.
func guestOf(path string, p Params) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if (part == "qemu" || part == "lxc") && i+1 < len(parts) {
			return parts[i+1]
		}
	}
	return p["vmid"]
}
