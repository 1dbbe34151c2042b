package notify

import (
	"slices"
	"strings"
	"time"

	"berth/agent/internal/turn"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// Look is what came of one turn.
type Look struct {
	Turn string
	// Report is nil where Err says why there is none.
	Report *report.Report
	Err    string
	// Waits are what failed and is tried again by itself.
	Waits []turn.Wait
	// Part is of a turn that was about some resources alone, Quick of one that spared what
	// is dear to look at.
	Part, Quick bool
}

// Condition is something that holds and that people should know.
type Condition struct {
	Kind Kind
	// ID is a resource's, or "site/home"; "" where it is about none.
	ID   desired.ID
	Site string
	// Field is the one that it is about; "" for all. Hosts are those of a playbook.
	Field desired.Path
	Hosts []string
	// Part tells apart what is of one resource and kind, as its certificates are.
	Part string
	// Unsure tells that nobody knows whether it holds: it is neither told nor over.
	Unsure bool
	// Mark tells it from others of the same words, as a commit does.
	Mark   string
	Reason string
	// Since is when it began, as far as that is known.
	Since time.Time
	// Lines say more.
	Lines []string
}

// key is by what a condition is remembered.
func (c *Condition) key() string {
	return string(c.Kind) + " " + string(c.ID) + " " + string(c.Field) + c.Part
}

// Seen is how things stand after a turn.
type Seen struct {
	Turn, Fleet, Commit string
	// Host is the agent's own.
	Host string
	// Conditions are sorted by kind, id and field.
	Conditions []Condition
	// Applied are what the turn did, Line that it did in all.
	Applied []Item
	Line    string
	// around tells that Conditions hold all that is around turns: pauses and expiries.
	around bool

	// none is of a turn that looked at nothing.
	none, part, quick bool
	// pending are resources of which something is still to be done, ended those of which
	// nothing is; blind is what could not be read.
	pending, ended map[desired.ID]bool
	blind          []drift.Blind
	sites          map[desired.ID]string
	// at is when it was seen; last is what was seen before by the last turn that looked at
	// all, where this one did not.
	at   time.Time
	last *Seen
}

// See reads what a turn tells. What it keeps shares nothing with the report.
func See(l Look) Seen {
	s := Seen{Turn: l.Turn, part: l.Part, quick: l.Quick}
	rep := l.Report
	if l.Err != "" || rep == nil {
		s.none = true
		s.Conditions = []Condition{{Kind: TurnFailed, Reason: l.Err}}
		return s
	}
	s.Fleet, s.Commit, s.Line = rep.Fleet, rep.Commit.Hash, rep.Line()
	if rep.Error != "" {
		s.Conditions = append(s.Conditions, Condition{Kind: TurnFailed, Reason: rep.Error})
	}
	if rep.Plan == nil {
		s.none = true
		return s
	}
	s.refused(rep)
	s.blind = slices.Clone(rep.Plan.Blind)
	s.briefs(rep)
	left := turn.LeftBy(rep, l.Waits)
	for _, f := range left.Failing {
		c := Condition{Kind: Failure, ID: f.ID, Site: s.sites[f.ID], Field: f.Field, Reason: f.Reason}
		if host := f.Field.Host(); host != "" {
			c.Hosts = []string{host}
		}
		s.Conditions = append(s.Conditions, c)
	}
	if !l.Part {
		for _, w := range left.Waiting {
			s.Conditions = append(s.Conditions, Condition{Kind: WaitingForUnlock, ID: w.ID, Site: s.sites[w.ID], Hosts: w.Hosts, Reason: w.Reason})
		}
		for _, b := range left.Unknown {
			s.Conditions = append(s.Conditions, Condition{Kind: SiteUnknown, ID: b.What(), Site: b.Site, Reason: b.Text()})
		}
		s.held(left.Held)
	}
	slices.SortStableFunc(s.Conditions, func(a, b Condition) int { return strings.Compare(a.key(), b.key()) })
	// One thing is told once, whatever steps it stands in.
	s.Conditions = slices.CompactFunc(s.Conditions, func(a, b Condition) bool { return a.key() == b.key() })
	return s
}

// Around adds what holds around turns, as a pause does. All that is not among them is
// over.
func (s *Seen) Around(all []Condition) {
	s.around = true
	s.Conditions = append(s.Conditions, all...)
}

// Between is what is seen where no turn has looked.
func Between() Seen { return Seen{none: true} }

// refused tells of a commit that is not enforced.
func (s *Seen) refused(rep *report.Report) {
	r := rep.Refused
	switch {
	case r == nil:
	case r.Unreachable():
		s.Conditions = append(s.Conditions, Condition{Kind: RepositoryUnreachable, Reason: r.Reason, Since: r.Since})
	default:
		s.Conditions = append(s.Conditions, Condition{
			Kind: CommitRefused, Mark: r.Commit.Hash, Reason: r.Commit.Text() + ": " + r.Reason, Lines: slices.Clone(r.Problems),
		})
	}
}

// briefs notes what was done to each resource, what is still to be done, and what was
// changed live and stays.
func (s *Seen) briefs(rep *report.Report) {
	s.pending, s.ended, s.sites = make(map[desired.ID]bool), make(map[desired.ID]bool), make(map[desired.ID]string)
	for _, b := range rep.Briefs() {
		s.sites[b.ID] = b.Site
		if b.Pending {
			s.pending[b.ID] = true
		}
		if b.Ended {
			s.ended[b.ID] = true
		}
		if b.Done != "" {
			s.Applied = append(s.Applied, Item{ID: b.ID, Reason: clip(b.Done), site: b.Site})
		}
		if b.Drifted != "" && !s.part {
			s.Conditions = append(s.Conditions, Condition{Kind: DriftFound, ID: b.ID, Site: b.Site, Mark: b.Drifted, Reason: b.Drifted})
		}
	}
}

// held tells of what somebody has to decide on: not of what a window lets go on, nor of
// what only waits for another that is held.
func (s *Seen) held(all []turn.Held) {
	told := make(map[desired.ID]bool)
	for _, h := range all {
		if told[h.ID] || h.Behind || drift.WaitsForWindow(h.Reason) || s.unread(h.ID, h.Site) {
			continue
		}
		told[h.ID] = true
		s.Conditions = append(s.Conditions, Condition{Kind: HeldForApproval, ID: h.ID, Site: h.Site, Mark: string(h.Field), Reason: h.Reason})
	}
}

// unread tells whether a resource could not be looked at.
func (s *Seen) unread(id desired.ID, site string) bool {
	return slices.ContainsFunc(s.blind, func(b drift.Blind) bool { return b.Covers(id, site) })
}

// over tells whether something that was seen before and is not now is over: not only
// out of sight.
func (s *Seen) over(t *Trouble) bool {
	switch t.Kind {
	case PausedReminder:
		return s.around
	case Expiry:
		look := s
		if s.none || s.part {
			look = s.last
		}
		return s.around && look != nil && !look.unread(t.ID, t.Site)
	case TurnFailed, CommitRefused, RepositoryUnreachable:
		return !s.none
	default:
	}
	switch {
	case s.none:
		return false
	case s.part:
		return t.Kind == Failure && s.ended[t.ID]
	case t.Kind == SiteUnknown:
		return true
	case s.unread(t.ID, t.Site):
		return false
	case t.Kind == Failure:
		// What is to be tried again and is held meanwhile has not come right.
		return !s.pending[t.ID]
	case s.quick && t.ID.Kind() == desired.KindPlaybook:
		// What check mode would find was not looked for.
		return t.Kind != DriftFound && t.Kind != HeldForApproval
	default:
		return true
	}
}

// counts are how many conditions of each kind hold.
func (s *Seen) counts() map[Kind]int {
	n := make(map[Kind]int)
	for i := range s.Conditions {
		n[s.Conditions[i].Kind]++
	}
	return n
}

// longest is how much of one reason is kept, in bytes.
const longest = 400

func clip(text string) string { return report.Clip(text, longest) }
