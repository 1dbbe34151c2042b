package desired

import (
	"slices"
	"strings"
)

// ambiguous notes groups that are called like a guest or Host: by itself the name means
// the host to Ansible, and the group after ! and &.
func (l *loader) ambiguous(c *crowd) {
	if len(l.playbooks) == 0 {
		return
	}
	note := func(id ID, groups []candidate) {
		for _, group := range groups {
			if i, ok := c.hosts[group.name]; ok {
				l.note(group.src, id, "groups: %q is the name of %s as well: in a pattern that is meant, and the group only after ! and &", group.name, c.members[i].id)
			}
		}
	}
	for _, g := range l.guests {
		if g.settled != nil {
			note(g.id, g.settled.grouped)
			continue
		}
		g.grouped = g.words("groups")
		note(g.id, g.grouped)
	}
	for _, name := range sortedKeys(l.hosts) {
		note(l.hosts[name].id, l.hosts[name].words("groups"))
	}
}

// targets finds the guests and Hosts that a playbook's patterns name.
func (l *loader) targets(p *playbook, c *crowd) {
	src := p.at("hosts")
	switch {
	case p.bad["hosts"] || p.Hosts == "" && p.explained("", "hosts"):
		return
	case strings.TrimSpace(p.Hosts) == "":
		l.wrong(p.item, p.src, "hosts is missing: write Ansible's pattern, as in all or env_prod:!web-1")
		return
	}
	named, ok := l.matched(p, c, "hosts", p.Hosts)
	if strings.TrimSpace(p.Limit) != "" && !p.bad["limit"] {
		within, known := l.matched(p, c, "limit", p.Limit)
		ok = ok && known
		named = slices.DeleteFunc(named, func(m member) bool { return !slices.Contains(within, m) })
	} else if p.has("limit") && !p.bad["limit"] {
		l.wrong(p.item, p.at("limit"), "limit: it is empty: write Ansible's pattern, or take it out")
	}
	if !ok {
		return
	}
	p.on = make([]member, 0, len(named))
	for _, m := range named {
		// Ansible can't reach what does not run; it is due once it does.
		if m.guest == nil || m.guest.State == Running {
			p.Targets = append(p.Targets, m.id)
			p.on = append(p.on, m)
		}
	}
	slices.Sort(p.Targets)
	switch {
	case len(p.Targets) > 0 || len(named) == 0 && wild(p.Hosts):
	case len(named) == 0 && p.Limit != "":
		l.note(src, p.id, "hosts: %q, limited to %q, names no guest or Host now", p.Hosts, p.Limit)
	case len(named) == 0:
		l.note(src, p.id, "hosts: %q names no guest or Host now", p.Hosts)
	default:
		l.note(src, p.id, "hosts: %q names no guest that runs now", p.Hosts)
	}
}

// matched finds whom a pattern names. ok tells that it can be used; where it can't, the
// reason has been reported.
func (l *loader) matched(p *playbook, c *crowd, field, pattern string) (named []member, ok bool) {
	if len(patternWords(pattern)) == 0 {
		l.wrong(p.item, p.at(field), "%s: %q names nobody: write Ansible's pattern, as in all or env_prod:!web-1", field, pattern)
		return nil, false
	}
	found := c.match(pattern)
	for _, strange := range found.strange {
		l.wrong(p.item, p.at(field), "%s: %q: %s", field, strange.word, strange.why)
	}
	for _, word := range found.unknown {
		if other := l.whoseGroup(word); other != "" {
			l.wrong(p.item, p.at(field), "%s: %s", field, other)
		} else if !l.lostHost(word) {
			l.wrong(p.item, p.at(field), "%s: %s", field, l.missing("guest or group", word, c.hostCandidates()))
		}
	}
	for _, word := range found.idle {
		l.note(p.at(field), p.id, "%s: %q fits no guest, Host or group now", field, word)
	}
	return found.named, len(found.unknown)+len(found.strange) == 0
}

// lostHost tells whether a word may name what could not be read.
func (l *loader) lostHost(word string) bool {
	if l.lostAny || l.lostKind(KindVM) || l.lostKind(KindContainer) || l.lostKind("project") {
		return true
	}
	return l.lost[MakeID(KindHost, word)] || l.lost[MakeID("data", word)]
}
