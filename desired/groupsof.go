package desired

import (
	"maps"
	"slices"
	"strings"
)

// A family is a group of groups as a playbook says it.
type family struct {
	src      Source
	children []candidate
}

// families reads the groups of groups that a playbook writes, and gives the crowd as
// the playbook sees it: they are its own.
func (l *loader) families(p *playbook, c *crowd) *crowd {
	groups := p.merged.get("groups")
	if groups == nil || groups.form != mapForm {
		return c
	}
	own := map[string]*family{}
	for i := range groups.entries {
		e := &groups.entries[i]
		if e.value.form == listForm && l.checkFamily(p, e) {
			own[e.key] = &family{src: e.src(), children: p.words("groups", e.key)}
			if at, host := c.hosts[e.key]; host {
				l.note(e.src(), p.id, "groups: %q is the name of %s as well: in a pattern that is meant, and the group only after ! and &", e.key, c.members[at].id)
			}
		}
	}
	with := *c
	with.groups = maps.Clone(c.groups)
	names := sortedKeys(own)
	for _, name := range names {
		if _, has := with.groups[name]; !has {
			with.groups[name] = nil
		}
	}
	for _, name := range names {
		l.checkChildren(p, name, own[name], &with)
	}
	if !l.familyCircles(p, own, names) {
		with.adopt(own, names)
	}
	return &with
}

// sorted are the groups that it is made of.
func (f *family) sorted() []string {
	words := make([]string, len(f.children))
	for i, child := range f.children {
		words[i] = child.name
	}
	slices.Sort(words)
	return slices.Compact(words)
}

func (l *loader) checkFamily(p *playbook, e *entry) bool {
	switch e.key {
	case "all", "ungrouped", KindVM, KindContainer, KindHost:
		l.wrong(p.item, e.src(), "groups: %q is built in: choose another name", e.key)
		return false
	}
	if !isGroup(e.key) {
		l.wrong(p.item, e.src(), "groups: %q: write %s: a-z, 0-9 and _ only", e.key, groupWord(strings.ToLower(e.key)))
		return false
	}
	return true
}

// checkChildren checks that the groups which one is made of are there.
func (l *loader) checkChildren(p *playbook, name string, f *family, c *crowd) {
	f.children = slices.DeleteFunc(f.children, func(child candidate) bool {
		_, group := c.groups[child.name]
		at, host := c.hosts[child.name]
		switch {
		case group:
			return false
		case child.name == "all" || child.name == "ungrouped":
			l.wrong(p.item, child.src, "groups.%s: %q holds everybody, and so would it: take it out", name, child.name)
		case host:
			l.wrong(p.item, child.src, "groups.%s: %q is %s, and groups are made of groups here: write groups: [%s] at it", name, child.name, c.members[at].id, name)
		case !l.lostHost(child.name):
			others := slices.DeleteFunc(c.groupCandidates(), func(other candidate) bool { return other.name == name })
			l.wrong(p.item, child.src, "groups.%s: %s", name, l.missing("group", child.name, others))
		}
		return true
	})
}

// familyCircles refuses groups that are made of themselves.
func (l *loader) familyCircles(p *playbook, own map[string]*family, names []string) (found bool) {
	done := map[string]bool{}
	var above []string
	var visit func(name string)
	visit = func(name string) {
		f := own[name]
		if f == nil || done[name] || found {
			return
		}
		if begin := slices.Index(above, name); begin >= 0 {
			found = true
			l.wrong(p.item, f.src, "groups: a circle, %s: take one out", strings.Join(append(slices.Clone(above[begin:]), name), " → "))
			return
		}
		above = append(above, name)
		for _, child := range f.sorted() {
			visit(child)
		}
		above = above[:len(above)-1]
		done[name] = true
	}
	for _, name := range names {
		visit(name)
	}
	return found
}

// adopt puts into each group of groups the members of those that it is made of.
func (c *crowd) adopt(own map[string]*family, names []string) {
	c.parents = make(map[string][]string)
	done := map[string]bool{}
	var gather func(name string) []int
	gather = func(name string) []int {
		f := own[name]
		if f == nil || done[name] {
			return c.groups[name]
		}
		done[name] = true
		places := slices.Clone(c.groups[name])
		for _, child := range f.sorted() {
			places = append(places, gather(child)...)
			c.parents[child] = append(c.parents[child], name)
		}
		slices.Sort(places)
		c.groups[name] = slices.Compact(places)
		return c.groups[name]
	}
	for _, name := range names {
		gather(name)
	}
}

// whoseGroup tells that a word is a group of groups of another playbook's; "" if none's.
func (l *loader) whoseGroup(word string) string {
	for _, p := range l.playbooks {
		if src, ok := p.merged.find("groups").keyAt(word); ok {
			return "group " + word + " is " + string(p.id) + "'s own (" + src.place() + "): write it under this playbook's groups, too"
		}
	}
	return ""
}
