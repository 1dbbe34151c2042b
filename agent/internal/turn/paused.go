package turn

import (
	"time"

	"berth/drift/report"
)

// own tells whether a turn is one that the agent makes to keep the fleet as it should be,
// which it does while it is paused, too, without changing anything.
func (r Request) own() bool { return r.Mode == report.Run || r.Paused }

// rests tells why nothing more may be begun; "" is that it may. Somebody may pause the
// agent in the middle of a turn.
func (t *Turner) rests() string {
	if t.Paused == nil {
		return ""
	}
	if err := t.Paused(); err != nil {
		return err.Error()
	}
	return ""
}

// awaits notes when something that a plan waits for comes by itself. A turn about some
// resources says nothing of what the others wait for.
func (t *Turner) awaits(only *narrowed, now, opens, comes time.Time) {
	if only != nil && t.opens.After(now) {
		opens = sooner(opens, t.opens)
	}
	t.opens, t.comes = opens, comes
}
