package routes

import (
	"maps"
	"reflect"
	"slices"

	"berth/desired"
)

// rows makes the routes: of each door that traffic arrives at, every name that it or
// an edge behind it tells apart, and what is done with the others.
func (m *maker) rows(t *Table) {
	used := make(map[ruleOf]bool)
	var all []*door
	for _, id := range slices.Sorted(maps.Keys(m.proxies)) {
		all = append(all, m.proxies[id].doors...)
	}
	for _, d := range all {
		if d.behind {
			continue
		}
		for _, row := range m.doorRows(d) {
			use(used, d.way, row.Chains)
			t.Routes = append(t.Routes, row)
		}
	}
	for _, d := range all {
		if !d.behind {
			continue
		}
		for _, rule := range slices.Sorted(maps.Keys(d.routes)) {
			if used[ruleOf{d.proxy.id, d.way, rule}] {
				continue
			}
			row := m.row(d, rule, m.follow(d, atoms(rule)[0]))
			row.Unreached = true
			t.Routes = append(t.Routes, row)
		}
	}
}

// ruleOf names one route of one edge.
type ruleOf struct {
	edge desired.ID
	way  Way
	rule string
}

func use(used map[ruleOf]bool, way Way, chains []Chain) {
	for _, c := range chains {
		for _, h := range c.Through {
			used[ruleOf{h.Edge, way, h.Rule}] = true
		}
	}
}

// doorRows are the routes that begin at a door.
func (m *maker) doorRows(d *door) []Route {
	type found struct {
		chains []Chain
		own    bool
	}
	ways := make(map[string]found, 2*len(d.routes))
	for _, at := range behind(d) {
		for rule := range at.routes {
			for _, atom := range atoms(rule) {
				if _, known := ways[atom]; known {
					continue
				}
				own := states(match(d.routes, atom), atom)
				chains := m.follow(d, atom)
				if own || at != d && told(chains, atom) {
					ways[atom] = found{chains: chains, own: own}
				}
			}
		}
	}
	var rows []Route
	for _, atom := range slices.Sorted(maps.Keys(ways)) {
		way, name := ways[atom], atom
		if len(atom) > 2 && atom[:2] == "*." {
			if bare, both := ways[atom[2:]]; both && same(bare.chains, way.chains) {
				continue // .x stands for both.
			}
		} else if below, both := ways["*."+atom]; both && same(way.chains, below.chains) {
			name = "." + atom
		}
		rows = append(rows, m.row(d, name, way.chains))
	}
	return append(rows, m.row(d, "", m.follow(d, "")))
}

// behind is a door, and all that are reached from it.
func behind(d *door) []*door {
	all := []*door{d}
	for i := 0; i < len(all); i++ {
		for _, next := range all[i].next {
			if !slices.Contains(all, next) {
				all = append(all, next)
			}
		}
	}
	return all
}

// told tells whether an edge on the way speaks of just this name.
func told(chains []Chain, atom string) bool {
	for _, c := range chains {
		for _, h := range c.Through {
			if states(h.Rule, atom) {
				return true
			}
		}
	}
	return false
}

// same tells whether two names take the same ways by the same rules.
func same(a, b []Chain) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) > 0 && &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if !slices.Equal(a[i].Through, b[i].Through) || !reflect.DeepEqual(a[i].To, b[i].To) {
			return false
		}
	}
	return true
}

func (m *maker) row(d *door, name string, chains []Chain) Route {
	r := Route{Edge: d.proxy.id, Way: d.way, Listen: d.listen, Name: name, Chains: chains, PROXY: d.proto}
	if len(chains) > 0 {
		r.Source = m.source(d, chains[0].Through[0].Rule)
	}
	m.judge(&r, d.way)
	return r
}

// source is the line that sends a name on its way.
func (m *maker) source(d *door, rule string) desired.Source {
	return d.proxy.from.Set.At(rulePath(d.way, rule))
}

// rulePath is the path of an edge's rule.
func rulePath(way Way, rule string) desired.Path {
	switch {
	case way == TCP || way == UDP:
		return desired.Path(way).Sub(rule)
	case rule == "":
		return desired.Path(way).Sub("default")
	}
	return desired.Path(way).Sub("routes").Sub(rule)
}
