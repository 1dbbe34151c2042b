package nginx

import (
	"maps"
	"slices"
	"strings"

	"berth/applyers/nginx/conf"
	"berth/desired"
	"berth/drift"
)

// The paths of an Edge; names stand below the routes of its sides.
const (
	tlsDefault    = desired.Path("tls.default")
	httpDefault   = desired.Path("http.default")
	tlsRoutes     = desired.Path("tls.routes")
	httpRoutes    = desired.Path("http.routes")
	upstreamsPath = desired.Path("upstreams")
	editsPath     = desired.Path("edits")
)

// Steps takes names away before it adds and moves others: a guest that goes is let go
// of whatever the new routes have to wait for. Names that wait for playbooks keep no
// others waiting: a playbook may even need those, as who asks for a certificate does
// (ACME). An upstream that goes does so with the last routes, since a name may lead to
// it until then.
func (*Applyer) Steps(w *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	if want == nil || len(fields) == 0 {
		return nil
	}
	spec, ok := want.Spec.(*desired.Edge)
	if !ok {
		return nil
	}
	plan := newPlanner(w, want.ID, spec, have)
	drain, route := plan.change(drift.Drain), plan.change(drift.Route)
	var leaving []drift.Field
	for _, f := range fields {
		f.Frees = plan.frees(f)
		switch {
		case f.After != drift.Value{}:
			route.Fields = append(route.Fields, plan.field(f))
		case f.Path.Within(upstreamsPath):
			leaving = append(leaving, f)
		default:
			drain.Fields = append(drain.Fields, f)
		}
	}
	plan.together(route.Fields)
	early := plan.change(drift.Early)
	early.Fields, route.Fields = plan.apart(route.Fields)
	if len(route.Fields) > 0 {
		route.Fields = append(route.Fields, leaving...)
	} else {
		drain.Fields = append(drain.Fields, leaving...)
	}
	var changes []drift.Change
	for _, c := range []drift.Change{drain, early, route} {
		if len(c.Fields) > 0 {
			changes = append(changes, c)
		}
	}
	return changes
}

// apart parts the fields that wait for no playbook from those that do. Where all are
// of one sort there is one step, and nginx is reloaded once.
func (p *planner) apart(fields []drift.Field) (early, route []drift.Field) {
	for _, f := range fields {
		if len(f.NeedsFields) == 0 {
			early = append(early, f)
		} else {
			route = append(route, f)
		}
	}
	if len(route) == 0 {
		return nil, early
	}
	for i := range route {
		if to := p.leadsTo(route[i].Path); to != "" {
			route[i].NeedsFields = append(route[i].NeedsFields, drift.FieldNeed{ID: p.id, Path: upstreamsPath.Sub(to).Sub("servers")})
		}
	}
	return early, route
}

// planner knows of an edge what its fields need.
type planner struct {
	w    *drift.World
	id   desired.ID
	spec *desired.Edge
	have *desired.Edge // nil where nothing is there
	// playbooks are those that run on a guest.
	playbooks map[desired.ID][]desired.ID
	// targets are where each field leads.
	targets map[desired.Path][]desired.Target
	// early are the fields that wait for no playbook.
	early map[desired.Path]bool
	unfit map[desired.Path]string
}

func newPlanner(w *drift.World, id desired.ID, spec *desired.Edge, have *drift.Live) *planner {
	p := &planner{
		w: w, id: id, spec: spec, playbooks: playbooks(w.Fleet),
		targets: make(map[desired.Path][]desired.Target), early: earlyOf(spec), unfit: make(map[desired.Path]string),
	}
	if have != nil {
		p.have, _ = have.Spec.(*desired.Edge)
	}
	lead := func(path desired.Path, t desired.Target) {
		p.targets[path] = []desired.Target{t}
		if up, named := spec.Upstreams[t.Text]; named {
			p.targets[path] = nil
			for _, server := range up.Servers {
				p.targets[path] = append(p.targets[path], server.To)
			}
			servers := upstreamsPath.Sub(t.Text).Sub("servers")
			p.early[servers] = p.early[servers] || spec.Early[path]
		}
	}
	for name, up := range spec.Upstreams {
		servers := upstreamsPath.Sub(name).Sub("servers")
		for _, server := range up.Servers {
			p.targets[servers] = append(p.targets[servers], server.To)
		}
	}
	lead(tlsDefault, spec.TLS.Default)
	lead(httpDefault, spec.HTTP.Default)
	for name, t := range spec.TLS.Routes {
		lead(tlsRoutes.Sub(name), t)
	}
	for name, t := range spec.HTTP.Routes {
		lead(httpRoutes.Sub(name), t)
	}
	for name, t := range spec.TCP {
		lead(desired.Path("tcp").Sub(name), t)
	}
	for name, t := range spec.UDP {
		lead(desired.Path("udp").Sub(name), t)
	}
	for _, fault := range conf.Faults(placed(spec)) {
		p.unfit[fault.Path] = fault.Reason
	}
	return p
}

// somewhere is an address that is nobody's (RFC 5737): it stands for those that are
// not known yet.
const somewhere = "192.0.2.1"

// placed is an edge with an address for each guest, to see whether all else is fit.
func placed(spec *desired.Edge) *desired.Edge {
	return placedBy(spec, func(desired.ID, string) (string, bool) { return somewhere, true })
}

// placedBy is an edge with the addresses that a fact gives its guests.
func placedBy(spec *desired.Edge, fact desired.Lookup) *desired.Edge {
	out := *spec
	target := func(t desired.Target) desired.Target {
		value, _ := t.Resolve(fact)
		if to, ok := value.(desired.Target); ok {
			return to
		}
		return t
	}
	targets := func(all map[string]desired.Target) map[string]desired.Target {
		to := make(map[string]desired.Target, len(all))
		for name, t := range all {
			to[name] = target(t)
		}
		return to
	}
	out.TLS.Default, out.HTTP.Default = target(spec.TLS.Default), target(spec.HTTP.Default)
	out.TLS.Routes, out.HTTP.Routes = targets(spec.TLS.Routes), targets(spec.HTTP.Routes)
	out.TCP, out.UDP = targets(spec.TCP), targets(spec.UDP)
	out.Upstreams = make(map[string]desired.Upstream, len(spec.Upstreams))
	for name, up := range spec.Upstreams {
		servers := make(desired.Servers, len(up.Servers))
		for i, server := range up.Servers {
			server.To = target(server.To)
			servers[i] = server
		}
		up.Servers = servers
		out.Upstreams[name] = up
	}
	return &out
}

// change is a step of the edge. It waits for the guest that the edge is on.
func (p *planner) change(step drift.Step) drift.Change {
	c := drift.Change{Key: drift.Key{ID: p.id, Step: step}, Lanes: []string{"host:edge"}}
	if !local(p.spec) {
		c.Lanes = []string{"host:" + p.spec.At}
		if at := desired.ID(p.spec.At); at.Guest() {
			c.Needs = []desired.ID{at}
		}
	}
	return c
}

// field is what a field that sets something waits for, and why it can't be set.
func (p *planner) field(f drift.Field) drift.Field {
	if reason := p.unfit[f.Path]; f.Held == "" {
		f.Held = reason
	}
	for _, t := range p.targets[f.Path] {
		id, _, ok := t.Guest()
		if !ok || !id.Guest() {
			continue
		}
		f.Needs = append(f.Needs, id)
		if !p.early[f.Path] {
			f.NeedsFields = append(f.NeedsFields, p.runs(id)...)
		}
	}
	if at := desired.ID(p.spec.At); p.have == nil && !local(p.spec) && at.Guest() {
		// What sets nginx up there may be a playbook.
		f.NeedsFields = append(f.NeedsFields, p.runs(at)...)
	}
	return f
}

// runs are what playbooks do on a guest, to make what it serves.
func (p *planner) runs(guest desired.ID) []drift.FieldNeed {
	var all []drift.FieldNeed
	for _, play := range p.playbooks[guest] {
		all = append(all, drift.FieldNeed{ID: play, Path: desired.Path("hosts").Sub(guest.Name())})
	}
	return all
}

// together lets what makes no sense alone wait for what it rests on: a side that is
// not there yet for its default, the options of a new upstream and the routes to it
// for its servers.
func (p *planner) together(fields []drift.Field) {
	at := make(map[desired.Path]int, len(fields))
	for i, f := range fields {
		at[f.Path] = i
	}
	rest := func(i int, on desired.Path) (first drift.Field) {
		j, changes := at[on]
		if !changes || i == j {
			return drift.Field{}
		}
		first = fields[j]
		f := &fields[i]
		for _, need := range first.Needs {
			if !slices.Contains(f.Needs, need) {
				f.Needs = append(f.Needs, need)
			}
		}
		for _, need := range first.NeedsFields {
			if !slices.Contains(f.NeedsFields, need) {
				f.NeedsFields = append(f.NeedsFields, need)
			}
		}
		if f.Held == "" {
			f.Held = first.Held
		}
		return first
	}
	for i := range fields {
		path := fields[i].Path
		if name, ok := upstreamOf(path); ok && !p.stands(name) {
			rest(i, upstreamsPath.Sub(name).Sub("servers"))
		} else if to := p.leadsTo(path); to != "" && !p.stands(to) {
			// Where the servers are is where it leads.
			fields[i].After.From = rest(i, upstreamsPath.Sub(to).Sub("servers")).After.From
		}
	}
	for i := range fields {
		if path := fields[i].Path; path.Within("tls") && p.lacks(streamSide) {
			rest(i, tlsDefault)
		} else if path.Within("http") && p.lacks(httpSide) {
			rest(i, httpDefault)
		}
	}
}

// upstreamOf is the upstream that a path is of.
func upstreamOf(path desired.Path) (name string, ok bool) {
	keys := path.Keys()
	if len(keys) != 3 || !path.Within(upstreamsPath) {
		return "", false
	}
	return keys[1], true
}

// stands tells whether an upstream is live.
func (p *planner) stands(name string) bool {
	return p.have != nil && len(p.have.Upstreams[name].Servers) > 0
}

// lacks tells whether a side has no default yet.
func (p *planner) lacks(side int) bool {
	switch {
	case p.have == nil:
		return true
	case side == httpSide:
		return p.have.HTTP.Default.Text == ""
	default:
		return p.have.TLS.Default.Text == ""
	}
}

// leadsTo is the upstream that a path leads to; "" if it leads to none.
func (p *planner) leadsTo(path desired.Path) string {
	t, ok := targetAt(p.spec, path)
	if _, named := p.spec.Upstreams[t.Text]; !ok || !named {
		return ""
	}
	return t.Text
}

// frees are the guests of ours that a field leads to now and will not any more.
func (p *planner) frees(f drift.Field) []desired.ID {
	var ids []desired.ID
	stay := make(map[desired.ID]bool)
	for _, t := range p.targets[f.Path] {
		id, _, _ := t.Guest()
		stay[id] = true
	}
	for word := range strings.FieldsSeq(f.Before.Text) {
		if id, ok := p.w.WhoHas(word); ok && !stay[id] {
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

// earlyOf are the paths that are routed before their guests' playbooks have run, for
// a planner to add to.
func earlyOf(spec *desired.Edge) map[desired.Path]bool {
	early := make(map[desired.Path]bool, len(spec.Early))
	maps.Copy(early, spec.Early)
	return early
}
