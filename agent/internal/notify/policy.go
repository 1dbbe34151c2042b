package notify

import (
	"path"
	"slices"
	"time"

	"berth/desired"
)

// Policy is what one target wants to be told of.
type Policy struct {
	// Events are the kinds; none is all.
	Events []Kind
	// Level is the least that is told; "" is all. That something is over is told whenever
	// it was.
	Level Level
	// Resources are patterns as of [path.Match] for ids, as in "vm/prod-*", or sites, as in
	// "site/home"; none is all. What is about no resource is told in any case.
	Resources []string
	// Remind is after how long people are told again of what holds still.
	Remind time.Duration
	// Beat is when a heartbeat is sent each day; nil sends none.
	Beat *Beat
}

// Beat is a time of the day.
type Beat struct {
	Hour, Minute int
	Zone         *time.Location
}

// Remind is after how long people are told again unless they say.
const Remind = 4 * time.Hour

// wants tells whether a target is to be told of a kind, about a resource.
func (p *Policy) wants(kind Kind, id desired.ID, site string) bool {
	if len(p.Events) > 0 && !slices.Contains(p.Events, kind) {
		return false
	}
	if kind != Recovery && !kind.level().atLeast(p.Level) {
		return false
	}
	if len(p.Resources) == 0 || id == "" && site == "" {
		return true
	}
	return slices.ContainsFunc(p.Resources, func(pattern string) bool {
		whole, err := path.Match(pattern, string(id))
		of, errOf := path.Match(pattern, "site/"+site)
		return err == nil && whole || errOf == nil && of && site != ""
	})
}

// After is the next time of a beat after a time.
func (b *Beat) After(t time.Time) time.Time {
	zone := b.Zone
	if zone == nil {
		zone = time.Local
	}
	day := t.In(zone)
	for i := range 3 {
		if at := time.Date(day.Year(), day.Month(), day.Day()+i, b.Hour, b.Minute, 0, 0, zone); at.After(t) {
			return at
		}
	}
	return t.Add(24 * time.Hour)
}
