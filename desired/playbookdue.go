package desired

// due computes what must have run on each target.
func (l *loader) due(p *playbook, dirs map[string]string) {
	if p.File == "" && p.Runner.Webhook == nil {
		return
	}
	files := ""
	if p.File != "" && p.Git == nil {
		known, ok := dirs[p.Dir]
		if !ok {
			var err error
			if known, err = digestDir(l.fsys, p.Dir); err != nil {
				l.wrong(p.item, p.at("path"), "path: read the files of Ansible: %v", err)
				return
			}
			dirs[p.Dir] = known
		}
		files = known
	}
	p.Due = make(map[string]Run, len(p.on))
	known := l.knownRuns(p, files)
	for _, m := range p.on {
		run, ok := known[m.name]
		if !ok || m.guest == nil || m.guest.settled == nil {
			run = l.runOf(p, files, m)
		}
		p.Due[m.name] = run
	}
	if l.remembers {
		if l.runs == nil {
			l.runs = make(map[string]knownRuns)
		}
		l.runs[p.name] = knownRuns{files, p.Due}
	}
	from := p.at("hosts")
	p.set.room(len(p.on))
	for _, m := range p.on {
		p.set.put(Path("hosts").Sub(m.name), from)
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

// runOf is what must have run on a host. A playbook that runs at creation only is
// never due because of an edit.
func (l *loader) runOf(p *playbook, files string, m member) Run {
	run := Run{Guest: m.id, Play: p.id}
	switch {
	case !p.Automatic():
		run.OnDemand = true
		return run
	case !p.RunsWhen(RunsChanged):
		run.Digest = digest(string(p.id))
		return run
	}
	host := l.hostSide(m)
	refs := append(append(SecretRefs(host.Vars), SecretRefs(p.Vars)...), p.vaultRefs()...)
	run.Secrets, run.Git = sortedRefs(refs), p.Git != nil
	run.Digest = digest(struct {
		File, Files string
		Vars        map[string]any
		User        string
		Become      bool
		Host        hostSide
	}{p.File, files, p.Vars, p.User, p.Become, host})
	return run
}

// hostSide is what a manifest says of a host as far as it is Ansible's to see.
type hostSide struct {
	Hostname, Address, User string
	Port                    int
	Groups                  []string
	Vars                    map[string]any
}

func (l *loader) hostSide(m member) hostSide {
	if g := m.guest; g != nil {
		addr, _ := g.address()
		return hostSide{g.Hostname, addr, g.SSH.User, g.SSH.Port, g.ansible(), g.Vars}
	}
	h := l.fleet.Hosts[m.name]
	return hostSide{h.Name, h.Address, h.SSH.User, h.SSH.Port, h.Groups.sorted(), h.Vars}
}
