package proxmox

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// looked is what a whole look at a site leaves for the polls after it: enough to
// tell that a guest is no longer as it was seen, and no more.
type looked struct {
	fleet *desired.Fleet
	// cluster is nil where the site could not be read.
	cluster *cluster
	seed    maphash.Seed
	// untold says why polls can tell nothing; "" if they can.
	untold string
	nodes  uint64
	// marks are of the guests that concern the fleet: containers first, since their
	// edits are in no log, each kind by VMID.
	marks []mark
	// vmids and names are those that manifests want, sorted.
	vmids []int
	names []string
	log   logPlace
	// tasks are those of the last poll, with whether they had ended; nil before it.
	tasks map[string]bool
	// next is where the next poll's slice of the marks begins.
	next int

	// glances are of all guests, until the marks are made.
	glances map[int]brief
}

// mark is what is remembered of a guest.
type mark struct {
	id         desired.ID
	kind, node string
	vmid       int
	// ours is set for what is ours or bears our signs; of others, which only stand
	// in the way, nothing but what tells whose they are is of interest.
	ours bool
	// read is set where its configuration was read: conf is its fingerprint.
	read    bool
	running bool
	// glanced is set where the list of resources had it, which may be behind.
	glanced bool
	brief
	conf uint64
}

// compareMarks is the order of the marks.
func compareMarks(m mark, kind string, vmid int) int {
	return cmp.Or(strings.Compare(m.kind, kind), cmp.Compare(m.vmid, vmid))
}

// looking begins a whole look: until it is done, polls know nothing.
func (a *Applyer) looking(fleet *desired.Fleet, site string) *looked {
	l := &looked{fleet: fleet, seed: maphash.MakeSeed(), glances: make(map[int]brief)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looks[site] = l
	return l
}

// glanceOver keeps what the list of resources says at a whole look. nil keeps nothing.
func (l *looked) glanceOver(rows []*resourceRow) {
	if l == nil {
		return
	}
	l.nodes = 0
	clear(l.glances)
	for _, r := range rows {
		if r.Type == "node" {
			l.nodes += l.nodeSign([]byte(r.Node), []byte(r.Status))
		}
		if vmid := r.Vmid.Int(); vmid > 0 {
			l.glances[vmid] = l.brief(r)
		}
	}
}

// keep ends a whole look: what it saw is what polls compare with.
func (s *sweep) keep() {
	l := s.looked
	if l == nil {
		return
	}
	l.cluster, l.log = s.cluster, s.log.place
	switch {
	case s.rights == nil || !s.rights.Has(syslog()):
		// Where nothing can be read at all there is worse to tell.
		if lacks := s.rights.Lacking([]pve.Right{syslog()}); len(lacks) > 0 && len(s.read) > 0 {
			s.note("", "", fmt.Sprintf("site %s: each poll reads all guests, since %s", s.site.Name, pve.Withheld(lacks, pve.Granter{Rights: s.rights, Token: s.TokenName()})))
		}
		l.untold = "without " + syslog().String() + " the cluster log does not tell what others change"
	case s.log.err != nil:
		l.untold = "the cluster log can't be read: " + s.log.err.Error()
		s.note("", "", fmt.Sprintf("site %s: each poll reads all guests, since %s", s.site.Name, l.untold))
	}
	owners := make(map[int]desired.ID)
	for _, live := range s.out.Lives {
		if h, ok := live.Handle.(*handle); ok {
			owners[h.vmid] = live.ID
		}
	}
	read := make(map[int]*found, len(s.read))
	for _, g := range s.read {
		read[g.vmid] = g
	}
	for _, r := range s.candidates() {
		m := mark{id: owners[r.vmid], kind: r.kind, node: r.node, vmid: r.vmid, running: r.running}
		m.brief, m.glanced = l.glances[r.vmid]
		g := read[r.vmid]
		m.ours = m.id != "" || g == nil || g.stamped && g.stamp.Of(s.fleet) || tagged(s.fleet, g.tags)
		if g != nil {
			m.read, m.conf = true, g.print
		}
		if want := s.wants.byVMID[r.vmid]; m.id == "" && want != nil {
			m.id = want.ID
		}
		l.marks = append(l.marks, m)
	}
	slices.SortFunc(l.marks, func(x, y mark) int { return compareMarks(x, y.kind, y.vmid) })
	for _, g := range s.wants.guests {
		l.vmids = append(l.vmids, g.VMID)
		l.names = append(l.names, g.Hostname)
	}
	slices.Sort(l.vmids)
	slices.Sort(l.names)
	if n := len(l.marks); n > 0 {
		// Each look begins elsewhere, so that all have their turn although looks come
		// before a round is over.
		l.next = rand.IntN(n) //nolint:gosec // It guards nothing.
	}
	l.glances = nil
}

// syslog is the right that shows the lines of others in the cluster's log (FACTS 10).
func syslog() pve.Right { return pve.Right{Path: "/", Privilege: "Sys.Syslog"} }
