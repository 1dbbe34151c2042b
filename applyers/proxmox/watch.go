package proxmox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

const (
	// sliceMost is how many guests of ours a poll reads although nothing speaks of
	// them; of fewer than so many hundreds it reads one in a hundred.
	sliceMost = 10
	// shortLog is how many lines of the log a poll reads first.
	shortLog = 100
	// newsMost is how much news of one site a poll gathers: one is enough to look at
	// everything.
	newsMost = 3
	// pollPatience bounds a poll of one site, so that one that hangs holds nothing up.
	pollPatience = 30 * time.Second
	// knockPatience bounds asking whether a site that was down is back.
	knockPatience = 5 * time.Second
)

// Watch polls all sites at once, each with three requests (resources, log, tasks),
// one for each guest that these speak of, and one for each of a small slice of the
// others, which goes round (FACTS 10). The requests to a site follow each other on
// one connection: three at once would cost it three TLS handshakes.
func (a *Applyer) Watch(ctx context.Context, fleet *desired.Fleet) []applyers.News {
	names := slices.Sorted(maps.Keys(fleet.Sites))
	parts := make([][]applyers.News, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { parts[i] = a.watchSite(ctx, fleet, fleet.Sites[name]) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return slices.Concat(parts...)
}

func (a *Applyer) watchSite(ctx context.Context, fleet *desired.Fleet, site *desired.Site) []applyers.News {
	a.mu.Lock()
	l := a.looks[site.Name]
	a.mu.Unlock()
	whole := func(what string) []applyers.News { return []applyers.News{{Site: site.Name, What: what}} }
	switch {
	case l == nil || l.fleet != fleet:
		return whole("it has not been looked at as a whole yet")
	case l.cluster == nil && a.back(ctx, site):
		return whole("it answers again")
	case l.cluster == nil:
		return nil
	case l.untold != "":
		return whole(l.untold)
	}
	ctx, stop := context.WithTimeout(ctx, pollPatience)
	defer stop()
	p := &poll{looked: l, site: site, lists: make(map[string]nodeList)}
	if err := p.ask(ctx); err != nil {
		return whole(err.Error())
	}
	if len(p.news) == 0 {
		l.log, l.tasks = p.log.place, p.tasks
	}
	return p.news
}

// back tells whether a site that could not be read answers again. One that refused
// the token is not asked before there is another: each refusal takes it three
// seconds, and may lock the token's user out.
func (a *Applyer) back(ctx context.Context, site *desired.Site) bool {
	if a.opts.Token == nil {
		return false
	}
	token, err := a.opts.Token(ctx, site)
	if err == nil {
		token, err = pve.CheckToken(site, token)
	}
	if err != nil {
		return false
	}
	a.mu.Lock()
	known := a.clusters[site.Name]
	a.mu.Unlock()
	if known != nil && known.Refuses(token) {
		return false
	}
	c, err := a.open(site, token)
	if err != nil {
		return false
	}
	ctx, stop := context.WithTimeout(ctx, knockPatience)
	defer stop()
	var inv inventory
	return c.readNodes(ctx, &inv) == nil && inv.quorate
}

// poll is one look at what has changed on a site since the last whole one.
type poll struct {
	*looked
	site *desired.Site
	news []applyers.News
	// suspects are the marks to look at, by their indexes.
	suspects map[int]*suspect
	log      logSince
	tasks    map[string]bool
	// lists are the nodes' own that were read, by their paths.
	lists map[string]nodeList
	// tired is set once a guest that could not be read still can't: others would
	// only cost time.
	tired bool
}

// nodeList tells which guests of a kind run on a node, or why that can't be read.
type nodeList struct {
	running map[int]bool
	err     error
}

// suspect is a guest that may have changed.
type suspect struct {
	// node is where the list of resources has it now; "" if it is gone from there.
	node string
	// status is set where whether it runs is to be asked of its node.
	status bool
	// pooled is set where the pool is another one.
	pooled bool
	by     string
	brief
}

// ask reads the three lists, then what they name. An error means that nothing can be
// told.
func (p *poll) ask(ctx context.Context) error {
	if err := p.compare(ctx); err != nil {
		return err
	}
	if err := p.readLog(ctx); err != nil {
		return err
	}
	tasks := taskSince{known: p.looked.tasks, log: &p.looked.log}
	if err := p.cluster.Get(ctx, "/cluster/tasks", &tasks); err != nil {
		return err
	}
	p.tasks = tasks.now
	for vmid, logged := range p.log.named {
		p.suspect(vmid, logged.by, logged.task)
	}
	for vmid, by := range tasks.named {
		p.suspect(vmid, by, true)
	}
	for _, i := range slices.Sorted(maps.Keys(p.suspects)) {
		if err := p.examine(ctx, &p.marks[i], p.suspects[i]); err != nil {
			return err
		}
		if len(p.news) >= newsMost {
			return nil
		}
	}
	return p.slice(ctx)
}

// readLog reads the newest lines of the log, and more where the last one that was
// seen is not among them.
func (p *poll) readLog(ctx context.Context) error {
	for _, window := range []int{shortLog, logWindow} {
		p.log = logSince{from: &p.looked.log, window: window}
		err := p.cluster.Get(ctx, logPath(window), &p.log)
		switch {
		case err != nil:
			return err
		case p.log.again:
			return errors.New("the cluster log was begun anew, or its clock set back")
		case !p.log.lost:
			return nil
		}
	}
	return errors.New("the cluster log has gone on further than it shows")
}

// compare finds the guests that the list of resources shows otherwise than it did.
func (p *poll) compare(ctx context.Context) error {
	there := make([]bool, len(p.marks))
	list := glances{
		looked: p.looked,
		begin: func() {
			clear(there)
			p.news, p.suspects = nil, make(map[int]*suspect)
		},
		each: func(g *glance) {
			i, marked := slices.BinarySearchFunc(p.marks, g, func(m mark, g *glance) int { return compareMarks(m, g.kind, g.vmid) })
			switch {
			case marked:
				there[i] = true
				p.glance(i, g)
			case len(p.news) < newsMost && p.concerns(g):
				p.tell("", g.kind+" "+strconv.Itoa(g.vmid)+" is new there", "")
			}
		},
	}
	if err := p.cluster.Get(ctx, "/cluster/resources", &list); err != nil {
		return err
	}
	if list.sum != p.nodes {
		return errors.New("its nodes are not those that they were")
	}
	for i, is := range there {
		if !is {
			p.suspects[i] = &suspect{}
		}
	}
	return nil
}

// glance looks at what the list of resources says of a marked guest.
func (p *poll) glance(i int, g *glance) {
	m := &p.marks[i]
	if !m.glanced {
		m.brief, m.glanced = g.brief, true
	}
	if !m.ours {
		if m.sign != g.sign {
			p.tell(m.id, m.what()+" has another name, or other tags", "")
		}
		return
	}
	running := string(g.status) == "running"
	turned := m.read && (running || string(g.status) == "stopped") && running != m.running
	if m.brief != g.brief || turned || string(g.node) != m.node {
		p.suspects[i] = &suspect{node: nodeName(m.node, g.node), brief: g.brief, status: turned, pooled: m.pool != g.pool}
	}
}

// concerns tells whether a guest that was not there is the fleet's affair.
func (p *poll) concerns(g *glance) bool {
	if _, wanted := slices.BinarySearch(p.vmids, g.vmid); wanted {
		return true
	}
	if _, wanted := slices.BinarySearch(p.names, string(g.name)); wanted && len(g.name) > 0 {
		return true
	}
	return len(g.tags) > 0 && tagged(p.fleet, stamp.ParseTags(string(g.tags)))
}

// suspect adds a guest that the log or a task names.
func (p *poll) suspect(vmid int, by string, status bool) {
	for _, kind := range []string{desired.KindContainer, desired.KindVM} {
		i, marked := slices.BinarySearchFunc(p.marks, vmid, func(m mark, vmid int) int { return compareMarks(m, kind, vmid) })
		if !marked || !p.marks[i].ours {
			continue
		}
		s := p.suspects[i]
		if s == nil {
			s = &suspect{node: p.marks[i].node, brief: p.marks[i].brief}
			p.suspects[i] = s
		}
		s.by, s.status = by, s.status || status
	}
}

// slice reads the next guests of which nothing speaks.
func (p *poll) slice(ctx context.Context) error {
	n := len(p.marks)
	share := min(sliceMost, (n+99)/100)
	for tried := 0; share > 0 && tried < n && len(p.news) == 0 && !p.tired; tried++ {
		i := p.next % n
		p.next = (i + 1) % n
		if p.suspects[i] != nil || !p.marks[i].ours {
			continue
		}
		share--
		if err := p.examine(ctx, &p.marks[i], &suspect{node: p.marks[i].node, brief: p.marks[i].brief}); err != nil {
			return err
		}
	}
	return nil
}

// examine looks whether a guest is as it was seen. What the list says of its sizes
// and whether it runs may be old: its configuration and its node decide.
func (p *poll) examine(ctx context.Context, m *mark, s *suspect) error {
	if s.node == "" {
		return p.gone(ctx, m)
	}
	conf, err := p.cluster.ReadConfig(ctx, m.kind, s.node, m.vmid)
	switch {
	case pve.Absent(err):
		// It is on its way; the list, or the next whole look, will tell.
		return nil
	case pve.Status(err) == 401 || err != nil && pve.Status(err) != 403 && m.read:
		return err
	case err != nil && m.read:
		p.tell(m.id, m.what()+" can't be read any more: "+err.Error(), "")
		return nil
	case err != nil:
		m.brief, p.tired = s.brief, true // As it was: it can't be read.
		return nil
	case !m.read && !p.listed(ctx, s.node):
		m.brief, p.tired = s.brief, true // A whole look would not get as far as this.
		return nil
	case !m.read:
		p.tell(m.id, m.what()+" can be read again", s.by)
		return nil
	case fingerprint(p.seed, conf) != m.conf:
		p.tell(m.id, "its configuration has changed", s.by)
		return nil
	case s.node != m.node:
		p.tell(m.id, "it has moved from "+m.node+" to "+s.node, s.by)
		return nil
	case s.pooled:
		p.tell(m.id, "its pool has changed", s.by)
		return nil
	}
	if s.status {
		running, err := p.running(ctx, m)
		switch {
		case err != nil:
			return err
		case running && !m.running:
			p.tell(m.id, "it has been started", s.by)
		case !running && m.running:
			p.tell(m.id, "it has stopped", s.by)
		}
	}
	m.brief = s.brief
	return nil
}

// gone looks whether a guest that the list no longer has is really away.
func (p *poll) gone(ctx context.Context, m *mark) error {
	_, err := p.cluster.ReadConfig(ctx, m.kind, m.node, m.vmid)
	switch {
	case err == nil:
		return nil
	case pve.Absent(err):
		p.tell(m.id, m.what()+" is gone", p.log.named[m.vmid].by)
		return nil
	case pve.Status(err) == 403:
		p.tell(m.id, m.what()+" can't be seen any more", "")
		return nil
	}
	return err
}

// running asks a guest's node, whose own list is not behind (FACTS 4).
func (p *poll) running(ctx context.Context, m *mark) (bool, error) {
	list := p.list(ctx, m.kind, m.node)
	return list.running[m.vmid], list.err
}

// listed tells whether a node's lists can be read, without which a whole look reads none
// of its guests.
func (p *poll) listed(ctx context.Context, node string) bool {
	return p.list(ctx, desired.KindVM, node).err == nil && p.list(ctx, desired.KindContainer, node).err == nil
}

// list reads which guests of a kind run on a node, once in a poll.
func (p *poll) list(ctx context.Context, kind, node string) nodeList {
	path := pve.Parent(pve.GuestPath(kind, node, 0))
	list, known := p.lists[path]
	if known {
		return list
	}
	var rows resourceRows
	list.err = p.cluster.Get(ctx, path, &rows)
	list.running = make(map[int]bool, len(rows))
	for i := range rows {
		list.running[rows[i].Vmid.Int()] = rows[i].Status == "running"
	}
	p.lists[path] = list
	return list
}

func (p *poll) tell(id desired.ID, what, by string) {
	p.news = append(p.news, applyers.News{Site: p.site.Name, ID: id, What: what, By: by})
}

// what names a guest for people, beside its resource.
func (m *mark) what() string {
	r := row{kind: m.kind, vmid: m.vmid, node: m.node}
	return r.what()
}
