package desired

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	regexpLogin = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	regexpVar   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// defaultOrder is a playbook's place among others unless it says.
const defaultOrder = 50

// A playbook is a Playbook being loaded.
type playbook struct {
	*item
	*Playbook
	// on are the targets, by name.
	on []*guest
}

// playbookDocuments reads the playbooks, who they are for and what they must
// have run.
func (l *loader) playbookDocuments() {
	for _, doc := range l.docs {
		if doc.kind.word != "Playbook" {
			continue
		}
		p := &playbook{Playbook: &Playbook{Order: defaultOrder, Timeout: minutes(30)}}
		p.item = l.open(doc, p.Playbook, l.defaults["Playbook"])
		p.Name = doc.name
		l.playbooks = append(l.playbooks, p)
	}
	slices.SortFunc(l.playbooks, func(a, b *playbook) int { return strings.Compare(a.name, b.name) })
	crowd := l.crowd()
	l.ambiguous(crowd)
	dirs := map[string]string{}
	for _, p := range l.playbooks {
		l.checkPlaybook(p)
		l.checkVars(p.item)
		l.checkIgnore(p.item, p.kind)
		l.targets(p, crowd)
		l.due(p, dirs)
		p.set.drop("hosts")
	}
}

func (l *loader) checkPlaybook(p *playbook) {
	if len(p.Runs) == 0 && !p.bad["runs"] {
		p.Runs = []string{"created", "changed"}
	}
	if p.Timeout < Duration(time.Second) && !p.bad["timeout"] {
		l.wrong(p.item, p.at("timeout"), "timeout: nothing can be done in no time: write at least 1s")
	}
	if p.User != "" && !regexpLogin.MatchString(p.User) {
		l.wrong(p.item, p.at("user"), "user: %q is no login name", p.User)
	}
	for _, node := range p.items("after") {
		if node.form == scalarForm {
			l.reference(p.item, node.src(), "after", node.text, KindPlaybook)
		}
	}
	l.playbookFile(p)
}

// checkVars checks the names of variables.
func (l *loader) checkVars(it *item) {
	vars := it.merged.get("vars")
	if vars == nil || vars.form != mapForm {
		return
	}
	for _, e := range vars.entries {
		switch {
		case strings.HasPrefix(e.key, "berth_"):
			l.wrong(it, e.src(), "vars: %q: variables that begin with berth_ are Berth's own: choose another name", e.key)
		case !regexpVar.MatchString(e.key):
			l.wrong(it, e.src(), "vars: %q is no variable of Ansible's: write letters, digits and _, a letter first", e.key)
		}
	}
}

// playbookFile finds the playbook's file.
func (l *loader) playbookFile(p *playbook) {
	src := p.at("path")
	switch {
	case p.Git != nil || p.bad["path"] || p.Path == "" && p.explained("", "path"):
		return
	case p.Path == "":
		l.wrong(p.item, p.src, "path is missing: write the playbook's file, from this manifest's directory")
		return
	case path.Ext(p.Path) != ".yml" && path.Ext(p.Path) != ".yaml":
		l.wrong(p.item, src, "path: %q: a playbook ends in .yml or .yaml", p.Path)
		return
	}
	name, info, err := l.beside(src, p.Path)
	switch {
	case err != nil:
		l.wrong(p.item, src, "path: %v", err)
	case !info.Mode().IsRegular():
		l.wrong(p.item, src, "path: %s is no file: name one", name)
	default:
		p.File, p.Dir = name, path.Dir(name)
	}
}

// ambiguous notes groups that are called like a guest: Ansible may mean either.
func (l *loader) ambiguous(c *crowd) {
	if len(l.playbooks) == 0 {
		return
	}
	note := func(id ID, groups []candidate) {
		for _, group := range groups {
			if i, ok := c.hosts[group.name]; ok {
				l.note(group.src, id, "groups: %q is the name of %s as well: Ansible may mean either", group.name, c.members[i].id)
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

// targets finds the guests that a playbook's pattern names.
func (l *loader) targets(p *playbook, c *crowd) {
	src := p.at("hosts")
	switch {
	case p.bad["hosts"] || p.Hosts == "" && p.explained("", "hosts"):
		return
	case strings.TrimSpace(p.Hosts) == "":
		l.wrong(p.item, p.src, "hosts is missing: write Ansible's pattern, as in all or env_prod:!web-1")
		return
	}
	names, unknown, strange := c.match(p.Hosts)
	for _, word := range strange {
		l.wrong(p.item, src, "hosts: %q: wildcards, ranges and expressions are not built yet: write names and groups, with : :& :!", word)
	}
	for _, word := range unknown {
		if !l.lostHost(word) {
			l.wrong(p.item, src, "hosts: %s", l.missing("guest or group", word, l.hostCandidates(c)))
		}
	}
	if len(unknown)+len(strange) > 0 {
		return
	}
	p.on = make([]*guest, 0, len(names))
	for _, m := range names {
		if m.guest == nil {
			l.wrong(p.item, src, "hosts: names %s, and playbooks for a Host are not built yet: add :!%s", m.id, m.name)
			continue
		}
		// Ansible can't reach what does not run; it is due once it does.
		if m.guest.State == Running {
			p.Targets = append(p.Targets, m.id)
			p.on = append(p.on, m.guest)
		}
	}
	slices.Sort(p.Targets)
	if len(p.Targets) == 0 && len(names) == 0 {
		l.note(src, p.id, "hosts: %q names no guest now", p.Hosts)
	} else if len(p.Targets) == 0 {
		l.note(src, p.id, "hosts: %q names no guest that runs now", p.Hosts)
	}
}

// lostHost tells whether a word may name what could not be read.
func (l *loader) lostHost(word string) bool {
	if l.lostAny || l.lostKind(KindVM) || l.lostKind(KindContainer) || l.lostKind("project") {
		return true
	}
	return l.lost[MakeID(KindHost, word)] || l.lost[MakeID("data", word)]
}

func (l *loader) hostCandidates(c *crowd) []candidate {
	out := []candidate{{name: "all"}, {name: KindVM}, {name: KindContainer}}
	for _, group := range sortedKeys(c.groups) {
		if group != KindVM && group != KindContainer {
			out = append(out, candidate{name: group})
		}
	}
	for _, name := range sortedKeys(c.hosts) {
		out = append(out, candidate{name: name})
	}
	return out
}

// due computes what must have run on each target.
func (l *loader) due(p *playbook, dirs map[string]string) {
	if p.File == "" {
		return
	}
	files, ok := dirs[p.Dir]
	if !ok {
		var err error
		if files, err = digestDir(l.fsys, p.Dir); err != nil {
			l.wrong(p.item, p.at("path"), "path: read the files of Ansible: %v", err)
			return
		}
		dirs[p.Dir] = files
	}
	p.Due = make(map[string]Run, len(p.on))
	known := l.knownRuns(p, files)
	for _, g := range p.on {
		run, ok := known[g.name]
		if !ok || g.settled == nil {
			run = Run{Digest: l.runDigest(p, files, g), Guest: g.id}
		}
		p.Due[g.name] = run
	}
	if l.remembers {
		if l.runs == nil {
			l.runs = make(map[string]knownRuns)
		}
		l.runs[p.name] = knownRuns{files, p.Due}
	}
	if !p.automatic() {
		return
	}
	from := p.at("hosts")
	p.set.room(len(p.on))
	for _, g := range p.on {
		p.set.put(Path("hosts").Sub(g.name), from)
	}
}

// knownRuns are what a playbook must have run on guests, as an earlier load found,
// as long as the files beside it are the same; nil where none did.
func (l *loader) knownRuns(p *playbook, files string) map[string]Run {
	if l.known == nil || l.known.runs[p.name].files != files {
		return nil
	}
	return l.known.runs[p.name].due
}

// runDigest is what a run on a guest must be at. A playbook that runs at
// creation only is never due because of an edit.
func (l *loader) runDigest(p *playbook, files string, g *guest) string {
	if !slices.Contains(p.Runs, "changed") {
		return digest(string(p.id))
	}
	return digest(struct {
		File, Files string
		Vars        map[string]any
		User        string
		Become      bool
		Hostname    string
		Groups      []string
		GuestVars   map[string]any
	}{p.File, files, p.Vars, p.User, p.Become, g.Hostname, g.ansible(), g.Vars})
}
