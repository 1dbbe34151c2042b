package drift_test

import (
	"slices"
	"testing"

	"berth/desired"
	"berth/drift"
)

// want makes a resource that sets the paths given, as if its manifest did.
func want(id desired.ID, spec any, set ...desired.Path) *desired.Resource {
	r := &desired.Resource{ID: id, Site: "home", Spec: spec}
	r.Source = desired.Source{File: string(id) + ".yaml", Line: 1, Col: 1}
	for i, path := range set {
		r.Set.Put(path, desired.Source{File: r.Source.File, Line: int32(i) + 2, Col: 3})
	}
	if id.Kind() == desired.KindEdge || id.Kind() == desired.KindPlaybook {
		r.Site = ""
	}
	return r
}

// guest wants a virtual machine with an address, "" for DHCP.
func guest(name, address string) *desired.Resource {
	spec := &desired.VM{}
	spec.State = desired.Running
	if address != "" {
		spec.Networks = map[string]desired.NIC{"net0": {Address: address + "/24"}}
	}
	return want(desired.MakeID(desired.KindVM, name), spec, "state")
}

// edge wants routes, given as name, target, name, target and so on.
func edge(routes ...string) *desired.Resource {
	spec := edgeSpec(routes...)
	r := want("edge/main", spec)
	for name := range spec.TLS.Routes {
		r.Set.Put(desired.Path("tls.routes").Sub(name), desired.Source{File: "edge.yaml", Line: 4, Col: 5})
	}
	return r
}

func edgeSpec(routes ...string) *desired.Edge {
	spec := &desired.Edge{TLS: desired.EdgeTLS{Routes: make(map[string]desired.Target)}}
	for pair := range slices.Chunk(routes, 2) {
		spec.TLS.Routes[pair[0]] = desired.Target{Text: pair[1]}
	}
	return spec
}

// play wants to have run for guests.
func play(name string, targets ...desired.ID) *desired.Resource {
	spec := &desired.Playbook{Due: make(map[string]desired.Run), Targets: targets}
	r := want(desired.MakeID(desired.KindPlaybook, name), spec)
	for _, id := range targets {
		spec.Due[id.Name()] = desired.Run{Digest: "files", Guest: id}
		r.Set.Put(desired.Path("hosts").Sub(id.Name()), desired.Source{File: "play.yaml", Line: 3, Col: 1})
	}
	return r
}

func fleet(resources ...*desired.Resource) *desired.Fleet {
	return &desired.Fleet{Resources: resources}
}

// up is a guest as it is, running.
func up(name, address string) drift.Live {
	spec := &desired.VM{}
	spec.State = desired.Running
	l := drift.Live{ID: desired.MakeID(desired.KindVM, name), Site: "home", Spec: spec, Running: true, Facts: map[string]string{desired.FactInstance: "i-" + name}}
	if address != "" {
		l.Facts[desired.FactAddress] = address
	}
	return l
}

// guests plans like an applyer of guests: create and wait, change, or stop and
// archive.
func guests(_ *drift.World, w *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	switch {
	case w == nil && have.Archived:
		return []drift.Change{{Key: drift.Key{ID: have.ID, Step: drift.Delete}, Site: have.Site}}
	case w == nil:
		return []drift.Change{
			{Key: drift.Key{ID: have.ID, Step: drift.Stop}, Site: have.Site},
			{Key: drift.Key{ID: have.ID, Step: drift.Archive}, Site: have.Site},
		}
	case have == nil:
		return []drift.Change{
			{Key: drift.Key{ID: w.ID, Step: drift.Create}, Fields: fields, Needs: w.Needs},
			{Key: drift.Key{ID: w.ID, Step: drift.Ready}},
		}
	case len(fields) > 0:
		return []drift.Change{{Key: drift.Key{ID: w.ID, Step: drift.Online}, Fields: fields}}
	}
	return nil
}

// plays plans like an applyer of playbooks: one run, a field a host.
func plays(_ *drift.World, w *desired.Resource, _ *drift.Live, fields []drift.Field) []drift.Change {
	if w == nil || len(fields) == 0 {
		return nil
	}
	for i := range fields {
		keys := fields[i].Path.Keys()
		fields[i].Needs = []desired.ID{desired.MakeID(desired.KindVM, keys[1])}
	}
	return []drift.Change{{Key: drift.Key{ID: w.ID, Step: drift.Run}, Fields: fields, Needs: w.Needs}}
}

// edges plans like an applyer of edges: names come, and names go.
func edges(world *drift.World, w *desired.Resource, _ *drift.Live, fields []drift.Field) []drift.Change {
	route := drift.Change{Key: drift.Key{ID: "edge/main", Step: drift.Route}, Lanes: []string{"host:main"}}
	drain := drift.Change{Key: drift.Key{ID: "edge/main", Step: drift.Drain}, Lanes: []string{"host:main"}}
	if w != nil {
		route.Needs = w.Needs
	}
	for _, f := range fields {
		if id, had := world.WhoHas(f.Before.Text); had {
			f.Frees = append(f.Frees, id)
		}
		if (f.After == drift.Value{}) {
			drain.Fields = append(drain.Fields, f)
			continue
		}
		if id, _, ok := w.Spec.(*desired.Edge).TLS.Routes[f.Path.Keys()[2]].Guest(); ok {
			f.Needs = []desired.ID{id}
		}
		route.Fields = append(route.Fields, f)
	}
	var all []drift.Change
	for _, c := range []drift.Change{drain, route} {
		if len(c.Fields) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// plan makes a plan with the three steps above.
func plan(t *testing.T, in drift.Input) *drift.Plan {
	t.Helper()
	if in.Steps == nil {
		in.Steps = map[string]drift.Steps{desired.KindVM: guests, desired.KindPlaybook: plays, desired.KindEdge: edges}
	}
	p, err := drift.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// keys lists a plan's changes in order, with "!" before those that are held.
func keys(p *drift.Plan) []string {
	var all []string
	for _, c := range p.Changes {
		text := c.String()
		if c.Held != "" {
			text = "!" + text
		}
		all = append(all, text)
	}
	return all
}

// change finds a change that must be there.
func change(t *testing.T, p *drift.Plan, id desired.ID, step drift.Step) *drift.Change {
	t.Helper()
	c := p.Change(drift.Key{ID: id, Step: step})
	if c == nil {
		t.Fatalf("no %s %s in %v", id, step, keys(p))
	}
	return c
}
