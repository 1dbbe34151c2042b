package web

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
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
		status.tell(rep, s.now())
		status.Last.Why, status.Last.Paused = now.Why, req.Paused
		if req.Paused {
			status.stay(enforced, behind, s.now())
		}
		status.Failing = failing(rep, waits)
		status.Waiting, status.Held = held(rep, waits)
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
	s.Failing = besides(s.Failing, before.Failing, about, func(f Failing) desired.ID { return f.ID })
	s.Waiting = besides(s.Waiting, before.Waiting, about, func(w Waiting) desired.ID { return w.ID })
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

// tell takes what a report says of the turn and of what was read.
func (s *Status) tell(rep *report.Report, now time.Time) {
	s.seen(rep, now)
	s.Last = &Turn{ID: rep.Turn, Started: rep.Started, Ended: rep.Ended, Summary: rep.Summary, Error: rep.Error}
	s.Fleet, s.Commit, s.Refused, s.Unknown = rep.Fleet, rep.Commit, rep.Refused, nil
	if rep.Plan == nil {
		return
	}
	for _, b := range rep.Plan.Blind {
		if desired.WaitsForUnlock(b.Reason) {
			continue
		}
		s.Unknown = append(s.Unknown, Held{What: string(b.What()), Reason: b.Text()})
	}
	s.outlook(rep.Plan)
	s.Skipped = skipped(rep)
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
	s.tell(rep, rep.Ended)
	s.Failing = failing(rep, nil)
	s.Waiting, s.Held = held(rep, nil)
}

// failing lists what went wrong in a turn, and what waits from an earlier one.
func failing(rep *report.Report, waits []turn.Wait) []Failing {
	var all []Failing
	told := make(map[desired.ID]bool)
	for _, w := range waits {
		all = append(all, Failing{ID: w.ID, Field: w.Path, Reason: w.Reason, Next: w.Until})
		told[w.ID] = true
	}
	for _, o := range rep.Outcomes {
		if o.Status == drift.Failed && !told[o.ID] && !desired.WaitsForUnlock(o.Reason) {
			all = append(all, Failing{ID: o.ID, Reason: o.Reason})
		}
	}
	slices.SortStableFunc(all, func(a, b Failing) int {
		if a.ID != b.ID {
			return strings.Compare(string(a.ID), string(b.ID))
		}
		return strings.Compare(string(a.Field), string(b.Field))
	})
	return all
}

// held lists what a turn left as it is: what waits for an unlock, and what is held for
// another reason. What only waits to be tried again is neither.
func held(rep *report.Report, waits []turn.Wait) (waiting []Waiting, others []Held) {
	if rep.Plan == nil {
		return nil, nil
	}
	again := make(map[turn.Wait]bool)
	for _, w := range waits {
		again[turn.Wait{ID: w.ID, Path: w.Path}] = true
	}
	for _, b := range rep.Plan.Blind {
		if desired.WaitsForUnlock(b.Reason) {
			waiting = wait(waiting, b.What(), "", b.Reason)
		}
	}
	reasons := outcomes(rep)
	for i := range rep.Plan.Changes {
		c := &rep.Plan.Changes[i]
		reason := c.Held
		if reason == "" {
			reason = reasons[c.Key]
		}
		switch {
		case again[turn.Wait{ID: c.ID}]:
			continue
		case desired.WaitsForUnlock(reason):
			waiting = wait(waiting, c.ID, "", reason)
		case reason != "":
			others = hold(others, string(c.ID), reason)
		default:
			for _, f := range c.Fields {
				switch {
				case f.Held == "" || again[turn.Wait{ID: c.ID, Path: f.Path}]:
				case desired.WaitsForUnlock(f.Held):
					waiting = wait(waiting, c.ID, host(f.Path), f.Held)
				default:
					others = hold(others, string(c.ID)+" "+string(f.Path), f.Held)
				}
			}
		}
	}
	// What was found to be locked when its turn came waits as much.
	for _, o := range rep.Outcomes {
		for _, path := range slices.Sorted(maps.Keys(o.Results)) {
			if reason := o.Results[path]; desired.WaitsForUnlock(reason) {
				waiting = wait(waiting, o.ID, host(path), reason)
			}
		}
	}
	slices.SortStableFunc(waiting, func(a, b Waiting) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return waiting, others
}

// outcomes are the reasons for which steps that the plan let go were held after all.
func outcomes(rep *report.Report) map[drift.Key]string {
	reasons := make(map[drift.Key]string)
	for _, o := range rep.Outcomes {
		if o.Status == drift.Held {
			reasons[o.Key] = o.Reason
		}
	}
	return reasons
}

// host is the one that a field of a playbook is about; "" for any other field.
func host(path desired.Path) string {
	if keys := path.Keys(); len(keys) == 2 && keys[0] == "hosts" {
		return keys[1]
	}
	return ""
}

// wait adds to what waits. Hosts of one playbook are told together.
func wait(all []Waiting, id desired.ID, host, reason string) []Waiting {
	at := slices.IndexFunc(all, func(w Waiting) bool { return w.ID == id && w.Reason == reason })
	if at < 0 {
		all = append(all, Waiting{ID: id, Reason: reason})
		at = len(all) - 1
	}
	if host != "" && !slices.Contains(all[at].Hosts, host) {
		all[at].Hosts = append(all[at].Hosts, host)
		slices.Sort(all[at].Hosts)
	}
	return all
}

// hold adds to what is held. Of a resource's steps the first tells: the others wait
// for it.
func hold(all []Held, what, reason string) []Held {
	if slices.ContainsFunc(all, func(h Held) bool { return h.What == what }) {
		return all
	}
	return append(all, Held{What: what, Reason: reason})
}
