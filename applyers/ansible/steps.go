package ansible

import (
	"fmt"
	"slices"

	"berth/desired"
	"berth/drift"
)

// lane bounds playbooks to one at a time: two would meet on the same hosts.
const lane = "play"

// Steps makes one run of all hosts that are due. Each host waits for itself: one
// that does not get ready is left out by name, and the others go on. So do those
// on which a playbook of smaller order fails. What `after` names must have ended
// well for all.
func (a *Applyer) Steps(w *drift.World, want *desired.Resource, _ *drift.Live, fields []drift.Field) []drift.Change {
	if want == nil {
		return nil
	}
	play, ok := want.Spec.(*desired.Playbook)
	if !ok || manual(play) {
		return nil
	}
	earlier := before(w.Fleet, want.ID, play)
	var due []drift.Field
	for _, f := range fields {
		run, wanted := play.Due[hostOf(f.Path)]
		if !wanted || !runs(w.Fleet, run.Guest) {
			continue
		}
		f.Needs = append(f.Needs, run.Guest)
		for _, other := range earlier {
			if slices.Contains(other.Spec.(*desired.Playbook).Targets, run.Guest) {
				f.NeedsFields = append(f.NeedsFields, drift.FieldNeed{ID: other.ID, Path: f.Path})
			}
		}
		due = append(due, f)
	}
	if len(due) == 0 {
		return nil
	}
	c := drift.Change{
		Key: drift.Key{ID: want.ID, Step: drift.Run}, Fields: due, Lanes: []string{lane},
		Reason: "due on " + count(len(due), "host"),
	}
	for _, need := range want.Needs {
		// Hosts, and what comes before by its order alone, are single fields' needs.
		named := slices.Contains(play.After, string(need))
		if named || need.Kind() != desired.KindPlaybook && !slices.Contains(play.Targets, need) {
			c.Needs = append(c.Needs, need)
		}
	}
	return []drift.Change{c}
}

// manual tells whether a playbook runs only when somebody asks for it.
func manual(play *desired.Playbook) bool {
	return !play.Automatic() && !play.Scheduled()
}

// before lists the playbooks of smaller order.
func before(fleet *desired.Fleet, id desired.ID, play *desired.Playbook) []*desired.Resource {
	var all []*desired.Resource
	for _, r := range fleet.Resources {
		if other, ok := r.Spec.(*desired.Playbook); ok && r.ID != id && other.Order < play.Order {
			all = append(all, r)
		}
	}
	return all
}

// hostOf is the host in "hosts.web-1".
func hostOf(path desired.Path) string {
	keys := path.Keys()
	if len(keys) != 2 {
		return ""
	}
	return keys[1]
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
