package proxmox

import (
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// Of thousands of guests few differ from their manifests, and neither all that is read
// of them nor all words for it can be kept until there is a plan: each guest is put in
// words, compared and let go of on its own, as soon as may be.

// early puts a guest of ours in words as soon as it is read. Those that have the disks
// of others wait until all are read, since data VMs say what these are called; a data VM
// is read to the end for them.
func (s *sweep) early(g *found) {
	if g.stamp.ID.Guest() && s.looks(g.stamp.ID) && len(new(wording).held(g)) == 0 {
		s.inWords.Lock()
		defer s.inWords.Unlock()
		s.word(g)
	}
}

// word puts a guest in the manifest's words, and lets go of what nobody asks for any
// more; it does so once.
func (s *sweep) word(g *found) {
	if g.live != nil {
		return
	}
	want := s.wants.byID[g.stamp.ID]
	g.live = s.live(g, want)
	if agrees(&s.comparer, g, want) {
		g.live.Spec = want.Spec
	}
	g.shed()
}

// note says something of a guest that asks for nothing.
func (g *found) note(path desired.Path, text string) {
	g.notes = append(g.notes, drift.Note{ID: g.stamp.ID, Path: path, Text: text})
}

// agrees tells whether a guest is in all as its manifest says. A data VM's disks are
// of concern to others: what it has is kept.
func agrees(c *drift.Comparer, g *found, want *desired.Resource) bool {
	return want != nil && want.ID.Guest() && !g.live.Archived && !g.adopting && !g.stamp.Making && c.Agrees(want, g.live)
}

// shed lets go of a configuration that has been put in words, but for what tells how
// the guest is reached: its interfaces, their addresses, its agent and Proxmox's own
// cloud-init drive. Of thousands of guests, both at once are too much.
func (g *found) shed() {
	left := &pve.Config{Values: make(map[string]string), Digest: g.conf.Digest}
	reaches := func(key, value string) bool {
		return key == "agent" || nicSlot(key) || strings.HasPrefix(key, "ipconfig") || driveSlot(g.kind, key) && nativeDrive(value)
	}
	for key, value := range g.conf.Values {
		if reaches(key, value) {
			left.Values[key] = value
		}
	}
	for key, value := range g.conf.Now {
		if reaches(key, value) {
			left.Wait(key, value)
		}
	}
	g.conf = left
}
