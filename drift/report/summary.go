package report

import (
	"berth/drift"
)

// Summary counts what a report says. A resource counts once in each number,
// whatever steps it takes; names and playbooks count by themselves.
type Summary struct {
	// Planned is what would be done, Done what was.
	Planned Tally `json:"planned"`
	Done    Tally `json:"done"`
	// Held counts resources of which something must not be done.
	Held int `json:"held"`
	// Waiting counts resources of which something waits for somebody to unlock the
	// agent. That alone does not make them held.
	Waiting int `json:"waiting,omitempty"`
	// Unknown counts what could not be read.
	Unknown int `json:"unknown"`
	// Failed, Skipped and Left count resources, each by the worst of its steps.
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	Left    int `json:"left"`
	Foreign int `json:"foreign"`
	Notes   int `json:"notes"`
	// Refused is 1 where a newer commit is not enforced.
	Refused int `json:"refused"`
}

// Tally counts by what is done to a resource in the main.
type Tally struct {
	Fetch   int `json:"fetch,omitempty"`
	Create  int `json:"create,omitempty"`
	Restore int `json:"restore,omitempty"`
	Change  int `json:"change,omitempty"`
	// Adopt counts guests that become ours, or get a new name; Release those
	// that are given up.
	Adopt   int `json:"adopt,omitempty"`
	Release int `json:"release,omitempty"`
	Start   int `json:"start,omitempty"`
	Stop    int `json:"stop,omitempty"`
	Archive int `json:"archive,omitempty"`
	Delete  int `json:"delete,omitempty"`
	// Route and Drain count names, Run playbooks.
	Route int `json:"route,omitempty"`
	Drain int `json:"drain,omitempty"`
	Run   int `json:"run,omitempty"`
	// Other counts resources that only wait to be ready.
	Other int `json:"other,omitempty"`
}

// Summarize derives Summary from the rest of the report.
func (r *Report) Summarize() { r.Summary = r.summary() }

// Differs tells whether live is not, or will not be, what Git asks for:
// something would be done, or is held, unknown, failed, skipped or left, or a
// newer commit is refused. It is exit code 2.
func (r *Report) Differs() bool {
	s := r.summary()
	if r.Mode == Drift && s.Planned != (Tally{}) {
		return true
	}
	return s.Held+s.Waiting+s.Unknown+s.Failed+s.Skipped+s.Left+s.Refused > 0
}

func (r *Report) summary() Summary {
	var s Summary
	if r.Refused != nil {
		s.Refused = 1
	}
	if r.Plan == nil {
		return s
	}
	s.Unknown, s.Foreign = len(r.Plan.Blind), len(r.Plan.Foreign)
	for _, n := range r.Plan.Notes {
		if n.Unknown {
			s.Unknown++
		} else {
			s.Notes++
		}
	}
	for _, res := range r.resources() {
		s.Planned.add(res, func(c *drift.Change, f *drift.Field) bool {
			return c.Held == "" && (f == nil && c.Goes() || f != nil && f.Held == "")
		})
		s.Done.add(res, func(c *drift.Change, f *drift.Field) bool {
			return res.fate(c, f).status == drift.Done
		})
		switch res.worst() {
		case drift.Failed:
			s.Failed++
		case drift.Skipped:
			s.Skipped++
		case drift.Left:
			s.Left++
		case drift.Held, drift.Done:
		}
		held, waiting := res.held()
		if held {
			s.Held++
		}
		if waiting {
			s.Waiting++
		}
	}
	return s
}

// add counts one resource by the first of its steps, in order of weight, that
// goes.
func (t *Tally) add(res *resource, goes func(c *drift.Change, f *drift.Field) bool) {
	var main drift.Step
	for _, c := range res.changes {
		if goes(c, nil) && (main == "" || weight(c.Step) < weight(main)) {
			main = c.Step
		}
	}
	switch main {
	case "":
		return
	case drift.Delete:
		t.Delete++
	case drift.Archive:
		t.Archive++
	case drift.Create:
		t.Create++
	case drift.Restore:
		t.Restore++
	case drift.Adopt:
		t.Adopt++
	case drift.Release:
		t.Release++
	case drift.Online, drift.Pending, drift.Reboot, drift.Migrate, drift.Detach, drift.Attach:
		t.Change++
	case drift.Start:
		t.Start++
	case drift.Stop:
		t.Stop++
	case drift.Run:
		t.Run++
	case drift.Fetch:
		t.Fetch++
	case drift.Route, drift.Early, drift.Drain:
		t.names(res, goes)
	default:
		t.Other++
	}
}

// names counts the names of an edge; what else differs there makes it a change.
func (t *Tally) names(res *resource, goes func(c *drift.Change, f *drift.Field) bool) {
	names, others := 0, 0
	for _, c := range res.changes {
		for i := range c.Fields {
			f := &c.Fields[i]
			switch {
			case !goes(c, f):
			case routed(f) == "":
				others++
			case f.After == drift.Value{}:
				t.Drain++
				names++
			default:
				t.Route++
				names++
			}
		}
	}
	if others > 0 || names == 0 {
		t.Change++
	}
}

// weight orders steps by how much they say about what happens to a resource.
func weight(s drift.Step) int {
	for i, one := range []drift.Step{
		drift.Delete, drift.Archive, drift.Release, drift.Create, drift.Adopt, drift.Restore, drift.Migrate, drift.Detach, drift.Attach, drift.Online, drift.Pending, drift.Reboot,
		drift.Start, drift.Stop, drift.Run, drift.Route, drift.Early, drift.Drain, drift.Fetch, drift.Ready,
	} {
		if one == s {
			return i
		}
	}
	return 99
}

// routed is the name that a field of an edge routes; "" for any other field.
func routed(f *drift.Field) string {
	if keys := f.Path.Keys(); len(keys) == 3 && keys[0] == "tls" && keys[1] == "routes" {
		return keys[2]
	}
	return ""
}
