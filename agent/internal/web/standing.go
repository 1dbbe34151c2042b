package web

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/desired"
	"berth/drift/report"
)

// Standing is what the agent tells of itself while turns are made. It may be used by
// many at once, and nobody waits for a turn.
type Standing struct {
	// Now is [time.Now] unless set.
	Now func() time.Time

	mu     sync.Mutex
	status Status
}

func (s *Standing) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Set changes what holds.
func (s *Standing) Set(edit func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.status)
}

// Status is a copy of what holds.
func (s *Standing) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What lies behind its pointers and lists is replaced as a whole, never written.
	return s.status
}

// Began notes that a turn is under way.
func (s *Standing) Began(req turn.Request) {
	why := req.Why
	switch {
	case req.Paused:
		why += ", while paused"
	case req.Mode == report.Drift:
		why = "drift"
	case why == "":
		why = "sync"
	}
	s.Set(func(status *Status) { status.Now = &Underway{Turn: req.ID, Why: why, Since: s.now()} })
}

// Planned is no news: what is planned is told when it is over.
func (s *Standing) Planned(turn.Request, *report.Report) {}

// Ended notes what came of the turn: its report, or why there is none. waits are what
// is tried again by itself. A dry run, and one that was asked for what there is not,
// changes nothing.
func (s *Standing) Ended(req turn.Request, rep *report.Report, err error, waits []turn.Wait) {
	s.Set(func(status *Status) {
		now := status.Now
		status.Now = nil
		if req.Mode != report.Run && !req.Paused || now == nil || turn.Mistaken(err) || errors.Is(err, applyers.ErrLeft) {
			return
		}
		if err != nil {
			status.Last = &Turn{ID: req.ID, Why: now.Why, Started: now.Since, Ended: s.now(), Error: err.Error()}
			return
		}
		enforced, behind, before := status.Commit, status.BehindSince, *status
		status.tell(rep, waits, s.now())
		status.Last.Why, status.Last.Paused = now.Why, req.Paused
		if req.Paused {
			status.stay(enforced, behind, s.now())
		}
		if len(req.Only) > 0 {
			status.beside(&before, req.Only, rep)
		}
	})
}

// beside keeps what was known before of all that a turn about some resources says nothing
// of, until one looks at all again.
func (s *Status) beside(before *Status, only []string, rep *report.Report) {
	about := make(map[desired.ID]bool)
	for _, word := range only {
		about[desired.ID(word)] = true
	}
	if rep.Plan != nil {
		for i := range rep.Plan.Changes {
			about[rep.Plan.Changes[i].ID] = true
		}
	}
	whom := func(h Held) desired.ID {
		id, _, _ := strings.Cut(h.What, " ")
		return desired.ID(id)
	}
	s.Failing = besides(s.Failing, before.Failing, about, func(f turn.Failing) desired.ID { return f.ID })
	s.Waiting = besides(s.Waiting, before.Waiting, about, func(w turn.Waiting) desired.ID { return w.ID })
	s.Held, s.Unknown = besides(s.Held, before.Held, about, whom), besides(s.Unknown, before.Unknown, about, whom)
	s.Skipped, s.Reboots = besides(s.Skipped, before.Skipped, about, whom), besides(s.Reboots, before.Reboots, about, whom)
}

// besides adds what was known before of others than these, and than are told anew.
func besides[T any](now, before []T, about map[desired.ID]bool, whom func(T) desired.ID) []T {
	anew := make(map[desired.ID]bool)
	for _, one := range now {
		anew[whom(one)] = true
	}
	now = slices.Clip(now)
	for _, one := range before {
		if id := whom(one); !about[id] && !anew[id] {
			now = append(now, one)
		}
	}
	slices.SortStableFunc(now, func(a, b T) int { return strings.Compare(string(whom(a)), string(whom(b))) })
	return now
}

// tell takes what a report says of the turn, of what it left and of what was read. waits
// are what is tried again by itself.
func (s *Status) tell(rep *report.Report, waits []turn.Wait, now time.Time) {
	s.seen(rep, now)
	s.Last = &Turn{ID: rep.Turn, Started: rep.Started, Ended: rep.Ended, Summary: rep.Summary, Error: rep.Error}
	s.Fleet, s.Commit, s.Refused = rep.Fleet, rep.Commit, rep.Refused
	s.left(turn.LeftBy(rep, waits))
	if rep.Plan != nil {
		s.outlook(rep.Plan)
	}
}

// left takes what a turn left undone.
func (s *Status) left(l turn.Left) {
	s.Failing, s.Waiting, s.Held, s.Unknown, s.Skipped = l.Failing, l.Waiting, nil, nil, nil
	for _, h := range l.Held {
		s.Held = append(s.Held, Held{What: h.String(), Reason: h.Reason})
	}
	for _, b := range l.Unknown {
		s.Unknown = append(s.Unknown, Held{What: string(b.What()), Reason: b.Text()})
	}
	for _, o := range l.Skipped {
		s.Skipped = append(s.Skipped, Held{What: o.String(), Reason: o.Reason})
	}
}

// stay is that the commit which was looked at was not taken.
func (s *Status) stay(enforced report.Commit, behind, now time.Time) {
	s.Commit = enforced
	switch {
	case s.Seen.Hash == enforced.Hash:
		s.BehindSince = time.Time{}
	case behind.IsZero():
		s.BehindSince = now
	default:
		s.BehindSince = behind
	}
}

// Recall takes what a report of the journal says, which is all that there is to know
// where no agent runs.
func (s *Status) Recall(rep *report.Report) {
	s.tell(rep, nil, rep.Ended)
}
