package history

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"berth/desired"
	"berth/drift"
)

// holds tells which holds begin and which end.
func (t *teller) holds() {
	type group struct {
		line   Line
		fields []drift.Field
	}
	now, fresh := make(map[string]string), []*group{}
	hold := func(c *drift.Change, key, reason string, fields []drift.Field) {
		if passing(reason) {
			return
		}
		if _, told := now[key]; told {
			return // Of a resource's steps the first tells: the others wait for it.
		}
		now[key] = same(reason)
		if t.Held[key] == now[key] {
			return
		}
		whole := key == string(c.ID)
		at := slices.IndexFunc(fresh, func(g *group) bool {
			return g.line.ID == c.ID && g.line.Reason == reason && g.line.Whole == whole
		})
		if at < 0 {
			at = len(fresh)
			fresh = append(fresh, &group{line: Line{ID: c.ID, Step: c.Step, What: Held, Reason: reason, Whole: whole}})
		}
		fresh[at].fields = append(fresh[at].fields, fields...)
	}
	plan := t.Report.Plan
	for i := range plan.Changes {
		c := &plan.Changes[i]
		o := t.outcomes[c.Key]
		switch {
		case c.Held != "":
			hold(c, string(c.ID), c.Held, c.Fields)
		case o != nil && o.Status == drift.Held:
			hold(c, string(c.ID), o.Reason, c.Fields)
		case t.Paused && c.Goes():
			hold(c, string(c.ID), "the agent is paused", c.Fields)
		default:
			for _, f := range c.Fields {
				reason := f.Held
				if o != nil && desired.WaitsForUnlock(o.Results[f.Path]) {
					reason = o.Results[f.Path]
				}
				if reason != "" {
					hold(c, string(c.ID)+" "+string(f.Path), reason, []drift.Field{f})
				}
			}
		}
	}
	for _, g := range fresh {
		g.line.Fields, g.line.More = told(g.fields)
		t.add(g.line)
	}
	for _, key := range slices.Sorted(maps.Keys(t.Held)) {
		text, path, _ := strings.Cut(key, " ")
		id := desired.ID(text)
		_, still := now[key]
		switch {
		case still || !t.sees(id):
			now[key] = cmp.Or(now[key], t.Held[key])
		case !t.touched[id]:
			line := Line{ID: id, What: Free, Whole: path == ""}
			if path != "" {
				line.Fields = []Field{{Path: desired.Path(path)}}
			}
			t.add(line)
		}
	}
	t.Held = now
}

// sees tells whether a turn can say of a resource that nothing holds it.
func (t *teller) sees(id desired.ID) bool {
	if t.Asked != nil && !t.Asked(id) {
		return false
	}
	// Of what is gone from Git the site is not known: any that can't be read may have it.
	return !slices.ContainsFunc(t.Report.Plan.Blind, func(b drift.Blind) bool { return b.Covers(id, b.Site) })
}

// blinds tells what can't be read any more, and what can again.
func (t *teller) blinds() {
	now := make(map[string]string)
	for _, b := range t.Report.Plan.Blind {
		key := b.What()
		if _, told := now[string(key)]; told {
			continue
		}
		now[string(key)] = same(b.Reason)
		if t.Blind[string(key)] != now[string(key)] {
			t.add(Line{ID: key, What: Unknown, Reason: b.Reason})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t.Blind)) {
		switch _, still := now[key]; {
		case still:
		case t.Asked != nil && !t.Asked(desired.ID(key)):
			now[key] = t.Blind[key]
		default:
			t.add(Line{ID: desired.ID(key), What: Known})
		}
	}
	t.Blind = now
}

// passing tells of a hold that it says nothing new: what has failed and waits to be
// tried again, and what nobody asked for.
func passing(reason string) bool {
	return strings.HasPrefix(reason, "tried again at ") || reason == "not asked for"
}
