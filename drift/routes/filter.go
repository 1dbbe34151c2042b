package routes

import (
	"slices"
	"strings"

	"berth/desired"
)

// Of keeps the routes that lead to or through a guest, Host or edge.
func (t *Table) Of(id desired.ID) *Table {
	var kept []Route
	for _, r := range t.Routes {
		if t.touches(&r, id) {
			kept = append(kept, r)
		}
	}
	return t.with(kept)
}

func (t *Table) touches(r *Route, id desired.ID) bool {
	for _, c := range r.Chains {
		for _, h := range c.Through {
			if e := t.Edge(h.Edge); h.Edge == id || e != nil && e.At == string(id) {
				return true
			}
		}
		if slices.ContainsFunc(c.To, func(leg Leg) bool { return leg.ID == id }) {
			return true
		}
	}
	return false
}

// Called keeps, of each way in, the one route that decides a name, and makes it that
// name's.
func (t *Table) Called(name string) *Table {
	type way struct {
		edge      desired.ID
		way       Way
		unreached bool
	}
	maps := make(map[way]map[string]desired.Target)
	for _, r := range t.Routes {
		if r.State == Goes || r.Way != TLS && r.Way != HTTP {
			continue
		}
		w := way{r.Edge, r.Way, r.Unreached}
		if maps[w] == nil {
			maps[w] = make(map[string]desired.Target)
		}
		if r.Name != "" {
			maps[w][r.Name] = desired.Target{}
		}
	}
	var kept []Route
	for _, r := range t.Routes {
		if r.Way != TLS && r.Way != HTTP {
			continue
		}
		if r.State == Goes && match(map[string]desired.Target{r.Name: {}}, name) == "" {
			continue
		}
		if r.State != Goes && match(maps[way{r.Edge, r.Way, r.Unreached}], name) != r.Name || r.Unreached && r.Name == "" {
			continue
		}
		if r.Name != name {
			r.By, r.Name = r.Name, name
			if r.By == "" {
				r.By = ByDefault
			}
		}
		kept = append(kept, r)
	}
	return t.with(kept)
}

// ByDefault stands in [Route.By] where no route has the name that was asked for.
const ByDefault = "default"

// with is a table of these routes, and the edges that they go through.
func (t *Table) with(kept []Route) *Table {
	of := &Table{Edges: []Edge{}, Routes: append([]Route{}, kept...)}
	through := make(map[desired.ID]bool)
	for _, r := range kept {
		for _, c := range r.Chains {
			for _, h := range c.Through {
				through[h.Edge] = true
			}
		}
	}
	for _, e := range t.Edges {
		if through[e.ID] {
			of.Edges = append(of.Edges, e)
		}
	}
	return of
}

// Bad tells whether a route does not do what it is there for, as far as was looked, or
// was to be asked and could not be. UDP can't.
func (r *Route) Bad() bool {
	return r.State != "" && r.State != Live || r.Problem() != "" || r.Answer != nil && !r.Answer.Good && r.Way != UDP
}

// Bad tells whether anything of the table is not as it should be.
func (t *Table) Bad() bool {
	return slices.ContainsFunc(t.Routes, func(r Route) bool { return r.Bad() }) ||
		slices.ContainsFunc(t.Edges, func(e Edge) bool { return e.State != "" && e.State != Live })
}

// Short is an edge's name without its kind.
func Short(id desired.ID) string { return strings.TrimPrefix(string(id), desired.KindEdge+"/") }
