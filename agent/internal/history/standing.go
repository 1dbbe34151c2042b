package history

import (
	"maps"
	"slices"
	"strings"

	"berth/drift"
)

// standing is what has begun and not ended, so that it is told once.
type standing struct {
	// Held and Failing by what they are about, Blind by what could not be read: the
	// reason, without what differs each time that it is given.
	Held    map[string]string `json:"held,omitempty"`
	Failing map[string]trial  `json:"failing,omitempty"`
	Blind   map[string]string `json:"blind,omitempty"`
	// Troubles are why turns failed as a whole, or commits were refused, since the last
	// good turn.
	Troubles []string `json:"troubles,omitempty"`
}

// trial is a step that has failed.
type trial struct {
	Reason string `json:"reason"`
	Times  int    `json:"times"`
}

// clone is what stood before a turn.
func (s *standing) clone() *standing {
	before := *s // The other maps are replaced as a whole, never written.
	before.Failing, before.Troubles = maps.Clone(s.Failing), slices.Clone(s.Troubles)
	return &before
}

// trouble tells whether a reason is new since the last good turn.
func (s *standing) trouble(reason string) bool {
	reason = same(reason)
	if slices.Contains(s.Troubles, reason) || len(s.Troubles) >= mostTroubles {
		return false
	}
	s.Troubles = append(s.Troubles, reason)
	return true
}

// fold takes a line that was written into what stands.
func (s *standing) fold(l Line) {
	set := func(m *map[string]string, key, value string) {
		if *m == nil {
			*m = make(map[string]string)
		}
		(*m)[key] = value
	}
	switch l.What {
	case "":
		if l.Standing != nil {
			*s = *l.Standing
		}
	case Held:
		if l.Whole {
			set(&s.Held, string(l.ID), same(l.Reason))
			break
		}
		for _, f := range l.Fields {
			set(&s.Held, string(l.ID)+" "+string(f.Path), same(l.Reason))
		}
	case Free:
		s.free(l)
	case Failed:
		if s.Failing == nil {
			s.Failing = make(map[string]trial)
		}
		key := drift.Key{ID: l.ID, Step: l.Step}.String()
		s.Failing[key] = trial{Reason: failure(l), Times: s.Failing[key].Times + 1}
	case Unknown:
		set(&s.Blind, string(l.ID), same(l.Reason))
	case Known:
		delete(s.Blind, string(l.ID))
	case TurnFailed:
		s.trouble(l.Reason)
	case Refused:
		reason, _, _ := strings.Cut(l.Reason, "\n")
		s.trouble(l.Commit.Hash + " " + reason)
	case Recovered:
		s.Troubles = nil
	case TurnEnded, Renamed:
	default:
		delete(s.Failing, drift.Key{ID: l.ID, Step: l.Step}.String())
		s.free(l)
	}
}

// free forgets the holds that a line says are over.
func (s *standing) free(l Line) {
	delete(s.Held, string(l.ID))
	for _, f := range l.Fields {
		delete(s.Held, string(l.ID)+" "+string(f.Path))
	}
}

// same is a reason without its numbers, which differ each time that it is given: times,
// ports, process ids.
func same(reason string) string {
	var b strings.Builder
	digit := false
	for _, r := range cut(reason) {
		if was := digit; r >= '0' && r <= '9' {
			if digit = true; !was {
				b.WriteByte('#')
			}
			continue
		}
		digit = false
		b.WriteRune(r)
	}
	return b.String()
}
