package drift

import (
	"fmt"
	"strings"
	"time"

	"berth/desired"
)

// Windows holds what takes a guest out of service for a while where its manifest
// asks for a maintenance window, and every deletion where the fleet has windows, as
// long as none is open. An approval of a deletion lifts that from it. Archiving is no
// deletion: what it does can be undone.
func Windows() Guard {
	return func(w *World, p *Plan) {
		for i := range p.Changes {
			c := &p.Changes[i]
			c.hold(w.Shut(*c, w.Now))
		}
	}
}

// Shut says why a change must wait for a maintenance window at a time; "" if one is
// open, or if the change needs none.
func (w *World) Shut(c Change, now time.Time) string {
	if !w.windowed(&c) || c.Step == Delete && w.Allowed(c.ID) != nil || w.Fleet.Spec.WindowOpen(now) {
		return ""
	}
	next, at := w.Fleet.Spec.NextWindow(now)
	if next == nil {
		return waitsForWindow + ", and none opens any more: correct the windows of the Fleet"
	}
	text := waitsForWindow + ": the next opens " + at.Format("Mon 2 Jan 2006 15:04 MST")
	if next.Source.File != "" {
		text += fmt.Sprintf(" (%s:%d)", next.Source.File, next.Source.Line)
	}
	if c.Step == Delete {
		text = joined(text, w.Fleet.Spent(c.ID, now))
	}
	return text
}

// waitsForWindow is how a reason begins for which a change waits for a window.
const waitsForWindow = "it waits for a maintenance window"

// WaitsForWindow tells whether a reason is that a maintenance window must open first, as
// one does by itself.
func WaitsForWindow(reason string) bool { return strings.HasPrefix(reason, waitsForWindow+": ") }

// windowed tells whether a change is one that waits for a window. A guest whose
// disk is taken away, or a container that moves, is stopped for it if it runs.
func (w *World) windowed(c *Change) bool {
	if c.Step == Delete {
		return true
	}
	g, live := w.Fleet.Machine(c.ID), w.Live(c.ID)
	if g == nil || g.Lifecycle.Reboot != "window" || live == nil {
		return false
	}
	switch c.Step {
	case Reboot:
		return true
	case Detach:
		return live.Running
	case Migrate:
		return c.ID.Kind() == desired.KindContainer && live.Running
	default:
		return false
	}
}

// Opens is when the window opens that something of the plan waits for; zero if
// nothing does.
func (p *Plan) Opens(w *World) time.Time {
	for _, c := range p.Changes {
		if c.Held != "" && c.Held == w.Shut(c, w.Now) {
			_, at := w.Fleet.Spec.NextWindow(w.Now)
			return at
		}
	}
	return time.Time{}
}
