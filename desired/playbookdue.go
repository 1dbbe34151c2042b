package desired

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
)

// A dueness is what all runs of a playbook have in common.
type dueness struct {
	*playbook
	dir *playDir
	// play is the digest of what concerns all hosts, files that of all that lies in the
	// repository for any of them.
	play, files string
	// parts are what the runs have in common of what they are known by.
	parts RunParts
	// refs are the secrets that all use.
	refs []SecretRef
	// extra are the digests of files that lie elsewhere.
	extra []string
}

// due computes what must have run on each target.
func (l *loader) due(p *playbook, c *crowd) {
	if p.File == "" && p.Runner.Webhook == nil {
		return
	}
	d, ok := l.dueness(p)
	if !ok {
		return
	}
	if d.dir != nil {
		d.dir.named(p, c)
	}
	p.Due = make(map[string]Run, len(p.on))
	known := l.knownRuns(p, d.files)
	for _, m := range p.on {
		run, ok := known[m.name]
		if !ok || m.guest == nil || m.guest.settled == nil {
			run = l.runOf(d, c, m)
		}
		p.Due[m.name] = run
	}
	if l.remembers {
		if l.runs == nil {
			l.runs = make(map[string]knownRuns)
		}
		l.runs[p.name] = knownRuns{d.files, p.Due}
	}
	from := p.at("hosts")
	p.set.room(len(p.on))
	for _, m := range p.on {
		p.set.put(Path("hosts").Sub(m.name), from)
	}
}

// dueness looks at what all runs of a playbook have in common. ok tells that its files
// could be read; where they couldn't, it has been reported.
func (l *loader) dueness(p *playbook) (d *dueness, ok bool) {
	d = &dueness{playbook: p, refs: sortedRefs(append(SecretRefs(p.Vars), p.vaultRefs()...))}
	common := ""
	if p.File != "" && p.Git == nil {
		dir, err := l.playDir(p.Dir)
		if err != nil {
			l.wrong(p.item, p.at("path"), "path: read the files of Ansible: %v", err)
			return nil, false
		}
		d.dir, d.files, common = dir, dir.whole, dir.common
	}
	elsewhere := p.VarsFilePaths
	if p.Git == nil {
		elsewhere = slices.Concat(p.RequirementFiles, elsewhere)
	}
	for _, name := range elsewhere {
		if d.dir != nil && strings.HasPrefix(name, p.Dir+"/") {
			continue // It is among the files of the directory.
		}
		file, err := l.contentOf(name)
		if err != nil {
			l.wrong(p.item, p.src, "read %s: %v", name, err)
			return nil, false
		}
		d.extra = append(d.extra, name+" "+file.digest)
	}
	d.files = digest(append([]string{d.files}, d.extra...))
	d.play = digest(struct {
		File, Common, Each     string
		Extra, Files, Required []string
		Vars                   map[string]any
		Vaults                 map[string]SecretRef
		Tags, SkipTags         []string
		User                   string
		Port                   int
		Become                 bool
		Webhook                []string
	}{
		p.File, common, p.Each, d.extra, p.VarsFilePaths, p.RequirementFiles, p.Vars, p.Vaults,
		p.Tags, p.SkipTags, p.User, p.Port, p.Become, p.Runner.asks(),
	})
	d.parts.Files = part(p.File, common, p.Each, d.extra, p.VarsFilePaths, p.RequirementFiles)
	d.parts.Vars = part(p.Vars, p.Vaults, p.Tags, p.SkipTags, p.User, p.Port, p.Become, p.Runner.asks())
	return d, true
}

// part is what a part of a run is known by.
func part(of ...any) (known [6]byte) {
	sum := sha256.Sum256([]byte(digest(of)))
	copy(known[:], sum[:])
	return known
}

// asks is what a webhook is asked for; nil where there is none.
func (r Runner) asks() []string {
	if r.Webhook == nil {
		return nil
	}
	return []string{r.Webhook.Method, r.Webhook.URL}
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
func (l *loader) runOf(d *dueness, c *crowd, m member) Run {
	run := Run{Guest: m.id, Play: d.id}
	switch {
	case !d.Automatic():
		run.OnDemand = true
		return run
	case !d.RunsWhen(RunsChanged):
		run.Digest = digest(string(d.id))
		return run
	}
	host := l.hostSide(m)
	host.Groups = c.closure(host.Groups)
	run.Git, run.Secrets = d.Git != nil, d.refs
	if own := SecretRefs(host.Vars); own != nil && d.Runner.Webhook == nil {
		run.Secrets = sortedRefs(slices.Concat(own, d.refs))
	}
	var files []string
	if d.dir != nil {
		files = d.dir.concerning(m.name, host.Groups)
	}
	// It is written as JSON once for both: there are as many runs as there are hosts.
	side, err := json.Marshal(host)
	if err != nil {
		side = []byte("null") // What the loader makes can always be written.
	}
	run.Digest = digest(struct {
		Play  string
		Files []string
		Host  json.RawMessage
	}{d.play, files, side})
	run.Parts = d.parts
	sum := sha256.Sum256(side)
	copy(run.Parts.Host[:], sum[:])
	if len(files) > 0 {
		run.Parts.Files = part(d.parts.Files, files)
	}
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
	return hostSide{h.Name, h.Address, h.SSH.User, h.SSH.Port, h.groups(), h.Vars}
}
