package proxmox

import (
	"context"
	"net/netip"
	"time"
)

// recalled is who of the guests that are not ours had an address that kept something
// waiting. All of them are read to find that out, one request each; as long as the
// same one still has it, the next looks read that one alone. Nothing is believed that
// was not read again, but for that nobody has it, for a while.
type recalled struct {
	// vmid is 0 where the address answers although no guest's configuration has it.
	vmid int
	// at is when all guests were asked.
	at time.Time
}

// strangerTime is how long it is believed that no guest has an address that answers.
const strangerTime = time.Hour

// recalls tells who had an address at the last whole look.
func (s *sweep) recalls(addr netip.Addr) (last recalled, known bool) {
	last, known = s.applyer.opts.Memory.of(s.site.Name).holders[addr]
	return last, known
}

// readRecalled reads the guests that had the claimed addresses at an earlier look.
func (s *sweep) readRecalled(ctx context.Context, claims []claim, holders map[netip.Addr][]holder) []*found {
	var rows []*row
	seen := s.readBefore()
	for _, c := range claims {
		last, known := s.recalls(c.addr)
		if r := s.inv.rows[last.vmid]; known && r != nil && !seen[last.vmid] && len(others(holders, c)) == 0 {
			seen[last.vmid] = true
			rows = append(rows, r)
		}
	}
	return s.readRows(ctx, rows, func(*row) {})
}

// readBefore are the guests whose configurations the look has read.
func (s *sweep) readBefore() map[int]bool {
	seen := make(map[int]bool, len(s.read))
	for _, g := range s.read {
		seen[g.vmid] = true
	}
	return seen
}

// recall remembers who has the addresses that are claimed. asked tells that all guests
// were read for it.
func (s *sweep) recall(claims []claim, holders map[netip.Addr][]holder, answers map[netip.Addr]string, asked bool) {
	ours := s.readBefore()
	kept := make(map[netip.Addr]recalled)
	for _, c := range claims {
		last, known := s.recalls(c.addr)
		switch by := others(holders, c); {
		case len(by) > 0 && !ours[by[0].vmid]:
			kept[c.addr] = recalled{vmid: by[0].vmid}
		case len(by) == 0 && answers[c.addr] != "" && asked:
			kept[c.addr] = recalled{at: s.Now()}
		case len(by) == 0 && answers[c.addr] != "" && known:
			kept[c.addr] = last
		}
	}
	s.applyer.opts.Memory.of(s.site.Name).holders = kept
}

// settled tells whether nobody needs to be read to hold a claim: a guest has the
// address, or it still answers, and no guest's configuration has told whose it is.
func (s *sweep) settled(c claim, holders map[netip.Addr][]holder, answers map[netip.Addr]string) bool {
	if len(others(holders, c)) > 0 {
		return true
	}
	last, known := s.recalls(c.addr)
	return known && last.vmid == 0 && s.Now().Sub(last.at) < strangerTime && answers[c.addr] != "" && c.guest == nil
}
