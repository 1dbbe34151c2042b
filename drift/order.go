package drift

import (
	"fmt"
	"slices"
	"strings"

	"berth/desired"
)

// order turns what fields and changes need and free into waits, holds what waits
// for itself, and puts the changes into an order in which each comes after what it
// waits for.
func (p *Plan) order(w *World) {
	o := orderer{plan: p, world: w, all: p.byKey(), up: make(map[desired.ID][]Key), down: make(map[desired.ID][]Key)}
	for _, c := range p.Changes {
		if c.Step.Down() {
			o.down[c.ID] = append(o.down[c.ID], c.Key)
		} else if c.Step != Drain {
			o.up[c.ID] = append(o.up[c.ID], c.Key)
		}
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		o.needs(c.ID, c.Needs, &c.Wait, &c.Held)
		for j := range c.Fields {
			f := &c.Fields[j]
			o.needs(c.ID, f.Needs, &f.Wait, &f.Held)
			o.singles(c.Key, f)
			o.frees(c.Key, f)
			p.holdUnknown(w, f, o.up)
		}
	}
	o.handOver()
	o.vacate()
	for i := range p.Changes {
		p.Changes[i].Wait = dedupe(p.Changes[i].Wait)
		for j := range p.Changes[i].Fields {
			p.Changes[i].Fields[j].Wait = dedupe(p.Changes[i].Fields[j].Wait)
		}
	}
	p.sort()
}

// orderer knows which steps of a plan bring a resource up, and which take it down.
type orderer struct {
	plan     *Plan
	world    *World
	all      map[Key]*Change
	up, down map[desired.ID][]Key
}

// needs lets a change or field of a resource wait for what it needs, or holds it
// where that will not stand.
func (o *orderer) needs(by desired.ID, needs []desired.ID, wait *[]Key, held *string) {
	for _, need := range needs {
		if need == by {
			continue
		}
		waits := o.stands(need)
		*wait = append(*wait, waits...)
		if len(waits) == 0 && *held == "" {
			*held = o.plan.missing(o.world, need)
		}
	}
}

// stands is the step after which a resource stands: its last, since they wait for
// one another. A difference of a guest in use that is held by itself keeps nobody
// from using the guest.
func (o *orderer) stands(id desired.ID) []Key {
	keys := o.up[id]
	for _, k := range slices.Backward(keys) {
		if o.all[k].Goes() {
			return []Key{k}
		}
	}
	if live := o.world.Live(id); len(keys) == 0 || id.Machine() && live != nil && !live.Archived {
		return nil
	}
	return keys[len(keys)-1:]
}

// singles lets a field wait for single fields of other changes.
func (o *orderer) singles(by Key, f *Field) {
	for _, need := range f.NeedsFields {
		for _, k := range o.up[need.ID] {
			if k != by && o.all[k].has(need.Path) {
				f.WaitFields = append(f.WaitFields, FieldKey{k, need.Path})
			}
		}
	}
}

// frees lets the way out of a resource wait for a field that lets go of it.
func (o *orderer) frees(k Key, f *Field) {
	for _, freed := range f.Frees {
		if len(o.down[freed]) > 0 && freed != k.ID {
			first := o.all[o.down[freed][0]]
			first.WaitFields = append(first.WaitFields, FieldKey{k, f.Path})
		}
	}
}

// handOver lets what one resource takes wait until the one that has it has let go.
func (o *orderer) handOver() {
	yields := make(map[string][]FieldKey)
	for i := range o.plan.Changes {
		c := &o.plan.Changes[i]
		for _, f := range c.Fields {
			for _, what := range f.Yields {
				yields[what] = append(yields[what], FieldKey{c.Key, f.Path})
			}
		}
	}
	for i := range o.plan.Changes {
		c := &o.plan.Changes[i]
		others := func(takes []string) (all []FieldKey) {
			for _, what := range takes {
				for _, k := range yields[what] {
					if k.ID != c.ID {
						all = append(all, k)
					}
				}
			}
			return all
		}
		c.WaitFields = append(c.WaitFields, others(c.Takes)...)
		for j := range c.Fields {
			f := &c.Fields[j]
			f.WaitFields = append(f.WaitFields, others(f.Takes)...)
		}
	}
}

// vacate lets a guest that is to have another's address come only when that one
// has left it; then the former one can't wait for names to lead to the new one.
func (o *orderer) vacate() {
	for i := range o.plan.Changes {
		c := &o.plan.Changes[i]
		if c.Step != Create && c.Step != Restore && c.Step != Start {
			continue
		}
		address, known := o.world.Fleet.Address(c.ID)
		if !known {
			continue
		}
		for id, steps := range o.down {
			live := o.world.Live(id)
			if id == c.ID || live == nil || live.Archived || live.Facts[desired.FactAddress] != address {
				continue
			}
			c.Wait = append(c.Wait, steps[0])
			first := o.all[steps[0]]
			first.WaitFields = slices.DeleteFunc(first.WaitFields, func(k FieldKey) bool { return o.leads(k, c.ID) })
		}
	}
}

// leads tells whether a field waits for a guest to lead to it.
func (o *orderer) leads(k FieldKey, to desired.ID) bool {
	return slices.ContainsFunc(o.all[k.Key].Fields, func(f Field) bool { return f.Path == k.Path && slices.Contains(f.Needs, to) })
}

// missing says why what is needed will not stand, where no step of this plan
// brings it: it is unknown, or stays away. It is "" for what is there, and for
// what has no life of its own: playbooks, edges.
func (p *Plan) missing(w *World, need desired.ID) string {
	want := w.Fleet.Resource(need)
	if want == nil || w.Live(need) != nil || !need.Machine() && need.Kind() != desired.KindImage {
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
func (p *Plan) holdUnknown(w *World, f *Field, up map[desired.ID][]Key) {
	if f.After.From == "" || f.Held != "" {
		return
	}
	text, fact, _ := strings.Cut(f.After.From, " ")
	id := desired.ID(text)
	tells := func(k Key) bool {
		return slices.Contains([]Step{Create, Restore, Start, Reboot, Ready}, k.Step)
	}
	switch {
	case slices.ContainsFunc(up[id], tells):
	case w.Live(id) == nil:
		f.Held = text + " is not there and not planned in this turn"
	case fact == desired.FactAddress:
		f.Held = text + " has no known address: give it a static address or a reservation, or enable its guest agent"
	default:
		f.Held = text + " has no known " + fact
	}
}

func dedupe(keys []Key) []Key {
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}

func compareKeys(a, b Key) int { return strings.Compare(a.String(), b.String()) }

// Waits are all steps that a change waits for, its fields' included, each once.
func (c *Change) Waits() []Key {
	all := slices.Clone(c.Wait)
	fields := c.WaitFields
	for _, f := range c.Fields {
		all = append(all, f.Wait...)
		fields = append(slices.Clip(fields), f.WaitFields...)
	}
	for _, k := range fields {
		all = append(all, k.Key)
	}
	return dedupe(all)
}

// has tells whether there is such a change, with a field of a path.
func (c *Change) has(path desired.Path) bool {
	return c != nil && slices.ContainsFunc(c.Fields, func(f Field) bool { return f.Path == path })
}

// sort is Kahn's, with ties kept in the order in which the changes came. What
// is left over waits for itself, or for what does.
func (p *Plan) sort() {
	done := make(map[Key]bool)
	there := make(map[Key]bool)
	for _, c := range p.Changes {
		there[c.Key] = true
	}
	rest := p.Changes
	sorted := make([]Change, 0, len(rest))
	for len(rest) > 0 {
		var later []Change
		for _, c := range rest {
			free := !slices.ContainsFunc(c.Waits(), func(k Key) bool { return there[k] && !done[k] })
			if free {
				done[c.Key] = true
				sorted = append(sorted, c)
			} else {
				later = append(later, c)
			}
		}
		if len(later) == len(rest) {
			holdCircles(rest, done)
			sorted = append(sorted, rest...)
			break
		}
		rest = later
	}
	p.Changes = sorted
}

// holdCircles holds the changes that wait for themselves, and names each circle.
func holdCircles(rest []Change, done map[Key]bool) {
	at := make(map[Key]int, len(rest))
	for i := range rest {
		at[rest[i].Key] = i
	}
	// Each of rest waits for another of rest: walking on leads into a circle.
	next := func(i int) int {
		for _, k := range rest[i].Waits() {
			if j, left := at[k]; left && !done[k] {
				return j
			}
		}
		return i
	}
	seen := make(map[int]bool)
	for i := range rest {
		var path []int
		for !seen[i] {
			seen[i] = true
			path = append(path, i)
			i = next(i)
		}
		start := slices.Index(path, i)
		if start < 0 {
			continue
		}
		names := make([]string, 0, len(path))
		for _, j := range path[start:] {
			names = append(names, rest[j].String())
		}
		reason := "waits for itself: " + strings.Join(append(names, names[0]), " → ") + "; take one of these needs out"
		for _, j := range path[start:] {
			if rest[j].Held == "" {
				rest[j].Held = reason
			}
		}
	}
}

// waitsFor says what holds a step up. That it waits for an unlock in the end is said
// of each step: nothing else keeps it, and nobody need look into it.
func waitsFor(blocker *Change) string {
	reason := fmt.Sprintf("waits for %s, which is held", blocker.Key)
	if _, what, locked := strings.Cut(blocker.Held, desired.WaitingForUnlock+": "); locked {
		reason += ": " + desired.WaitingForUnlock + ": " + what
	}
	return reason
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
				c.Held = waitsFor(blocker)
				changed = true
				continue
			}
			if k, why := heldField(all, c.WaitFields); why != "" {
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
					f.Held = waitsFor(blocker)
					changed = true
				} else if k, why := heldField(all, f.WaitFields); why != "" {
					f.Held = fmt.Sprintf("waits for %s, which is held: %s", k, why)
					changed = true
				} else if stays := heldDown(all, f.Frees...); stays != nil && c.Step == Drain {
					f.Held = fmt.Sprintf("%s is held, so its names stay", stays.Key)
					changed = true
				}
			}
			if last := heldDown(all, c.ID); last != nil && (c.Step == Stop || c.Step == Detach) {
				// It is stopped, and lets go of its volumes, only to be taken away.
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
	// A guest that thousands of names lead to waits for as many fields of one change.
	held := make(map[Key]map[desired.Path]string)
	for _, k := range keys {
		c := all[k.Key]
		if c == nil {
			continue
		}
		if c.Held != "" {
			return k, c.Held
		}
		fields, known := held[k.Key]
		if !known {
			fields = make(map[desired.Path]string)
			for i := range c.Fields {
				if f := &c.Fields[i]; f.Held != "" {
					fields[f.Path] = f.Held
				}
			}
			held[k.Key] = fields
		}
		if why := fields[k.Path]; why != "" {
			return k, why
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
