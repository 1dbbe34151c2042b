package nginx

import (
	"fmt"
	"strings"

	"berth/desired"
	"berth/drift"
)

// The paths of an Edge; names stand below routesPath.
const (
	listenPath  = desired.Path("tls.listen")
	defaultPath = desired.Path("tls.default")
	routesPath  = desired.Path("tls.routes")
)

// Steps takes names away before it adds and moves others: a guest that goes is
// let go of whatever the new routes have to wait for. Where no file is there
// yet, all of it is one step.
func (*Applyer) Steps(w *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	if want == nil || len(fields) == 0 {
		return nil
	}
	spec, ok := want.Spec.(*desired.Edge)
	if !ok {
		return nil
	}
	plan := planner{w: w, playbooks: playbooks(w.Fleet), targets: map[desired.Path]desired.Target{defaultPath: spec.TLS.Default}}
	for name, target := range spec.TLS.Routes {
		plan.targets[routesPath.Sub(name)] = target
	}
	drain, route := plan.change(want.ID, drift.Drain), plan.change(want.ID, drift.Route)
	for _, f := range fields {
		f.Frees = plan.frees(f)
		if f.After == (drift.Value{}) {
			drain.Fields = append(drain.Fields, f)
			continue
		}
		if f.Held == "" {
			f.Held = unfit(f, spec)
		}
		f.Needs, f.NeedsFields = plan.needs(f.Path)
		route.Fields = append(route.Fields, f)
		if have == nil && f.Path == defaultPath {
			// Without a default there can be no file at all.
			route.Needs, route.Held = f.Needs, f.Held
		}
	}
	var changes []drift.Change
	for _, c := range []drift.Change{drain, route} {
		if len(c.Fields) > 0 {
			changes = append(changes, c)
		}
	}
	return changes
}

type planner struct {
	w         *drift.World
	playbooks map[desired.ID][]desired.ID
	targets   map[desired.Path]desired.Target
}

func (planner) change(id desired.ID, step drift.Step) drift.Change {
	return drift.Change{Key: drift.Key{ID: id, Step: step}, Lanes: []string{"host:edge"}}
}

// needs are the guest that a name goes to, and what playbooks do there to make
// what it serves.
func (p planner) needs(path desired.Path) (guest []desired.ID, runs []drift.FieldNeed) {
	id, _, ok := p.targets[path].Guest()
	if !ok || !id.Guest() {
		return nil, nil
	}
	for _, play := range p.playbooks[id] {
		runs = append(runs, drift.FieldNeed{ID: play, Path: desired.Path("hosts").Sub(id.Name())})
	}
	return []desired.ID{id}, runs
}

// frees are the guests of ours that a name goes to now and will not any more.
func (p planner) frees(f drift.Field) []desired.ID {
	var ids []desired.ID
	to, _, _ := p.targets[f.Path].Guest()
	for word := range strings.FieldsSeq(f.Before.Text) {
		if id, ok := p.w.WhoHas(word); ok && id != to {
			ids = append(ids, id)
		}
	}
	return ids
}

func playbooks(fleet *desired.Fleet) map[desired.ID][]desired.ID {
	byGuest := make(map[desired.ID][]desired.ID)
	for _, r := range fleet.Resources {
		if play, ok := r.Spec.(*desired.Playbook); ok {
			for _, guest := range play.Targets {
				byGuest[guest] = append(byGuest[guest], r.ID)
			}
		}
	}
	return byGuest
}

// unfit tells why a field can't go into the file; "" if it can, as far as is
// known before its address is.
func unfit(f drift.Field, spec *desired.Edge) string {
	if f.Path == listenPath {
		// IPv6 changes nothing about what is fit.
		if _, err := listens(strings.Fields(f.After.Text), false); err != nil {
			return err.Error()
		}
		return ""
	}
	if f.After.From == "" {
		if err := validTarget(f.After.Text); err != nil {
			return err.Error()
		}
	}
	name, ok := routeName(f.Path)
	if !ok {
		return ""
	}
	if err := validName(name); err != nil {
		return err.Error()
	}
	if other, found := clash(name, spec.TLS.Routes); found {
		return fmt.Sprintf("%s is routed, too: write %s for all below it, and nothing else", other, name[1:])
	}
	return ""
}

// routeName is the name that a path routes.
func routeName(path desired.Path) (string, bool) {
	keys := path.Keys()
	if !path.Within(routesPath) || len(keys) != 3 {
		return "", false
	}
	return keys[2], true
}
