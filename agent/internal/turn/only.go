package turn

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// notAsked is why what a request does not name is held.
const notAsked = "not asked for"

// narrowed is what a request narrows a turn to.
type narrowed struct {
	ids   map[desired.ID]bool
	sites map[string]bool
}

// words are what a request may name, sorted: all that there is to differ, projects for
// their guests, sites for all that is on them, and Hosts for what is run on them.
func words(fleet *desired.Fleet, lives []drift.Live) []string {
	all := make(map[string]bool)
	for _, r := range fleet.Resources {
		all[string(r.ID)] = true
		if g := fleet.Guest(r.ID); g != nil && g.Project != "" {
			all["project/"+g.Project] = true
		}
	}
	for i := range lives {
		all[string(lives[i].ID)] = true
	}
	for name := range fleet.Hosts {
		all[string(desired.MakeID(desired.KindHost, name))] = true
	}
	for name := range fleet.Sites {
		all["site/"+name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// Resources are what a request may name, as of the last turn.
func (k *Known) Resources() []string { return words(k.Fleet, nil) }

// UnknownResourceError says that a request names what is not there.
type UnknownResourceError struct {
	Word string
	// Near are words that may have been meant, Known those that there are, of the same kind
	// if it has any; Unread is what could not be read and may have it.
	Near, Known, Unread []string
}

// unknownResource is that known words have not the one that a request names.
func unknownResource(word string, known []string) *UnknownResourceError {
	e := &UnknownResourceError{Word: word, Near: near(word, known)}
	if id := desired.ID(word); id.Kind() != "" && id.Name() != "" {
		e.Known = slices.DeleteFunc(slices.Clone(known), func(k string) bool { return desired.ID(k).Kind() != id.Kind() })
		if len(e.Known) == 0 {
			e.Known = known
		}
	}
	return e
}

// Error says what may have been meant.
func (e *UnknownResourceError) Error() string {
	text := fmt.Sprintf("the fleet has no %q", e.Word)
	if len(e.Unread) > 0 {
		text += " (" + strings.Join(e.Unread, " and ") + " could not be read, and may have it still)"
	}
	if len(e.Near) > 0 {
		return text + "; did you mean " + strings.Join(e.Near, " or ") + "?"
	}
	if len(e.Known) > 0 {
		return text + ": it has " + firstOf(e.Known)
	}
	return text + ": write KIND/NAME, as vm/web-1, play/base, edge/main, project/shop or site/home"
}

// narrow finds what a request names; nil where it names nothing.
func narrow(named []string, fleet, previous *desired.Fleet, lives []drift.Live) (*narrowed, error) {
	if len(named) == 0 {
		return nil, nil //nolint:nilnil // All is asked for.
	}
	o := &narrowed{ids: make(map[desired.ID]bool), sites: make(map[string]bool)}
	known := words(fleet, lives)
	for _, word := range named {
		id := desired.ID(word)
		if _, found := slices.BinarySearch(known, word); !found && !o.project(id, fleet, previous) {
			return nil, unknownResource(word, known)
		}
		switch id.Kind() {
		case "site":
			o.sites[id.Name()] = true
		case "project":
			o.project(id, fleet, previous)
		default:
			o.ids[id] = true
		}
	}
	for _, r := range fleet.Resources {
		if o.sites[r.Site] {
			o.ids[r.ID] = true
		}
	}
	for i := range lives {
		if o.sites[lives[i].Site] {
			o.ids[lives[i].ID] = true
		}
	}
	return o, nil
}

// project adds a project's guests, with those that have gone from Git, and tells
// whether there are any.
func (o *narrowed) project(id desired.ID, fleets ...*desired.Fleet) bool {
	found := false
	for _, fleet := range fleets {
		if fleet == nil || id.Kind() != "project" {
			continue
		}
		for _, r := range fleet.Resources {
			if g := fleet.Guest(r.ID); g != nil && g.Project == id.Name() {
				o.ids[r.ID], found = true, true
			}
		}
	}
	return found
}

// near are the words that one may have been meant to be: those of the same name, whatever
// its kind, come first.
func near(word string, known []string) []string {
	var same []string
	for _, k := range known {
		if !strings.Contains(word, "/") && desired.ID(k).Name() == word {
			same = append(same, k)
		}
	}
	if len(same) > 0 {
		return same
	}
	return desired.Nearest(word, known)
}

// part is what of a plan was asked for: changes, each with what needs it if it was not
// named itself, and single fields of others.
type part struct {
	whole  map[drift.Key]desired.ID
	single map[drift.FieldKey]bool
}

// of finds what of a plan was asked for. It brings in what that waits for, save that a
// playbook or an edge takes its guests as they are: that a guest is made is no playbook's
// affair. A guest brings in what is run on it and the names that lead to it.
func (o *narrowed) of(p *drift.Plan) part {
	all := make(map[drift.Key]*drift.Change, len(p.Changes))
	for i := range p.Changes {
		all[p.Changes[i].Key] = &p.Changes[i]
	}
	asked := part{whole: make(map[drift.Key]desired.ID), single: make(map[drift.FieldKey]bool)}
	var queue []*drift.Change
	bring := func(k drift.Key, by desired.ID) {
		c := all[k]
		if _, in := asked.whole[k]; c == nil || in {
			return
		}
		if o.asks(c) {
			by = ""
		}
		asked.whole[k] = by
		queue = append(queue, c)
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		if o.asks(c) {
			bring(c.Key, "")
			continue
		}
		for _, f := range c.Fields {
			if shared(c.ID) && o.concerns(&f) {
				asked.single[drift.FieldKey{Key: c.Key, Path: f.Path}] = true
			}
		}
	}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		follow := func(keys []drift.Key, fields []drift.FieldKey) {
			for _, k := range keys {
				if !shared(c.ID) || k.ID == c.ID {
					bring(k, c.ID)
				}
			}
			for _, k := range fields {
				asked.single[k] = true
			}
		}
		follow(c.Wait, c.WaitFields)
		for _, f := range c.Fields {
			follow(f.Wait, f.WaitFields)
		}
	}
	return asked
}

// has tells whether a change was asked for, wholly or in single fields.
func (p part) has(c *drift.Change) (whole, some bool) {
	if _, whole := p.whole[c.Key]; whole {
		return true, true
	}
	return false, slices.ContainsFunc(c.Fields, func(f drift.Field) bool { return p.single[drift.FieldKey{Key: c.Key, Path: f.Path}] })
}

// guard holds what was not asked for, and tells what was brought in.
func (o *narrowed) guard(_ *drift.World, p *drift.Plan) {
	asked := o.of(p)
	for i := range p.Changes {
		c := &p.Changes[i]
		if by := asked.whole[c.Key]; by != "" {
			c.Reason = strings.TrimPrefix(c.Reason+"; ", "; ") + "brought in: " + string(by) + " needs it"
		}
		whole, some := asked.has(c)
		if whole {
			continue
		}
		if !some && c.Held == "" {
			c.Held = notAsked
		}
		for j := range c.Fields {
			if f := &c.Fields[j]; f.Held == "" && !asked.single[drift.FieldKey{Key: c.Key, Path: f.Path}] {
				f.Held = notAsked
			}
		}
	}
}

// asks tells whether a change is of what was asked for.
func (o *narrowed) asks(c *drift.Change) bool {
	return o.ids[c.ID] || c.Site != "" && o.sites[c.Site]
}

// shared tells whether a resource concerns others, each by single fields.
func shared(id desired.ID) bool {
	return id.Kind() == desired.KindPlaybook || id.Kind() == desired.KindEdge
}

// concerns tells whether a field is about what was asked for.
func (o *narrowed) concerns(f *drift.Field) bool {
	asked := func(id desired.ID) bool { return o.ids[id] }
	return slices.ContainsFunc(f.Needs, asked) || slices.ContainsFunc(f.Frees, asked)
}

// forget lets what was asked for wait no longer for having failed.
func (b *backoff) forget(o *narrowed) {
	maps.DeleteFunc(b.waits, func(who waiter, _ wait) bool {
		if o.ids[who.id] {
			return true
		}
		keys := who.path.Keys()
		if !shared(who.id) || len(keys) < 2 {
			return false
		}
		for id := range o.ids {
			if id.Name() == keys[len(keys)-1] {
				return true
			}
		}
		return false
	})
}

// answer leaves out of a report what was not asked for, and tells how much that is. The
// journal keeps all of it.
func (o *narrowed) answer(rep *report.Report) {
	if rep.Plan == nil {
		return
	}
	plan, asked := *rep.Plan, o.of(rep.Plan)
	others := make(map[desired.ID]bool)
	plan.Changes = nil
	for i := range rep.Plan.Changes {
		c := rep.Plan.Changes[i]
		whole, some := asked.has(&c)
		if !whole {
			others[c.ID] = true
			c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f drift.Field) bool { return !asked.single[drift.FieldKey{Key: c.Key, Path: f.Path}] })
		}
		if some {
			plan.Changes = append(plan.Changes, c)
		}
	}
	shown := make(map[desired.ID]bool)
	for i := range plan.Changes {
		shown[plan.Changes[i].ID] = true
	}
	other := func(id desired.ID, site string) bool {
		return id != "" && !o.ids[id] && !shown[id] && !o.sites[site]
	}
	plan.Blind = slices.DeleteFunc(slices.Clone(plan.Blind), func(b drift.Blind) bool { return other(b.ID, b.Site) })
	plan.Foreign = slices.DeleteFunc(slices.Clone(plan.Foreign), func(f drift.Foreign) bool { return other(f.ID, f.Site) })
	plan.Notes = slices.DeleteFunc(slices.Clone(plan.Notes), func(n drift.Note) bool { return other(n.ID, "") })
	if text := rest(others, shown); text != "" {
		plan.Notes = append(plan.Notes, drift.Note{Text: text})
	}
	rep.Plan = &plan
	rep.Outcomes = slices.DeleteFunc(slices.Clone(rep.Outcomes), func(out drift.Outcome) bool { return plan.Change(out.Key) == nil })
	rep.Summarize()
}

// rest tells what differs and was not asked for: others are resources, some of which are
// shown in part.
func rest(others, shown map[desired.ID]bool) string {
	var parted []string
	n := 0
	for _, id := range slices.Sorted(maps.Keys(others)) {
		if shown[id] {
			parted = append(parted, string(id))
		} else {
			n++
		}
	}
	var texts []string
	switch n {
	case 0:
	case 1:
		texts = append(texts, "1 more resource differs")
	default:
		texts = append(texts, fmt.Sprintf("%d more resources differ", n))
	}
	if len(parted) > 0 {
		texts = append(texts, "more of "+strings.Join(parted, " and ")+" differs")
	}
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, ", ") + ": not asked for"
}
