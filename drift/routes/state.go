package routes

import (
	"cmp"
	"net/netip"
	"strings"

	"berth/desired"
	"berth/drift"
)

// difference is one field of an edge that is not live as Git says.
type difference struct {
	field drift.Field
	held  string
}

// differences are those of one edge.
type differences struct {
	fields map[desired.Path]difference
	// upstreams are the paths below each upstream.
	upstreams map[string][]desired.Path
}

// planned finds the differences of the edges.
func planned(plan *drift.Plan) map[desired.ID]*differences {
	if plan == nil {
		return nil
	}
	all := make(map[desired.ID]*differences)
	for i := range plan.Changes {
		c := &plan.Changes[i]
		if c.ID.Kind() != desired.KindEdge {
			continue
		}
		if all[c.ID] == nil {
			all[c.ID] = &differences{fields: make(map[desired.Path]difference, len(c.Fields)), upstreams: make(map[string][]desired.Path)}
		}
		for _, f := range c.Fields {
			all[c.ID].fields[f.Path] = difference{f, cmp.Or(f.Held, c.Held)}
			if keys := f.Path.Keys(); len(keys) > 1 && keys[0] == "upstreams" {
				all[c.ID].upstreams[keys[1]] = append(all[c.ID].upstreams[keys[1]], f.Path)
			}
		}
	}
	return all
}

// judge tells how a route stands to what is live.
func (m *maker) judge(r *Route, way Way) {
	if m.world == nil {
		return
	}
	r.State = Live
	seen := make(map[string]bool)
	for _, c := range r.Chains {
		for _, h := range c.Through {
			m.judgeHop(r, way, h, seen)
		}
	}
	for _, c := range r.Chains {
		for _, leg := range c.To {
			if leg.Problem != "" && r.Problem() == "" {
				r.Remarks = append(r.Remarks, leg.Target+" is left out: "+leg.Problem)
			}
		}
	}
}

func (m *maker) judgeHop(r *Route, way Way, h Hop, seen map[string]bool) {
	prefix := ""
	if h.Edge != r.Edge {
		prefix = "at " + string(h.Edge) + ": "
	}
	add := func(s State, text string) {
		if r.State == Live {
			r.State = s
		}
		if text != "" && !seen[prefix+text] {
			seen[prefix+text] = true
			r.Remarks = append(r.Remarks, prefix+text)
		}
	}
	plan := m.plan[h.Edge]
	if plan == nil {
		if m.world.Live(h.Edge) == nil {
			add(Unknown, "")
		}
		return
	}
	if d, differs := plan.fields[rulePath(way, h.Rule)]; differs {
		add(m.tell(d))
	}
	for _, path := range plan.upstreams[h.Upstream] {
		state, text := m.tell(plan.fields[path])
		if text != "" {
			text = "upstream " + h.Upstream + ": " + text
		}
		add(state, text)
	}
}

// tell puts a difference into words.
func (m *maker) tell(d difference) (State, string) {
	f := d.field
	because := ""
	switch {
	case d.held != "":
		because = "held: " + d.held
	case f.After.From != "":
		because = "waits for " + f.After.From
	case len(f.Wait) > 0:
		because = "waits for " + some(f.Wait)
	}
	switch {
	case f.After == drift.Value{}:
		return Goes, because
	case f.Before == drift.Value{}:
		return New, because
	}
	text := "live it is " + m.known(f.Before.Text)
	if f.By != "" {
		text += ", by " + f.By
	}
	if because != "" {
		text += "; " + because
	}
	return Moves, text
}

// some names the first steps of many.
func some(keys []drift.Key) string {
	var words []string
	for _, k := range keys[:min(len(keys), 2)] {
		words = append(words, k.String())
	}
	if len(keys) > 2 {
		words = append(words, "others")
	}
	return strings.Join(words, ", ")
}

// known adds whose an address is.
func (m *maker) known(text string) string {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		if id := m.whose[ap.Addr().String()]; id != "" {
			return text + " (" + string(id) + ")"
		}
	}
	return text
}

// gone adds the routes that are live and no longer in Git.
func (m *maker) gone(t *Table, plan *drift.Plan) {
	if plan == nil {
		return
	}
	for i := range plan.Changes {
		c := &plan.Changes[i]
		p := m.proxies[c.ID]
		if p == nil {
			continue
		}
		for _, f := range c.Fields {
			if f.After != (drift.Value{}) {
				continue
			}
			if r, ok := m.goneRoute(p, f); ok {
				_, text := m.tell(difference{f, cmp.Or(f.Held, c.Held)})
				r.State = Goes
				if text != "" {
					r.Remarks = []string{text}
				}
				t.Routes = append(t.Routes, r)
			}
		}
	}
}

// goneRoute is the route that a field was.
func (m *maker) goneRoute(p *proxy, f drift.Field) (Route, bool) {
	keys := f.Path.Keys()
	r := Route{Edge: p.id}
	rule := ""
	switch {
	case len(keys) == 3 && keys[1] == "routes" && (keys[0] == "tls" || keys[0] == "http"):
		r.Way, r.Name, rule = Way(keys[0]), keys[2], keys[2]
	case len(keys) == 2 && keys[1] == "default" && (keys[0] == "tls" || keys[0] == "http"):
		r.Way = Way(keys[0])
	case len(keys) == 2 && (keys[0] == "tcp" || keys[0] == "udp"):
		r.Way, r.Listen, rule = Way(keys[0]), []string{keys[1]}, keys[1]
	default:
		return r, false
	}
	for _, d := range p.doors {
		if d.way == r.Way && r.Listen == nil {
			r.Listen, r.PROXY = d.listen, d.proto
		}
	}
	if r.Listen == nil {
		r.Listen = []string{map[Way]string{TLS: "443", HTTP: "80"}[r.Way]}
	}
	leg := Leg{Target: f.Before.Text}
	if ap, err := netip.ParseAddrPort(f.Before.Text); err == nil {
		leg.Address, leg.ID = f.Before.Text, m.whose[ap.Addr().String()]
	}
	r.Chains = []Chain{{Through: []Hop{{Edge: p.id, Rule: rule}}, To: []Leg{leg}}}
	return r, true
}
