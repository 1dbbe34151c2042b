package desired

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The VMIDs that Proxmox takes (FACTS 11).
const (
	minVMID = 100
	maxVMID = 999_999_999
)

// defaultPlan is the plan of guests that say nothing.
const defaultPlan = "default"

// A plan is an IDPlan with what it may give out.
type plan struct {
	IDPlan
	name string
	src  Source
	// span are the ids that it can give, as far as is known.
	span IDRange
	// used tells that guests have widened span.
	used bool
	bad  bool
}

func (l *loader) checkPlans(s *site) {
	for _, name := range sortedKeys(s.IDs) {
		spec := s.IDs[name]
		at := Path("ids").Sub(name)
		p := &plan{IDPlan: spec, name: name, src: s.key("ids", name)}
		s.plans[name] = p
		ranged := s.has(at.Sub("range"))
		based := s.has(at.Sub("base"))
		switch {
		case s.bad[at.Sub("range")] || s.bad[at.Sub("base")] || s.bad[at.Sub("plus")]:
			p.bad = true
		case ranged == based:
			l.wrong(s.item, p.src, "%s: write either base (with plus: hostnum) or range", at)
			p.bad = true
		case ranged && s.has(at.Sub("plus")):
			l.wrong(s.item, p.src, "%s: plus goes with base, not with range: take it out", at)
			p.bad = true
		case ranged:
			p.span = spec.Range
		case based && spec.Plus == "":
			l.wrong(s.item, p.src, "%s: base alone gives every guest one id: add plus: hostnum", at)
			p.bad = true
		}
		if whole(name) {
			l.wrong(s.item, p.src, "%s: a plan's name can't be a number: choose a word", at)
		}
		for _, id := range []int{spec.Range.From, spec.Range.To} {
			if ranged && !p.bad && (id < minVMID || id > maxVMID) {
				l.wrong(s.item, p.src, "%s: %d is no VMID: write %d to %d", at, id, minVMID, maxVMID)
				p.bad = true
			}
		}
		if based && !p.bad && (spec.Base < 0 || spec.Base >= maxVMID) {
			l.wrong(s.item, p.src, "%s: base %d leaves no VMID, they go from %d to %d", at, spec.Base, minVMID, maxVMID)
			p.bad = true
		}
	}
	for i, r := range s.Foreign {
		if nodes := s.items("foreign"); i < len(nodes) && !s.bad["foreign"] && (r.From < 1 || r.To > maxVMID) {
			l.wrong(s.item, nodes[i].src(), "foreign: %s is no VMID, they go from %d to %d", nodes[i].text, minVMID, maxVMID)
		}
	}
}

// numberGuests gives every guest its VMID.
func (l *loader) numberGuests() {
	for _, g := range l.machines() {
		switch {
		case g.site == nil:
		case g.settled != nil && !g.settled.ranged:
			l.claimID(g)
		case g.settled == nil && whole(g.Plan):
			l.fixedID(g)
		}
	}
	var ranged []*guest
	for _, g := range l.machines() {
		if g.site == nil || whole(g.Plan) || g.bad["id"] || g.settled != nil && !g.settled.ranged {
			continue
		}
		p := l.planOf(g)
		if p == nil || p.bad {
			continue
		}
		if p.Plus == "" {
			ranged = append(ranged, g)
			continue
		}
		l.basedID(g, p)
	}
	slices.SortFunc(ranged, func(a, b *guest) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(string(a.id), string(b.id)))
	})
	for _, g := range ranged {
		l.rangedID(g, l.planOf(g))
	}
	for _, name := range sortedKeys(l.sites) {
		l.overlaps(l.sites[name])
	}
}

// planOf finds the plan that a guest's id names.
func (l *loader) planOf(g *guest) *plan {
	name := g.Plan
	if name == "" {
		name = defaultPlan
	}
	if p := g.site.plans[name]; p != nil {
		return p
	}
	switch {
	case g.Plan == "" && g.explained("", "id"):
	case strings.Trim(name, "0123456789") != name:
		l.wrong(g.item, g.at("id"), "id: %q is no VMID and no plan's name: write a whole number from %d on, without zeros before it, or a plan's name", name, minVMID)
	case g.site.bad["ids"] || g.site.bad[Path("ids").Sub(name)]:
	case g.Plan == "":
		l.wrong(g.item, g.src, "id is missing: write a number or a plan's name, or give site %s a plan called default", g.site.name)
	default:
		var plans []candidate
		for _, p := range sortedKeys(g.site.plans) {
			plans = append(plans, candidate{p, g.site.plans[p].src})
		}
		l.wrong(g.item, g.at("id"), "id: %s", l.missing("plan", name, plans))
	}
	return nil
}

func (l *loader) fixedID(g *guest) {
	id, err := parseInt(g.Plan)
	if err != nil || id < minVMID || id > maxVMID {
		l.wrong(g.item, g.at("id"), "id: %s is no VMID: write %d to %d", g.Plan, minVMID, maxVMID)
		return
	}
	l.take(g, id, g.at("id"))
}

// basedID is for plans whose ids follow from addresses.
func (l *loader) basedID(g *guest, p *plan) {
	if g.data {
		l.wrong(g.item, g.idSource(), "id: plan %s follows from an address, and a data VM has none: write a number, or a plan with a range", p.name)
		return
	}
	if g.bad["networks.net0.address"] || g.bad["networks.net0.hostnum"] || g.bad["networks.net0.reservation"] || g.bad["networks.net0"] || g.bad["networks"] {
		return
	}
	addr, n := g.first()
	if n == nil || !n.Subnet.IsValid() {
		if !g.addressWrong {
			l.wrong(g.item, g.idSource(), "id: plan %s follows from net0's address, which is not known: give net0 an address, a hostnum or a reservation, or write a number", p.name)
		}
		return
	}
	if !n.Subnet.Contains(addr) {
		return
	}
	id := p.Base + int(number(addr)-number(n.Subnet.Addr()))
	first, last := subnetHosts(n.Subnet)
	base := number(n.Subnet.Addr())
	span := IDRange{p.Base + int(number(first)-base), p.Base + int(number(last)-base)}
	p.widen(span)
	g.plan, g.span = p.name, span
	if id < minVMID || id > maxVMID {
		l.wrong(g.item, g.idSource(), "id: plan %s gives %d, VMIDs go from %d to %d: change the plan's base", p.name, id, minVMID, maxVMID)
		return
	}
	l.take(g, id, l.planSource(g, p))
}

// widen adds ids to those that a plan can give.
func (p *plan) widen(span IDRange) {
	if !p.used {
		p.span, p.used = span, true
	} else {
		p.span = IDRange{min(p.span.From, span.From), max(p.span.To, span.To)}
	}
}

// rangedID is for plans whose ids follow from site and name: the same from the
// same manifests, for everybody who reads them.
func (l *loader) rangedID(g *guest, p *plan) {
	size := p.span.To - p.span.From + 1
	sum := sha256.Sum256([]byte(g.site.name + "/" + g.name))
	start := int(binary.BigEndian.Uint64(sum[:8]) % uint64(size)) //nolint:gosec // Both are small and positive.
	for i := range size {
		id := p.span.From + (start+i)%size
		if _, has := g.site.ids[id]; has || g.site.foreign(id) {
			continue
		}
		if g.settled != nil {
			// Another one has come or gone before it.
			l.doubt = l.doubt || id != g.VMID
			l.claimID(g)
			return
		}
		g.ranged = true
		l.take(g, id, l.planSource(g, p))
		// A guest that is there keeps the id of its stamp: such an id is for new
		// ones, and never compared.
		g.set.drop("id")
		return
	}
	l.wrong(g.item, g.idSource(), "id: plan %s is full, all of %d-%d are taken: widen it", p.name, p.span.From, p.span.To)
}

// planSource is where an id that follows from a plan comes from.
func (l *loader) planSource(g *guest, p *plan) Source {
	if g.Plan != "" {
		return g.at("id")
	}
	src := p.src
	src.Layer = KindSite + "/" + g.site.name
	return src
}

func (g *guest) idSource() Source {
	if g.Plan != "" {
		return g.at("id")
	}
	return g.src
}

func (s *site) foreign(id int) bool {
	return slices.ContainsFunc(s.Foreign, func(r IDRange) bool { return r.Contains(id) })
}

// take gives a guest a VMID, unless somebody has it.
func (l *loader) take(g *guest, id int, src Source) {
	if g.site.foreign(id) {
		l.wrong(g.item, g.idSource(), "id: %d is foreign on site %s (%s): choose another", id, g.site.name, g.site.key("foreign").place())
		return
	}
	if other := g.site.ids[id]; other != nil {
		l.wrong(g.item, g.idSource(), "id: %d %s", id, taken{other.id, other.idFrom}.whose(g.idSource()))
		return
	}
	where := src
	where.Layer = ""
	if g.Plan == "" {
		where = g.src
	}
	g.site.ids[id] = g
	g.idFrom = where
	g.VMID = id
	g.set.put("id", src)
}

// overlaps refuses plans that could give out the same id.
func (l *loader) overlaps(s *site) {
	var list []*plan
	for _, name := range sortedKeys(s.plans) {
		p := s.plans[name]
		if p.bad {
			continue
		}
		if p.Plus != "" && !p.used {
			p.span = s.narrowest(p.Base)
		}
		list = append(list, p)
	}
	for i, p := range list {
		for _, q := range list[:i] {
			if p.span.From <= q.span.To && q.span.From <= p.span.To {
				l.wrong(s.item, p.src, "ids.%s: its ids %s overlap with %s of plan %s (%s): move one", p.name, p.span, q.span, q.name, q.src.place())
			}
		}
	}
}

// narrowest is what a plan gives out on the site's smallest subnet.
func (s *site) narrowest(base int) IDRange {
	span := IDRange{base, base}
	for _, name := range sortedKeys(s.networks) {
		n := s.networks[name]
		if !n.Subnet.IsValid() {
			continue
		}
		_, last := subnetHosts(n.Subnet)
		to := base + int(number(last)-number(n.Subnet.Addr()))
		if span.To == base || to < span.To {
			span.To = to
		}
	}
	return span
}

// String is "101" or "60000-60003".
func (r IDRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}
