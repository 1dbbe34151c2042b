package desired

import (
	"net/netip"
	"path"
)

// A settled guest is one that an earlier load has read and found without mistake.
// As long as its file and all documents but guests are the same, what was made of
// it is; what it takes is asked for again, since another guest may have taken it.
type settled struct {
	// doc is the guest's document, without what was written in it.
	doc      *document
	resource *Resource
	*claims
}

// claims is what a guest has that bears on others.
type claims struct {
	macs   []macClaim
	six    []sixClaim
	wants  []wantClaim
	uses   []volumeUse
	images []imageClaim
	routes []routeClaim
	// idFrom is where the VMID comes from, for people. plan is the plan that gave it,
	// if one did: from a range, or span by an address.
	idFrom Source
	plan   string
	span   IDRange
	ranged bool
	// inGroups are the guest's groups in Ansible, grouped those of them that its
	// manifest names.
	inGroups []string
	grouped  []candidate
	// notes are the remarks about it, told or not because they were told before;
	// guesses are the names that it was compared with.
	notes   []Problem
	guesses int
	// besides are the files that its manifest names.
	besides []beside
}

type macClaim struct {
	mac string
	src Source
}

type sixClaim struct {
	place place6
	src   Source
}

type wantClaim struct {
	network, nic, field string
	addr                netip.Addr
	src                 Source
}

// An imageClaim is a use of an image as some content.
type imageClaim struct {
	name, content string
	src           Source
	// here tells that it is needed on the guest's site.
	here bool
}

// A beside is a file that a manifest names, as it was read.
type beside struct{ from, rel, digest string }

// settle keeps what the next load may go by of a guest.
func settle(g *guest) *settled {
	if g.settled != nil {
		return g.settled
	}
	s := &settled{resource: g.resource, claims: g.claims}
	for i := range s.uses {
		s.uses[i].guest = nil
	}
	doc := *g.document
	doc.tree, doc.layers, doc.guest, doc.settled = nil, nil, nil, s
	s.doc = &doc
	return s
}

// besidesAreSame tells whether the files that a file's guests name are what they
// were.
func (l *loader) besidesAreSame(known *knownFile) bool {
	for _, s := range known.guests {
		for _, b := range s.besides {
			if l.besideDigest(b.from, b.rel) != b.digest {
				return false
			}
		}
	}
	return true
}

// besideDigest is the digest of a file that a manifest names; "" if it can't be
// read.
func (l *loader) besideDigest(from, rel string) string {
	key := path.Dir(from) + "\x00" + rel
	if known, ok := l.besides[key]; ok {
		return known
	}
	text, err := l.readBesideOf(Source{File: from}, rel)
	digest := ""
	if err == nil {
		digest = contentDigest([]byte(text))
	}
	l.besides[key] = digest
	return digest
}

// resettle takes a settled guest, as it is.
func (l *loader) resettle(g *guest, s *settled) {
	g.settled, g.claims = s, s.claims
	r := s.resource
	g.document = s.doc
	switch spec := r.Spec.(type) {
	case *VM:
		g.vm, g.Guest = spec, &spec.Guest
	case *Container:
		g.ct, g.Guest = spec, &spec.Guest
	}
}

// claim asks again for what a settled guest takes on its site and in the fleet.
func (l *loader) claim(g *guest) {
	s := g.settled
	if g.site = l.sites[g.Site]; g.site == nil {
		l.doubt = true
		return
	}
	for _, c := range s.macs {
		if _, has := l.macs[c.mac]; has {
			l.doubt = true
		}
		l.macs[c.mac] = taken{g.id, c.src}
	}
	for _, c := range s.six {
		if _, has := l.static6[c.place]; has {
			l.doubt = true
		}
		l.static6[c.place] = taken{g.id, c.src}
	}
	for _, c := range s.wants {
		n := g.site.networks[c.network]
		if n == nil {
			l.doubt = true
			return
		}
		n.wants = append(n.wants, want{guest: g, nic: c.nic, field: c.field, addr: c.addr, src: c.src})
	}
	for _, use := range s.uses {
		use.guest = g
		l.uses = append(l.uses, use)
	}
	for _, c := range s.images {
		l.claimImage(g, c)
	}
	for _, p := range s.notes {
		l.remark(p)
	}
	if s.guesses > 0 && !l.mayGuess(s.guesses) {
		l.doubt = true
	}
}

// claimImage uses an image again.
func (l *loader) claimImage(g *guest, c imageClaim) {
	i := l.images[c.name]
	switch {
	case i == nil:
		l.doubt = true
		return
	case i.content == "":
		i.content, i.by, i.bySrc = c.content, g.id, c.src
		l.settleFile(i)
	case i.content != c.content:
		l.doubt = true
	}
	if c.here {
		i.sites[g.site.name] = true
	}
}

// claimID takes a settled guest's VMID again.
func (l *loader) claimID(g *guest) {
	s := g.settled
	if _, has := g.site.ids[g.VMID]; has {
		l.doubt = true
	}
	g.site.ids[g.VMID] = g
	if p := g.site.plans[s.plan]; p != nil && !s.ranged {
		p.widen(s.span)
	}
}

// claimNeeds checks that what a settled guest waits for is there.
func (l *loader) claimNeeds(g *guest) {
	for _, need := range g.Needs {
		id := ID(need)
		if l.named[id] == nil {
			l.doubt = true
		} else if other := l.guest(id); other != nil && other.State != Running && g.State == Running {
			l.doubt = true
		}
	}
}
