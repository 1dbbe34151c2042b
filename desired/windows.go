package desired

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Window is a time in which a guest may be out of service.
type Window struct {
	// Cron says when it opens: minute, hour, day of the month, month and day of the
	// week (0 is Sunday), or @hourly, @daily, @weekly, @monthly, @yearly. In spring,
	// a time that the clocks skip does not come that day; in autumn, one that comes
	// twice opens the window twice.
	Cron string `yaml:"cron" form:"cron" default:"required" example:"0 3 * * *"`
	// For is how long it stays open, at least a minute; over midnight, if need be.
	For Duration `yaml:"for" default:"required" example:"2h"`
	// Zone is the time zone of Cron.
	Zone string `yaml:"zone" default:"the fleet's" example:"Europe/Berlin"`

	Source Source `yaml:"-"`

	opens *cron.SpecSchedule
}

// shortestWindow is how long a window stays open at least: the agent looks no more
// often than that.
const shortestWindow = Duration(time.Minute)

// Open tells whether the window is open at a time.
func (w *Window) Open(at time.Time) bool {
	began := w.Next(at.Add(-time.Duration(w.For)))
	return !began.IsZero() && !began.After(at)
}

// Next is when the window opens first after a time, in its own zone; zero if that
// is more than five years ahead.
func (w *Window) Next(after time.Time) time.Time {
	if w.opens == nil {
		return time.Time{}
	}
	return w.opens.Next(after.In(w.opens.Location))
}

// WindowOpen tells whether a guest may be out of service at a time: a fleet without
// windows always lets it.
func (s *FleetSpec) WindowOpen(at time.Time) bool {
	for i := range s.Windows {
		if s.Windows[i].Open(at) {
			return true
		}
	}
	return len(s.Windows) == 0
}

// NextWindow is the window that opens first after a time, and when; nil if none
// does.
func (s *FleetSpec) NextWindow(after time.Time) (first *Window, at time.Time) {
	for i := range s.Windows {
		w := &s.Windows[i]
		if next := w.Next(after); !next.IsZero() && (first == nil || next.Before(at)) {
			first, at = w, next
		}
	}
	return first, at
}

// checkWindows makes schedules of the fleet's windows.
func (l *loader) checkWindows(it *item, spec *FleetSpec) {
	nodes := it.items("windows")
	if len(nodes) != len(spec.Windows) {
		return
	}
	for i := range spec.Windows {
		if it.explained("", "windows") && nodes[i].strange != nil {
			continue
		}
		w, node := &spec.Windows[i], nodes[i]
		w.Source = node.src()
		at := func(word string) (Source, bool) {
			if value := node.get(word); value != nil {
				return value.src(), true
			}
			return node.src(), false
		}
		zone := l.windowZone(it, spec, w, at)
		src, written := at("for")
		switch {
		case !written:
			l.wrong(it, src, "windows: for is missing: write how long it stays open, as in 2h")
		case w.For < shortestWindow && readable(node.get("for")):
			l.wrong(it, src, "windows: for: %s is too short: write at least %s", w.For, shortestWindow)
		}
		src, written = at("cron")
		switch {
		case !written:
			l.wrong(it, src, "windows: cron is missing: write when it opens, as in 0 3 * * *")
		case node.get("cron").form != scalarForm:
		default:
			schedule, err := parseCron(w.Cron)
			if err != nil {
				l.wrong(it, src, "windows: cron: %v", err)
				continue
			}
			if zone != nil {
				schedule.Location = zone
			}
			w.opens = schedule
		}
	}
}

// readable tells whether a node holds a length of time: what does not was told
// before.
func readable(node *tree) bool {
	_, err := ParseDuration(node.text)
	return node.form == scalarForm && err == nil
}

// windowZone is the zone of a window; nil if there is none such, which has been
// told.
func (l *loader) windowZone(it *item, spec *FleetSpec, w *Window, at func(string) (Source, bool)) *time.Location {
	src, written := at("zone")
	if !written || w.Zone == "" {
		w.Zone = spec.Zone
		if !isZone(w.Zone) {
			return nil // The fleet's mistake, told there.
		}
	} else if !isZone(w.Zone) {
		l.wrong(it, src, "windows: zone: %q is no time zone: write it as in Europe/Berlin", w.Zone)
		return nil
	}
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return nil
	}
	return zone
}

// isZone tells whether a word is the name of a time zone, whatever the host's is.
func isZone(word string) bool {
	_, err := time.LoadLocation(word)
	return err == nil && word != "Local" && regexpZone.MatchString(word)
}

// parseCron reads when a window opens, or a schedule comes. The library reads more than can be meant
// here, and panics on a zone without a schedule (robfig/cron issue 554).
func parseCron(text string) (*cron.SpecSchedule, error) {
	text = strings.TrimSpace(text)
	switch {
	case strings.Contains(text, "="):
		return nil, fmt.Errorf("%q: a time zone has a field of its own: write zone: Europe/Berlin beside cron", text)
	case strings.HasPrefix(text, "@every"):
		return nil, fmt.Errorf("%q names no time of the day: write it, as in 0 3 * * *", text)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	parsed, err := parser.Parse(text)
	schedule, ok := parsed.(*cron.SpecSchedule)
	if err != nil || !ok {
		return nil, fmt.Errorf("%q is no schedule: write minute, hour, day of the month, month and day of the week (0 is Sunday), as in 0 3 * * *", text)
	}
	schedule.Location = time.UTC
	// The same manifests load alike whenever that is: a day that is looked for from
	// here on comes in any four years, or never.
	if schedule.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q names a day that never comes: correct the day or the month", text)
	}
	return schedule, nil
}
