package proxmox

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// claim is a static address that a step of the plan would bring onto the network.
type claim struct {
	want *desired.Resource
	addr netip.Addr
	vmid int
	// path is what asks for it of a guest that is in use; "" for one that is made
	// or comes back, all of which is then held.
	path desired.Path
	// guest is the one that would get it; nil for one that is yet to be made.
	guest *found
}

// holder is a guest whose configuration has an address.
type holder struct {
	*found
	// leaving tells that it is ours and gone from the manifests.
	leaving bool
	// moving tells that it is ours, and has another address in the manifests.
	moving bool
}

// addresses holds what would bring an address onto the network that somebody has.
// Asked are the address itself and the configurations of the cluster's guests;
// of those that are not ours only if there is such a step, and all of them only until
// it is known who keeps it waiting. A look at single resources plans none.
func (s *sweep) addresses(ctx context.Context, p *premises) {
	if s.only.IDs != nil {
		return
	}
	claims := s.claims(p)
	if len(claims) == 0 {
		return
	}
	var wg sync.WaitGroup
	var answers map[netip.Addr]string
	wg.Go(func() { answers = s.ask(ctx, claims) })
	holders := s.holders(s.read)
	add := func(guests []*found) {
		for addr, more := range s.holders(guests) {
			holders[addr] = append(holders[addr], more...)
		}
	}
	recalled := s.readRecalled(ctx, claims, holders)
	add(recalled)
	wg.Wait()
	asks := slices.ContainsFunc(claims, func(c claim) bool { return !s.settled(c, holders, answers) })
	if asks {
		add(s.readOthers(ctx, recalled))
	}
	s.recall(claims, holders, answers, asks)
	handles := s.handles()
	for _, c := range claims {
		why := taken(c, s.notItsOwn(ctx, c, answers[c.addr]), others(holders, c))
		switch {
		case why == "":
		case c.path == "":
			if p.obstacles[c.want.ID] == "" {
				p.obstacles[c.want.ID] = why
			}
		default:
			handles[c.want.ID].obstruct(c.path, why)
		}
	}
}

// claims are the addresses that what is planned would bring. What a creation that
// was begun has taken is its own, and so is what stands on its VMID.
func (s *sweep) claims(p *premises) []claim {
	var all []claim
	for _, r := range s.absent {
		g := guestOf(r)
		if g == nil || g.State == desired.Absent || g.AllowAddressConflict || p.obstacles[r.ID] != "" || s.inv.rows[g.VMID] != nil {
			continue
		}
		all = append(all, claimsOf(r, nil)...)
	}
	handles := s.handles()
	for _, have := range s.read {
		want := s.wants.byID[have.stamp.ID]
		h := handles[have.stamp.ID]
		if h == nil || h.vmid != have.vmid || h.making || h.adopting || want == nil || want.Site != s.site.Name {
			continue
		}
		if g := guestOf(want); g == nil || g.State == desired.Absent || g.AllowAddressConflict {
			continue
		}
		if have.stamp.Archived.IsZero() {
			all = append(all, readdressed(want, have)...)
		} else {
			all = append(all, returning(want, have)...)
		}
	}
	return all
}

// returning are the addresses with which a guest may come back from the archive: its
// manifest's, and the one that its seed gave it, which stays whatever is written.
func returning(want *desired.Resource, have *found) []claim {
	all := claimsOf(want, have)
	c := claim{want: want, vmid: have.vmid, guest: have}
	if !c.seeded() {
		return all
	}
	for _, text := range []string{have.stamp.Address, have.stamp.Next} {
		var is bool
		if c.addr, is = static(text); is && !slices.ContainsFunc(all, func(other claim) bool { return other.addr == c.addr }) {
			all = append(all, c)
		}
	}
	return all
}

// handles are those of the guests that are there, by resource.
func (s *sweep) handles() map[desired.ID]*handle {
	all := make(map[desired.ID]*handle)
	for _, live := range s.out.Lives {
		if h, ok := live.Handle.(*handle); ok {
			all[live.ID] = h
		}
	}
	return all
}

// claimsOf are all static addresses that a manifest asks for.
func claimsOf(want *desired.Resource, have *found) []claim {
	g := guestOf(want)
	var all []claim
	for _, slot := range slices.Sorted(maps.Keys(g.Networks)) {
		nic := g.Networks[slot]
		if nic.State != "" {
			continue
		}
		for _, text := range []string{nic.Address, nic.Address6} {
			if addr, ok := static(text); ok {
				all = append(all, claim{want: want, addr: addr, vmid: g.VMID, guest: have})
			}
		}
	}
	return all
}

// seeded tells whether a virtual machine stands in the archive that was given its
// address at its first boot: it keeps that, whatever its manifest says.
func (c claim) seeded() bool {
	vm, ok := c.want.Spec.(*desired.VM)
	return ok && c.guest != nil && !c.guest.stamp.Archived.IsZero() && (vm.CloudInit == nil || !vm.CloudInit.Native && !vm.CloudInit.Reruns())
}

// readdressed are the addresses of a manifest that its guest, in use, doesn't have.
func readdressed(want *desired.Resource, have *found) []claim {
	own := addressesOf(have)
	var all []claim
	for _, c := range claimsOf(want, have) {
		if slices.Contains(own, c.addr) {
			continue
		}
		if c.path = bringing(want, have, c.addr); c.path != "" && want.Has(c.path) {
			c.vmid = have.vmid
			all = append(all, c)
		}
	}
	return all
}

// bringing is the path by which an address comes to a guest in use; "" if it
// comes when the guest is made anew alone.
func bringing(want *desired.Resource, have *found, addr netip.Addr) desired.Path {
	if vm, ok := want.Spec.(*desired.VM); ok && !native(have) {
		if vm.CloudInit == nil || !vm.CloudInit.Reruns() || sameSeed(have.seedDigest(), vm.Seed) {
			return ""
		}
		return seedPath
	}
	for slot, nic := range guestOf(want).Networks {
		for word, text := range map[string]string{"address": nic.Address, "address6": nic.Address6} {
			if is, ok := static(text); ok && is == addr {
				return desired.Path("networks").Sub(slot).Sub(word)
			}
		}
	}
	return ""
}

// static reads an address with or without its prefix length; it is none where a
// word stands instead.
func static(text string) (netip.Addr, bool) {
	text, _, _ = strings.Cut(text, "/")
	addr, err := netip.ParseAddr(text)
	return addr, err == nil
}

// addressesOf are the static addresses in a guest's configuration, those included
// that it has until its next start, and those that its stamp tells of its seed.
func addressesOf(g *found) []netip.Addr {
	texts := []string{g.stamp.Address, g.stamp.Next}
	for _, values := range []map[string]string{g.conf.Values, g.conf.Now} {
		for option, line := range values {
			if g.kind == desired.KindContainer && nicSlot(option) || g.kind == desired.KindVM && strings.HasPrefix(option, "ipconfig") {
				p := notation.Parse("", line)
				texts = append(texts, p.Value("ip"), p.Value("ip6"))
			}
		}
	}
	var all []netip.Addr
	for _, text := range texts {
		if addr, ok := static(text); ok && !slices.Contains(all, addr) {
			all = append(all, addr)
		}
	}
	return all
}

// holders are the guests whose configurations have addresses, by address.
// Templates never run, and what is archived has given its address up.
func (s *sweep) holders(guests []*found) map[netip.Addr][]holder {
	all := make(map[netip.Addr][]holder)
	handles := s.handles()
	for _, g := range guests {
		if g.template || !g.stamp.Archived.IsZero() && !g.running {
			continue
		}
		h, want := handles[g.stamp.ID], s.wants.byID[g.stamp.ID]
		leaving := h != nil && h.vmid == g.vmid && (want == nil || guestOf(want).State == desired.Absent)
		for _, addr := range addressesOf(g) {
			moving := h != nil && h.vmid == g.vmid && !leaving && !given(want, addr)
			all[addr] = append(all[addr], holder{g, leaving, moving})
		}
	}
	return all
}

// given tells whether the manifests give a guest an address.
func given(want *desired.Resource, addr netip.Addr) bool {
	for _, nic := range guestOf(want).Networks {
		for _, text := range []string{nic.Address, nic.Address6} {
			if is, ok := static(text); ok && is == addr {
				return true
			}
		}
	}
	return false
}

// others are the holders of a claim's address beside the guest that claims it.
func others(holders map[netip.Addr][]holder, c claim) []holder {
	return slices.DeleteFunc(slices.Clone(holders[c.addr]), func(h holder) bool { return h.vmid == c.vmid })
}

// readOthers reads the configurations that the look has had no use for, one
// request each, but for those that are read already. Of guests that can't be read it
// is noted that nothing is known.
func (s *sweep) readOthers(ctx context.Context, already []*found) []*found {
	known := s.readBefore()
	for _, g := range already {
		known[g.vmid] = true
	}
	var rows []*row
	for _, vmid := range slices.Sorted(maps.Keys(s.inv.rows)) {
		if r := s.inv.rows[vmid]; !known[vmid] && !r.template {
			rows = append(rows, r)
		}
	}
	var unread []string
	read := s.readRows(ctx, rows, func(r *row) { unread = append(unread, r.what()) })
	if more := len(unread) - 3; more > 0 {
		unread = append(unread[:3], fmt.Sprintf("and %d more", more))
	}
	if len(unread) > 0 {
		s.note("", "", "whether the addresses of new guests are taken can't be told of "+strings.Join(unread, ", ")+", which can't be read")
	}
	return read
}

// readRows reads guests' configurations, and tells which of them could not be read.
func (s *sweep) readRows(ctx context.Context, rows []*row, unread func(*row)) []*found {
	read := make([]*found, len(rows))
	each(len(rows), func(i int) {
		r := rows[i]
		if s.inv.unreachable(r.node) != "" {
			return
		}
		if conf, err := s.ReadConfig(ctx, r.kind, r.node, r.vmid); err == nil {
			read[i] = newFound(*r, conf)
		}
	})
	for i, r := range rows {
		if read[i] == nil {
			unread(r)
		}
	}
	return slices.DeleteFunc(read, func(g *found) bool { return g == nil })
}

// ask tells of each address how it answers.
func (s *sweep) ask(ctx context.Context, claims []claim) map[netip.Addr]string {
	if s.applyer.opts.Answers == nil {
		return nil
	}
	var addrs []netip.Addr
	for _, c := range claims {
		if !slices.Contains(addrs, c.addr) {
			addrs = append(addrs, c.addr)
		}
	}
	return s.applyer.opts.Answers(ctx, addrs)
}

// notItsOwn is how an address answers, unless it may be the claiming guest itself
// that does: one that runs has perhaps been given the address from within, or has
// it still from before an edit that waits for its next start. Then only the guest
// can tell.
func (s *sweep) notItsOwn(ctx context.Context, c claim, how string) string {
	if how == "" || c.guest == nil || !c.guest.running {
		return how
	}
	if ports := s.ports(ctx, c.guest); len(ports) == 0 || slices.ContainsFunc(ports, func(p port) bool {
		// Of its IPv6 addresses it is not asked.
		return !c.addr.Is4() || p.addr == c.addr.String()
	}) {
		return ""
	}
	return how
}

// taken says who has an address that is claimed; "" if nobody is known to.
func taken(c claim, how string, by []holder) string {
	addr, remedy := c.addr, "write another address, or allowAddressConflict: true"
	if c.seeded() {
		remedy = "free it, or allowAddressConflict: true; the guest comes back with the address that it was made with, whatever its manifest says"
	}
	switch {
	case how == "" && len(by) == 0:
		return ""
	case len(by) == 0:
		return fmt.Sprintf("%s %s, and it is not known who has it: %s", addr, how, remedy)
	}
	who := fmt.Sprintf("%s %d", by[0].kind, by[0].vmid)
	if by[0].name != "" {
		who += ` "` + by[0].name + `"`
	}
	if how == "" {
		how = "is taken"
	}
	if by[0].moving {
		remedy = "Git gives it another address, which it must have first; where each of two waits for the other, give one of them a free address in a commit before"
	}
	if by[0].leaving {
		remedy = "it is gone from Git, and its address is free once it is stopped and archived"
	}
	return fmt.Sprintf("%s %s, %s has it: %s", addr, how, who, remedy)
}
