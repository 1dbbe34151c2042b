package desired

import (
	"maps"
	"slices"
	"strings"
)

// groupWord is a word as Ansible takes it for the name of a group.
func groupWord(word string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, word)
}

// groups is [Fleet.Groups] for a guest of a short kind.
func (g *Guest) groups(kind string) []string {
	out := append([]string{kind}, g.Groups...)
	add := func(prefix, word string) {
		if word != "" {
			out = append(out, prefix+groupWord(word))
		}
	}
	add("site_", g.Site)
	add("env_", g.Environment)
	add("project_", g.Project)
	for _, tag := range g.Tags {
		add("tag_", tag)
	}
	add("phase_", g.Startup)
	slices.Sort(out)
	return slices.Compact(out)
}

// Groups lists the Ansible groups of a guest or Host, sorted, without "all":
// those that its manifest names, and for a guest those that follow from its
// kind ("vm", "ct"), site, environment, project, tags and startup phase, as in
// "site_home" and "tag_prod", where whatever is no letter or digit is "_".
func (f *Fleet) Groups(id ID) []string {
	if g := f.Guest(id); g != nil {
		return g.groups(id.Kind())
	}
	if h := f.Hosts[id.Name()]; h != nil && id.Kind() == KindHost {
		return h.Groups.sorted()
	}
	return nil
}

// A crowd is what patterns choose from: hosts by name, and by group.
type crowd struct {
	hosts  map[string]ID
	groups map[string][]string
	all    []string
}

func (l *loader) crowd() *crowd {
	c := &crowd{hosts: map[string]ID{}, groups: map[string][]string{}}
	add := func(name string, id ID, groups []string) {
		c.hosts[name] = id
		c.all = append(c.all, name)
		for _, group := range groups {
			c.groups[group] = append(c.groups[group], name)
		}
	}
	for _, g := range l.guests {
		if g.State != Absent {
			add(g.name, g.id, g.groups(g.kind.short))
		} else {
			c.hosts[g.name] = g.id
			for _, group := range g.groups(g.kind.short) {
				c.groups[group] = append(c.groups[group], "")
			}
		}
	}
	for _, name := range sortedKeys(l.hosts) {
		add(name, l.hosts[name].id, l.fleet.Hosts[name].Groups)
	}
	slices.Sort(c.all)
	return c
}

// match finds what an Ansible pattern chooses. Like Ansible it takes unions
// first, then intersections, then exclusions, wherever they stand. unknown
// lists the words that name nothing, strange those that are no names at all.
func (c *crowd) match(pattern string) (names, unknown, strange []string) {
	chosen := map[string]bool{}
	var both, not [][]string
	regular := false
	for _, word := range strings.FieldsFunc(pattern, func(r rune) bool { return r == ':' || r == ',' }) {
		word = strings.TrimSpace(word)
		bare := strings.TrimLeft(word, "!&")
		found, ok := c.find(bare)
		switch {
		case bare == "" || strings.ContainsAny(bare, "*?[]~ ") || len(word)-len(bare) > 1:
			strange = append(strange, word)
			continue
		case !ok:
			unknown = append(unknown, bare)
			continue
		}
		switch word[0] {
		case '!':
			not = append(not, found)
		case '&':
			both = append(both, found)
		default:
			regular = true
			for _, name := range found {
				chosen[name] = true
			}
		}
	}
	if !regular {
		for _, name := range c.all {
			chosen[name] = true
		}
	}
	for _, found := range both {
		kept := map[string]bool{}
		for _, name := range found {
			kept[name] = chosen[name]
		}
		maps.DeleteFunc(chosen, func(name string, _ bool) bool { return !kept[name] })
	}
	for _, found := range not {
		for _, name := range found {
			delete(chosen, name)
		}
	}
	delete(chosen, "")
	return sortedKeys(chosen), unknown, strange
}

// find is who a word of a pattern names.
func (c *crowd) find(word string) ([]string, bool) {
	if word == "all" {
		return c.all, true
	}
	if _, ok := c.hosts[word]; ok {
		return []string{word}, true
	}
	if names, ok := c.groups[word]; ok {
		return names, true
	}
	switch word {
	case KindVM, KindContainer:
		return nil, true
	}
	return nil, false
}
