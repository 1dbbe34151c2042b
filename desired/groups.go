package desired

import (
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
	if g.Project != "" {
		app := "app_" + groupWord(g.Project)
		out = append(out, "app_all", app+"_all")
		add(app+"_", g.Environment)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Groups lists the Ansible groups of a guest or Host, sorted, without "all":
// those that its manifest names, and for a guest those that follow from its
// kind ("vm", "ct"), site, environment, project, tags and startup phase, as in
// "site_home" and "tag_prod", where whatever is no letter or digit is "_". Guests of
// a project are in "app_all", "app_PROJECT_all" and "app_PROJECT_ENVIRONMENT" besides.
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
	// members are sorted by name. hosts, groups and all hold places among them.
	members []member
	hosts   map[string]int
	// A guest that shall be absent is in no group, nor among all: only its own name
	// means it.
	groups map[string][]int
	all    []int
}

// A member of a crowd is a guest or a Host.
type member struct {
	name string
	id   ID
	// guest is nil for a Host.
	guest *guest
}

func (l *loader) crowd() *crowd {
	many := len(l.guests) + len(l.hosts)
	c := &crowd{members: make([]member, 0, many), hosts: make(map[string]int, many), groups: map[string][]int{}}
	for _, g := range l.guests {
		c.members = append(c.members, member{name: g.name, id: g.id, guest: g})
	}
	for name, host := range l.hosts {
		c.members = append(c.members, member{name: name, id: host.id})
	}
	slices.SortFunc(c.members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	for i, m := range c.members {
		if m.guest == nil {
			c.add(i, l.fleet.Hosts[m.name].Groups, true)
		} else {
			c.add(i, m.guest.ansible(), m.guest.State != Absent)
		}
	}
	return c
}

// add takes a member in, and into groups if it is there.
func (c *crowd) add(i int, groups []string, there bool) {
	c.hosts[c.members[i].name] = i
	if there {
		c.all = append(c.all, i)
	}
	for _, group := range groups {
		if there {
			c.groups[group] = append(c.groups[group], i)
		} else if _, known := c.groups[group]; !known {
			c.groups[group] = nil
		}
	}
}

// ansible are the guest's groups, made once.
func (g *guest) ansible() []string {
	if g.inGroups == nil {
		g.inGroups = g.groups(g.kind.short)
	}
	return g.inGroups
}

// match finds what an Ansible pattern chooses. Like Ansible it takes unions
// first, then intersections, then exclusions, wherever they stand. unknown
// lists the words that name nothing, strange those that are no names at all.
func (c *crowd) match(pattern string) (chosen []member, unknown, strange []string) {
	in := make([]bool, len(c.members))
	var both, not [][]int
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
			for _, i := range found {
				in[i] = true
			}
		}
	}
	if !regular {
		for _, i := range c.all {
			in[i] = true
		}
	}
	for _, found := range both {
		kept := make([]bool, len(in))
		for _, i := range found {
			kept[i] = in[i]
		}
		in = kept
	}
	for _, found := range not {
		for _, i := range found {
			in[i] = false
		}
	}
	chosen = make([]member, 0, len(in))
	for i, m := range c.members {
		if in[i] {
			chosen = append(chosen, m)
		}
	}
	return chosen, unknown, strange
}

// find is who a word of a pattern names.
func (c *crowd) find(word string) ([]int, bool) {
	if word == "all" {
		return c.all, true
	}
	if i, ok := c.hosts[word]; ok {
		return []int{i}, true
	}
	if places, ok := c.groups[word]; ok {
		return places, true
	}
	switch word {
	case KindVM, KindContainer:
		return nil, true
	}
	return nil, false
}
