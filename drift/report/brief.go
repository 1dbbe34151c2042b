package report

import (
	"slices"
	"strings"

	"berth/desired"
	"berth/drift"
)

// Brief is what there is to say of one resource in a line, as in a message.
type Brief struct {
	ID   desired.ID
	Site string
	// Done is what was done to it: "created · on pve1, 10.0.0.5", "changed: memory 2 GiB
	// → 4 GiB". "" where nothing was, or where it was only waited for.
	Done string
	// Drifted is what differs since it was changed live, was found so by this turn and
	// stays so, with who did it where that is known; "" for nothing.
	Drifted string
	// Pending tells that something of it is still to be done.
	Pending bool
	// Ended tells that all that was to be done is.
	Ended bool
}

// briefFields is how many fields one line tells.
const briefFields = 3

// Briefs are the lines of all resources that the plan has steps for, in its order. No
// secret is in them.
func (r *Report) Briefs() []Brief {
	if r.Plan == nil {
		return nil
	}
	v := r.viewer(false)
	var all []Brief
	for _, res := range r.resources() {
		b := Brief{ID: res.id, Site: res.changes[0].Site, Ended: len(r.Outcomes) > 0}
		for _, c := range res.changes {
			if res.fate(c, nil).status != drift.Done || slices.ContainsFunc(c.Fields, func(f drift.Field) bool { return f.Held != "" }) {
				b.Pending, b.Ended = true, false
			}
		}
		b.Done, b.Drifted = v.done(res), v.drifted(res)
		all = append(all, b)
	}
	return all
}

// Line is the whole report in a line: "1 created, 2 changed, 1 held", or "no
// differences".
func (r *Report) Line() string { return r.line() }

// done says what was done to a resource.
func (v *viewer) done(res *resource) string {
	var steps, fields []string
	for _, c := range res.changes {
		if c.Step == drift.Ready {
			continue
		}
		some := false
		for i := range c.Fields {
			f := &c.Fields[i]
			if res.fate(c, f).status != drift.Done {
				continue
			}
			some = true
			if c.Step != drift.Create && c.Step != drift.Restore && c.Step != drift.Fetch {
				fields = append(fields, v.field(res, c, f))
			}
		}
		word := stepWord(c.Step, true)
		if (some || res.fate(c, nil).status == drift.Done) && !slices.Contains(steps, word) {
			steps = append(steps, word)
		}
	}
	text := strings.Join(steps, ", ")
	if making := res.steps[drift.Create]; making != nil && text != "" {
		if words := v.essentials(making); words != "" {
			text += " · " + words
		}
	}
	if words := some(fields); words != "" && text != "" {
		text += ": " + words
	}
	return text
}

// drifted says what differs since it was changed live, and stays so.
func (v *viewer) drifted(res *resource) string {
	var fields []string
	for _, c := range res.changes {
		for i := range c.Fields {
			f := &c.Fields[i]
			// A playbook's digests are no change that anybody made.
			if f.Origin == drift.FromLive && c.Step != drift.Run && res.fate(c, f).status != drift.Done {
				fields = append(fields, v.field(res, c, f))
			}
		}
	}
	slices.Sort(fields)
	return some(slices.Compact(fields))
}

// field is one difference and who made it.
func (v *viewer) field(res *resource, c *drift.Change, f *drift.Field) string {
	row := v.row(res, c, f)
	text := strings.TrimSpace(row.path + " " + row.value)
	if row.origin != "" && f.Origin == drift.FromLive {
		text += " (" + row.origin + ")"
	}
	return text
}

// some are the first of several words.
func some(words []string) string {
	if len(words) > briefFields {
		words = append(slices.Clip(words[:briefFields]), "and "+grouped(len(words)-briefFields)+" more")
	}
	return strings.Join(words, "; ")
}
