package turn

import (
	"maps"
	"slices"
	"strings"
	"time"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// Left is what a turn left otherwise than Git says, by what has to come about first. It
// is judged here alone: whoever tells people of it tells the same.
type Left struct {
	// Failing went wrong, in this turn or before, and is tried again by itself.
	Failing []Failing
	// Waiting needs a secret that can't be read before an unlock.
	Waiting []Waiting
	// Held must not be done for another reason. Of a resource's steps one tells.
	Held []Held
	// Unknown could not be read, for another reason than a lock.
	Unknown []drift.Blind
	// Skipped are steps that were not tried, since something before them did not come
	// about: what that was stands above.
	Skipped []drift.Outcome
}

// Failing is what went wrong.
type Failing struct {
	ID     desired.ID   `json:"id"`
	Field  desired.Path `json:"field,omitempty"`
	Reason string       `json:"reason"`
	// Next is when it is tried again; zero if the next turn does.
	Next time.Time `json:"next,omitzero"`
}

// String is "play/base on web-1", "vm/web-1 memory.size".
func (f Failing) String() string {
	switch host := f.Field.Host(); {
	case f.Field == "":
		return string(f.ID)
	case host != "":
		return string(f.ID) + " on " + host
	}
	return string(f.ID) + " " + string(f.Field)
}

// Waiting is what needs a secret that can't be read before an unlock.
type Waiting struct {
	// ID is a resource's, or a site's, as in "site/home".
	ID desired.ID `json:"id"`
	// Hosts are those of a playbook, sorted; none where all of it waits.
	Hosts  []string `json:"hosts,omitempty"`
	Reason string   `json:"reason"`
}

// String is "play/base on web-1, web-2".
func (w Waiting) String() string {
	if len(w.Hosts) == 0 {
		return string(w.ID)
	}
	return string(w.ID) + " on " + strings.Join(w.Hosts, ", ")
}

// Held is what must not be done.
type Held struct {
	ID   desired.ID
	Site string
	// Field is the one that is held; "" where all of a step is.
	Field  desired.Path
	Reason string
	// Behind tells that nothing but another that is held keeps it.
	Behind bool
}

// String is "vm/web-1", "play/base hosts.web-1".
func (h Held) String() string {
	return strings.TrimSuffix(string(h.ID)+" "+string(h.Field), " ")
}

// LeftBy judges what a turn left. waits are what is tried again by itself.
func LeftBy(rep *report.Report, waits []Wait) Left {
	l := leaving{
		again: make(map[waiter]bool), held: make(map[drift.Key]bool), last: make(map[drift.Key]string),
		told: make(map[desired.ID]bool), at: make(map[waiter]int),
	}
	l.outcomes(rep.Outcomes, waits)
	if rep.Plan != nil {
		l.plan(rep.Plan)
	}
	// What was found to be locked when its turn came waits as much.
	for _, o := range rep.Outcomes {
		for _, path := range slices.Sorted(maps.Keys(o.Results)) {
			if reason := o.Results[path]; desired.WaitsForUnlock(reason) {
				l.wait(o.ID, path.Host(), reason)
			}
		}
	}
	for i := range l.Waiting {
		w := &l.Waiting[i]
		slices.Sort(w.Hosts)
		w.Hosts = slices.Compact(w.Hosts)
	}
	slices.SortStableFunc(l.Waiting, func(a, b Waiting) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return l.Left
}

// leaving is a judgement under way.
type leaving struct {
	Left
	// again is what is tried again by itself, held the changes of which nothing goes, last
	// why steps that the plan let go were held after all.
	again map[waiter]bool
	held  map[drift.Key]bool
	last  map[drift.Key]string
	// told are the resources of which a whole step is held, at where in Held something
	// stands.
	told map[desired.ID]bool
	at   map[waiter]int
}

// outcomes judges what was tried, and what waits from an earlier turn.
func (l *leaving) outcomes(all []drift.Outcome, waits []Wait) {
	told := make(map[desired.ID]bool)
	for _, w := range waits {
		l.Failing = append(l.Failing, Failing{ID: w.ID, Field: w.Path, Reason: w.Reason, Next: w.Until})
		l.again[waiter{w.ID, w.Path}], told[w.ID] = true, true
	}
	for _, o := range all {
		switch locked := desired.WaitsForUnlock(o.Reason); {
		case o.Status == drift.Held:
			l.last[o.Key] = o.Reason
		case o.Status == drift.Failed && !told[o.ID] && !locked:
			l.Failing = append(l.Failing, Failing{ID: o.ID, Reason: o.Reason})
		case o.Status == drift.Skipped && !locked:
			l.Skipped = append(l.Skipped, o)
		}
	}
	slices.SortStableFunc(l.Failing, func(a, b Failing) int {
		if a.ID != b.ID {
			return strings.Compare(string(a.ID), string(b.ID))
		}
		return strings.Compare(string(a.Field), string(b.Field))
	})
}

// plan judges what could not be read, and what was not tried.
func (l *leaving) plan(p *drift.Plan) {
	for _, b := range p.Blind {
		if desired.WaitsForUnlock(b.Reason) {
			l.wait(b.What(), "", b.Reason)
		} else {
			l.Unknown = append(l.Unknown, b)
		}
	}
	for i := range p.Changes {
		l.held[p.Changes[i].Key] = !p.Changes[i].Goes()
	}
	for i := range p.Changes {
		l.change(&p.Changes[i])
	}
}

// change judges one: as a whole, or each field where they go different ways. Of a step
// that only waits for one that is held of the same resource nothing is told.
func (l *leaving) change(c *drift.Change) {
	reason := c.Held
	if reason == "" {
		reason = l.last[c.Key]
	}
	behind := l.behind(c.Wait)
	if behind && l.told[c.ID] {
		return
	}
	l.told[c.ID] = l.told[c.ID] || reason != ""
	if reason != "" && !parted(c, l.again) {
		l.hold(c, "", reason, behind)
		return
	}
	for i := range c.Fields {
		if f := &c.Fields[i]; f.Held != "" {
			l.hold(c, f.Path, f.Held, behind || l.behind(f.Wait))
		}
	}
}

// parted tells whether a change is held since each of its fields is, one for another
// reason than the next, or since it is tried again.
func parted(c *drift.Change, again map[waiter]bool) bool {
	if c.Held == "" || len(c.Fields) == 0 || c.Fields[0].Held != c.Held {
		return false
	}
	return slices.ContainsFunc(c.Fields, func(f drift.Field) bool {
		return f.Held != c.Held || again[waiter{c.ID, f.Path}]
	})
}

func (l *leaving) behind(waits []drift.Key) bool {
	return slices.ContainsFunc(waits, func(k drift.Key) bool { return l.held[k] })
}

// hold adds what is held: to what waits for an unlock, or to what somebody has to look
// into. What only waits to be tried again is neither.
func (l *leaving) hold(c *drift.Change, field desired.Path, reason string, behind bool) {
	switch {
	case l.again[waiter{c.ID, ""}] || l.again[waiter{c.ID, field}]:
		return
	case desired.WaitsForUnlock(reason):
		l.wait(c.ID, field.Host(), reason)
		return
	}
	h := Held{ID: c.ID, Site: c.Site, Field: field, Reason: reason, Behind: behind}
	switch at, told := l.at[waiter{c.ID, field}]; {
	case !told:
		l.at[waiter{c.ID, field}] = len(l.Held)
		l.Held = append(l.Held, h)
	case l.Held[at].Behind && !behind:
		l.Held[at] = h
	}
}

// wait adds to what waits for an unlock. Hosts of one playbook are told together.
func (l *leaving) wait(id desired.ID, host, reason string) {
	at := slices.IndexFunc(l.Waiting, func(w Waiting) bool { return w.ID == id && w.Reason == reason })
	if at < 0 {
		at = len(l.Waiting)
		l.Waiting = append(l.Waiting, Waiting{ID: id, Reason: reason})
	}
	if host != "" {
		l.Waiting[at].Hosts = append(l.Waiting[at].Hosts, host)
	}
}
