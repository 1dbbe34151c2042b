package ansible

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/desired"
	"berth/drift"
)

// lane bounds how many playbooks run at once; one on a host more is bounded by the
// host's own.
const lane = "plays"

// Steps makes one run of all hosts that are due. Each host waits for itself: one
// that does not get ready is left out by name, and the others go on. So do those
// on which a playbook of smaller order, or one that `after` names, fails. An `after`
// that is for none of the hosts must have ended well for all of its own.
func (a *Applyer) Steps(w *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	if want == nil {
		return nil
	}
	play, ok := want.Spec.(*desired.Playbook)
	if !ok {
		return nil
	}
	known := foundOf(have)
	earlier, whole := before(w.Fleet, want.ID, play)
	c := drift.Change{Key: drift.Key{ID: want.ID, Step: drift.Run}, Lanes: []string{lane}}
	whys := make(map[string]int)
	for _, f := range fields {
		host := hostOf(f.Path)
		run, wanted := play.Due[host]
		if !wanted || !runs(w.Fleet, run.Guest) {
			continue
		}
		f.Needs = append(f.Needs, run.Guest)
		for _, other := range earlier {
			if _, both := slices.BinarySearch(other.targets, run.Guest); both {
				f.NeedsFields = append(f.NeedsFields, drift.FieldNeed{ID: other.id, Path: f.Path})
			}
		}
		f.Reason, f.Held, f.Lines = known.why[host], known.held[host], known.lines[host]
		if live := w.Live(run.Guest); f.Held == "" && live != nil && !live.Archived && live.Facts[desired.FactInstance] == "" {
			f.Held = fmt.Sprintf("%s becomes ours in this turn: the next one runs what is due there", run.Guest)
		}
		whys[f.Reason]++
		c.Fields = append(c.Fields, f)
		c.Lanes = append(c.Lanes, "on:"+host)
	}
	if len(c.Fields) == 0 {
		return nil
	}
	c.Reason = "due on " + count(len(c.Fields), "host")
	if why := slices.Sorted(maps.Keys(whys)); len(why) == 1 && why[0] != "" {
		c.Reason += ": " + why[0]
	}
	for _, need := range want.Needs {
		// Hosts, and what comes before on single hosts, are single fields' needs.
		if slices.Contains(whole, need) || need.Kind() != desired.KindPlaybook && !slices.Contains(play.Targets, need) {
			c.Needs = append(c.Needs, need)
		}
	}
	return []drift.Change{c}
}

// foundOf is what was observed of a playbook.
func foundOf(have *drift.Live) found {
	if have != nil {
		if f, ok := have.Handle.(*found); ok {
			return *f
		}
	}
	return found{}
}

// other is a playbook that comes before.
type other struct {
	id      desired.ID
	targets []desired.ID // sorted
}

// before lists the playbooks that end on a host before this one begins there, since
// they are of smaller order or it is after them; and those of `after` that have no host
// of it: they end as a whole.
func before(fleet *desired.Fleet, id desired.ID, play *desired.Playbook) (all []other, whole []desired.ID) {
	for _, r := range fleet.Resources {
		p, ok := r.Spec.(*desired.Playbook)
		if !ok || r.ID == id {
			continue
		}
		named := slices.Contains(play.After, string(r.ID))
		if p.Order >= play.Order && !named {
			continue
		}
		o := other{id: r.ID, targets: slices.Sorted(slices.Values(p.Targets))}
		shares := slices.ContainsFunc(play.Targets, func(id desired.ID) bool {
			_, both := slices.BinarySearch(o.targets, id)
			return both
		})
		switch {
		case shares:
			all = append(all, o)
		case named:
			whole = append(whole, r.ID)
		}
	}
	return all, whole
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

// listed writes some names, the first ten of many.
func listed(names []string) string {
	if more := len(names) - 10; more > 0 {
		return strings.Join(names[:10], " ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, " ")
}
