package drift

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/desired"
)

// Steps says which steps make the differences of one resource good, in the
// order in which they are to be done. want is nil for what is gone from the
// manifests, have is nil for what is not there. It is pure: it reads nothing
// but its arguments.
type Steps func(w *World, want *desired.Resource, have *Live, fields []Field) []Change

// Input is what a plan is made from.
type Input struct {
	Commit string
	Fleet  *desired.Fleet
	// Now is the time by which windows and approvals are judged.
	Now time.Time
	// Previous is the fleet of the last applied commit, to tell which side
	// moved; nil if there is none.
	Previous *desired.Fleet
	Observed Observed
	// Steps by short kind. A kind without one is not looked at in this turn.
	Steps  map[string]Steps
	Guards []Guard
}

// World joins what is wanted and what was observed.
func (in *Input) World() *World {
	w := NewWorld(in.Fleet, in.Observed.Lives)
	w.Premises, w.Now = in.Observed.Premises, in.Now
	return w
}

// Make plans the way from what is live to what is wanted, orders it, and lets
// the guards mark what must not be done.
func Make(in Input) (*Plan, error) {
	w := in.World()
	p := &Plan{
		Changes: []Change{}, Commit: in.Commit, Blind: in.Observed.Blind, Foreign: in.Observed.Foreign,
		Notes: slices.Clone(in.Observed.Notes), Counts: in.Observed.Counts,
	}
	p.look(in.Observed.Outlook, in.Now)
	blind := func(id desired.ID, site string) bool {
		return slices.ContainsFunc(p.Blind, func(b Blind) bool { return b.Covers(id, site) })
	}
	var c Comparer
	seen := make(map[desired.ID]bool, len(in.Fleet.Resources))
	for _, want := range in.Fleet.Resources {
		seen[want.ID] = true
		steps := in.Steps[want.ID.Kind()]
		if steps == nil || blind(want.ID, want.Site) {
			continue
		}
		have := w.Live(want.ID)
		fields, notes, err := c.compare(w, want, have)
		if err != nil {
			return nil, err
		}
		origins(w, in.Previous, want, have, fields)
		p.Notes = append(p.Notes, notes...)
		p.Notes = append(p.Notes, unmanaged(in.Previous, want, have)...)
		p.add(want, steps(w, want, have, fields))
	}
	for _, id := range slices.Sorted(maps.Keys(w.lives)) {
		live := w.lives[id]
		if steps := in.Steps[id.Kind()]; !seen[id] && steps != nil && !blind(id, live.Site) {
			p.add(nil, steps(w, nil, live, nil))
		}
	}
	if err := p.unique(); err != nil {
		return nil, err
	}
	p.order(w)
	for _, guard := range in.Guards {
		guard(w, p)
	}
	p.spread()
	p.Notes = slices.DeleteFunc(p.Notes, func(n Note) bool {
		c := p.Change(Key{n.ID, n.Unless})
		return n.Unless != "" && c != nil && c.Goes()
	})
	slices.SortStableFunc(p.Notes, func(a, b Note) int {
		return strings.Compare(string(a.ID)+" "+string(a.Path)+a.Text, string(b.ID)+" "+string(b.Path)+b.Text)
	})
	digest, err := p.digest()
	p.Digest = digest
	return p, err
}

// add appends one resource's steps, each waiting for the one before, but for those
// that stand alone.
func (p *Plan) add(want *desired.Resource, changes []Change) {
	for i := range changes {
		c := &changes[i]
		if want != nil {
			if c.Source == (desired.Source{}) {
				c.Source = want.Source
			}
			if c.Site == "" {
				c.Site = want.Site
			}
		}
		if i > 0 && !c.Step.alone() && !changes[i-1].Step.alone() {
			c.Wait = append(c.Wait, changes[i-1].Key)
		}
	}
	p.Changes = append(p.Changes, changes...)
}

// unique makes sure that a key names one change.
func (p *Plan) unique() error {
	seen := make(map[Key]bool, len(p.Changes))
	for _, c := range p.Changes {
		if seen[c.Key] {
			return fmt.Errorf("plan %s: an applyer plans it twice", c.Key)
		}
		seen[c.Key] = true
	}
	return nil
}

// origins tells for each field whether Git or live has moved since the last
// applied commit.
func origins(w *World, previous *desired.Fleet, want *desired.Resource, have *Live, fields []Field) {
	if previous == nil || have == nil {
		return
	}
	if len(fields) == 0 {
		return
	}
	old := previous.Resource(want.ID)
	leaves := make(map[desired.Path]string)
	if old != nil {
		for _, leaf := range desired.Leaves(want.ID.Kind(), old.Spec) {
			if old.Set.Has(leaf.Path) {
				value, _ := resolve(w, leaf.Value)
				leaves[leaf.Path] = desired.Text(value)
			}
		}
	}
	for i := range fields {
		f := &fields[i]
		f.Origin = FromGit
		if was, managed := leaves[f.Path]; managed == (f.After != Value{}) && was == f.After.Text {
			f.Origin = FromLive
		} else {
			f.By = ""
		}
	}
}

// unmanaged notes what the manifest no longer mentions.
func unmanaged(previous *desired.Fleet, want *desired.Resource, have *Live) []Note {
	if previous == nil || have == nil {
		return nil
	}
	old := previous.Resource(want.ID)
	if old == nil {
		return nil
	}
	var notes []Note
	left := desired.LeavesWhere(want.ID.Kind(), old.Spec, func(path desired.Path, exact bool) bool {
		return old.Set.Has(path) && !want.Set.Has(path) && !exact
	})
	for _, leaf := range left {
		notes = append(notes, Note{ID: want.ID, Path: leaf.Path, Text: "no longer managed: " + string(leaf.Path), Source: want.Source})
	}
	return notes
}

// digest stands for all that would be done and held, in order. What Lines show may
// read differently each time that it is asked for.
func (p *Plan) digest() (string, error) {
	changes := slices.Clone(p.Changes)
	for i := range changes {
		c := &changes[i]
		if !slices.ContainsFunc(c.Fields, func(f Field) bool { return f.Lines != nil }) {
			continue
		}
		c.Fields = slices.Clone(c.Fields)
		for j := range c.Fields {
			c.Fields[j].Lines = nil
		}
	}
	text, err := json.Marshal(changes)
	if err != nil {
		return "", fmt.Errorf("digest the plan: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}
