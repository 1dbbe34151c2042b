package drift

import (
	"fmt"
	"slices"
	"strings"

	"berth/desired"
)

// order turns what fields and changes need and free into waits, holds what waits for itself, and puts
// the changes into an order in which each comes after what it waits for.
func (p *Plan) order(w *World) {
	up := make(map[desired.ID][]Key)
	down := make(map[desired.ID][]Key)
	for _, c := range p.Changes {
		if c.Step.Down() {
			down[c.ID] = append(down[c.ID], c.Key)
		} else if c.Step != Drain {
			up[c.ID] = append(up[c.ID], c.Key)
		}
	}
	stands := func(need, by desired.ID) []Key {
		if need == by || len(up[need]) == 0 {
			return nil
		}
		// A resource's steps wait for one another: the last says it all.
		return up[need][len(up[need])-1:]
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		for _, need := range c.Needs {
			waits := stands(need, c.ID)
			c.Wait = append(c.Wait, waits...)
			if len(waits) == 0 && need != c.ID && c.Held == "" {
				c.Held = p.missing(w, need)
			}
		}
		for j := range c.Fields {
			f := &c.Fields[j]
			for _, need := range f.Needs {
				waits := stands(need, c.ID)
				f.Wait = append(f.Wait, waits...)
				if len(waits) == 0 && need != c.ID && f.Held == "" {
					f.Held = p.missing(w, need)
				}
			}
			p.holdUnknown(w, f)
		}
	}
	all := p.byKey()
	for _, c := range p.Changes {
		for _, f := range c.Fields {
			for _, freed := range f.Frees {
				if len(down[freed]) > 0 && freed != c.ID {
					first := all[down[freed][0]]
					first.LetGo = append(first.LetGo, FieldKey{c.Key, f.Path})
				}
			}
		}
	}
	for i := range p.Changes {
		p.Changes[i].Wait = dedupe(p.Changes[i].Wait)
		for j := range p.Changes[i].Fields {
			p.Changes[i].Fields[j].Wait = dedupe(p.Changes[i].Fields[j].Wait)
		}
	}
	p.sort()
}

// missing says why what is needed will not stand, where no step of this plan
// brings it: it is unknown, or stays away. It is "" for what is there, and for
// what has no life of its own: playbooks, edges.
func (p *Plan) missing(w *World, need desired.ID) string {
	want := w.Fleet.Resource(need)
	if want == nil || w.Live(need) != nil || !need.Guest() && need.Kind() != desired.KindImage {
		return ""
	}
	for _, b := range p.Blind {
		if b.Covers(need, want.Site) {
			return fmt.Sprintf("needs %s, which is unknown: %s", need, b.Reason)
		}
	}
	return fmt.Sprintf("needs %s, which is not there and not planned in this turn", need)
}

// byKey indexes the changes. The pointers are good until the changes move.
func (p *Plan) byKey() map[Key]*Change {
	all := make(map[Key]*Change, len(p.Changes))
	for i := range p.Changes {
		all[p.Changes[i].Key] = &p.Changes[i]
	}
	return all
}

// holdUnknown holds a field whose value nobody in this plan will make known.
func (p *Plan) holdUnknown(w *World, f *Field) {
	if f.After.From == "" || f.Held != "" || len(f.Wait) > 0 {
		return
	}
	id, fact, _ := strings.Cut(f.After.From, " ")
	if w.Live(desired.ID(id)) == nil {
		f.Held = id + " is not there and not planned in this turn"
		return
	}
	f.Held = fmt.Sprintf("%s has no known %s: give it a static address or a reservation, or enable its guest agent", id, fact)
	if fact != desired.FactAddress {
		f.Held = fmt.Sprintf("%s has no known %s", id, fact)
	}
}

func dedupe(keys []Key) []Key {
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}

func compareKeys(a, b Key) int { return strings.Compare(a.String(), b.String()) }

// waits are all keys that a change waits for, its fields' included.
func (c *Change) waits() []Key {
	all := slices.Clone(c.Wait)
	for _, f := range c.Fields {
		all = append(all, f.Wait...)
	}
	for _, k := range c.LetGo {
		all = append(all, k.Key)
	}
	return all
}

// sort is Kahn's, with ties kept in the order in which the changes came. What
// is left over waits for itself: it is held, and the circle is named.
func (p *Plan) sort() {
	done := make(map[Key]bool)
	there := make(map[Key]bool)
	for _, c := range p.Changes {
		there[c.Key] = true
	}
	rest := p.Changes
	var sorted []Change
	for len(rest) > 0 {
		var later []Change
		for _, c := range rest {
			free := !slices.ContainsFunc(c.waits(), func(k Key) bool { return there[k] && !done[k] })
			if free {
				done[c.Key] = true
				sorted = append(sorted, c)
			} else {
				later = append(later, c)
			}
		}
		if len(later) == len(rest) {
			circle := make([]string, len(rest))
			for i, c := range rest {
				circle[i] = c.String()
			}
			for i := range rest {
				rest[i].Held = "waits for itself: " + strings.Join(circle, " → ") + "; take one of these needs out"
			}
			sorted = append(sorted, rest...)
			break
		}
		rest = later
	}
	p.Changes = sorted
}

// spread carries holds along the waits, by name: what waits for a held step is
// held, a field that does is held alone, and a guest that stays is not stopped,
// nor are its names taken away.
func (p *Plan) spread() {
	all := p.byKey()
	for changed := true; changed; {
		changed = false
		for i := range p.Changes {
			c := &p.Changes[i]
			if c.Held != "" {
				continue
			}
			if blocker := heldAmong(all, c.Wait); blocker != nil {
				c.Held = fmt.Sprintf("waits for %s, which is held", blocker.Key)
				changed = true
				continue
			}
			if k, why := heldField(all, c.LetGo); why != "" {
				c.Held = fmt.Sprintf("waits for %s, which is held: %s", k, why)
				changed = true
				continue
			}
			for j := range c.Fields {
				f := &c.Fields[j]
				if f.Held != "" {
					continue
				}
				if blocker := heldAmong(all, f.Wait); blocker != nil {
					f.Held = fmt.Sprintf("waits for %s, which is held", blocker.Key)
					changed = true
				} else if stays := heldDown(all, f.Frees...); stays != nil && c.Step == Drain {
					f.Held = fmt.Sprintf("%s is held, so its names stay", stays.Key)
					changed = true
				}
			}
			if last := heldDown(all, c.ID); last != nil && c.Step == Stop {
				// It is stopped only to be taken away.
				c.Held = last.Held
				changed = true
				continue
			}
			if len(c.Fields) > 0 && c.Held == "" && !c.Goes() {
				c.Held = c.Fields[0].Held
				changed = true
			}
		}
	}
}

func heldAmong(all map[Key]*Change, keys []Key) *Change {
	for _, k := range keys {
		if c := all[k]; c != nil && c.Held != "" {
			return c
		}
	}
	return nil
}

// heldField finds the first of some fields that is held, alone or with its
// change, and says why.
func heldField(all map[Key]*Change, keys []FieldKey) (FieldKey, string) {
	for _, k := range keys {
		c := all[k.Key]
		if c == nil {
			continue
		}
		if c.Held != "" {
			return k, c.Held
		}
		for _, f := range c.Fields {
			if f.Path == k.Path && f.Held != "" {
				return k, f.Held
			}
		}
	}
	return FieldKey{}, ""
}

// heldDown finds the first step that takes one of ids out of service and is held.
func heldDown(all map[Key]*Change, ids ...desired.ID) *Change {
	for _, id := range ids {
		for _, step := range []Step{Stop, Archive, Delete} {
			if c := all[Key{ID: id, Step: step}]; c != nil && c.Held != "" {
				return c
			}
		}
	}
	return nil
}
