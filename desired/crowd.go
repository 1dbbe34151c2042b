package desired

import (
	"slices"
	"strings"
)

// A crowd is what patterns choose from: hosts by name, and by group.
type crowd struct {
	// members are sorted by name. hosts, groups and all hold places among them.
	members []member
	hosts   map[string]int
	// A guest that shall be absent is in no group, nor among all: only its own name
	// means it.
	groups map[string][]int
	all    []int
	// parents are, by group, the groups that are made of it and others.
	parents map[string][]string
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
		c.add(i, l.groupsOf(m), m.guest == nil || m.guest.State != Absent)
	}
	for _, kind := range []string{KindVM, KindContainer, KindHost} {
		if _, some := c.groups[kind]; !some {
			c.groups[kind] = nil
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

// groupsOf are the groups that a member is in itself.
func (l *loader) groupsOf(m member) []string {
	if m.guest != nil {
		return m.guest.ansible()
	}
	return l.fleet.Hosts[m.name].groups()
}

// ansible are the guest's groups, made once.
func (g *guest) ansible() []string {
	if g.inGroups == nil {
		g.inGroups = g.groups(g.kind.short)
	}
	return g.inGroups
}

// closure are groups with all that are made of them, sorted.
func (c *crowd) closure(groups []string) []string {
	if len(c.parents) == 0 {
		return groups
	}
	out := slices.Clone(groups)
	for at := 0; at < len(out); at++ {
		for _, parent := range c.parents[out[at]] {
			if !slices.Contains(out, parent) {
				out = append(out, parent)
			}
		}
	}
	slices.Sort(out)
	return out
}

// hostCandidates are the words that a pattern could name.
func (c *crowd) hostCandidates() []candidate {
	out := append([]candidate{{name: "all"}}, c.groupCandidates()...)
	for _, name := range sortedKeys(c.hosts) {
		out = append(out, candidate{name: name})
	}
	return out
}

// groupCandidates are the groups that could be named, but for all.
func (c *crowd) groupCandidates() []candidate {
	var out []candidate
	for _, group := range sortedKeys(c.groups) {
		out = append(out, candidate{name: group})
	}
	return out
}

// alike notes projects and environments that have a group in common although they
// are others, since a name has "_" in a group for whatever is no letter.
func (l *loader) alike(c *crowd) {
	if len(l.playbooks) == 0 {
		return
	}
	type stack struct{ project, environment string }
	seen := map[stack]*guest{}
	var stacks []stack
	for _, m := range c.members {
		if g := m.guest; g != nil && g.Project != "" && g.State != Absent {
			for _, s := range []stack{{g.Project, g.Environment}, {g.Project, ""}} {
				if seen[s] == nil {
					seen[s] = g
					stacks = append(stacks, s)
				}
			}
		}
	}
	first := map[string]stack{}
	for _, s := range stacks {
		groups := appGroups(s.project, s.environment)
		group := groups[len(groups)-1]
		other, taken := first[group]
		if !taken {
			first[group] = s
			continue
		}
		g := seen[s]
		l.note(g.src, g.id, "project: the group %s is that of project %s as well: a playbook for one would run on both; rename one", group, strings.TrimSpace(other.project+" "+other.environment))
	}
}
