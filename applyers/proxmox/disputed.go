package proxmox

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"berth/desired"
	"berth/drift"
)

// heardTime is how long the address that a guest had when it told one last is nobody
// else's, as while the guest reboots.
const heardTime = 24 * time.Hour

// heard are the addresses under which a guest was reached, and when.
type heard struct {
	addrs []string
	at    time.Time
}

// disputes tells whose an address is that a guest says it has. What runs in a guest can
// say anything: one that was taken over would name another's address, and have its own
// playbooks run there. So an address that is written for another, that another has as
// well, or that another had when it last answered, is not believed.
type disputes struct {
	// written are of manifests and of Proxmox's own configuration.
	written map[string][]desired.ID
	// said are what guests say of themselves, now or within [heardTime].
	said map[string][]desired.ID
}

// whose is the other one that has the address; "" if it is id's alone.
func (d disputes) whose(id desired.ID, addr string) desired.ID {
	for _, has := range [][]desired.ID{d.written[addr], d.said[addr]} {
		for _, other := range has {
			if other != id {
				return other
			}
		}
	}
	return ""
}

// choose is the first of the addresses that a guest claims which is no other's. by is
// who has the first one that is; "" if none is.
func (d disputes) choose(id desired.ID, claims []string) (addr, refused string, by desired.ID) {
	for _, claim := range claims {
		other := d.whose(id, claim)
		if other == "" {
			return claim, refused, by
		}
		if by == "" {
			refused, by = claim, other
		}
	}
	return "", refused, by
}

// newDisputes gathers whose addresses are known, beside those that lives say.
func (a *Applyer) newDisputes(fleet *desired.Fleet) disputes {
	d := disputes{written: make(map[string][]desired.ID), said: make(map[string][]desired.ID)}
	for _, r := range fleet.Resources {
		g := fleet.Guest(r.ID)
		if g == nil || g.State == desired.Absent {
			continue
		}
		for _, nic := range g.Networks {
			for _, text := range []string{nic.Address, nic.Reservation} {
				d.write(text, r.ID)
			}
		}
	}
	for name, host := range fleet.Hosts {
		d.write(host.Address, desired.MakeID(desired.KindHost, name))
	}
	for name, site := range fleet.Sites {
		for _, endpoint := range site.Endpoints {
			if u, err := url.Parse(endpoint); err == nil {
				d.write(u.Hostname(), desired.MakeID(desired.KindSite, name))
			}
		}
	}
	a.opts.Memory.others(d.said, a.opts.Now())
	return d
}

// write notes an address, with or without its length; other words are none.
func (d disputes) write(text string, id desired.ID) {
	text, _, _ = strings.Cut(text, "/")
	if addr, err := netip.ParseAddr(text); err == nil {
		add(d.written, addr.String(), id)
	}
}

func add(to map[string][]desired.ID, addr string, id desired.ID) {
	if !slices.Contains(to[addr], id) {
		to[addr] = append(to[addr], id)
	}
}

// settleClaims decides which of the addresses that guests claim are believed.
func (a *Applyer) settleClaims(fleet *desired.Fleet, all *drift.Observed) {
	claims := func(live *drift.Live) []string {
		if h, ok := live.Handle.(*handle); ok {
			return h.claims
		}
		return nil
	}
	if !slices.ContainsFunc(all.Lives, func(l drift.Live) bool { return claims(&l) != nil }) {
		return
	}
	a.opts.Memory.unhear(fleet, all.Lives)
	d := a.newDisputes(fleet)
	for i := range all.Lives {
		live := &all.Lives[i]
		if live.Archived {
			continue
		}
		for _, claim := range claims(live) {
			add(d.said, claim, live.ID)
		}
		if addr := live.Facts[desired.FactAddress]; addr != "" && claims(live) == nil {
			add(d.written, addr, live.ID)
		}
	}
	for i := range all.Lives {
		live := &all.Lives[i]
		if live.Archived || claims(live) == nil {
			continue
		}
		addr, refused, by := d.choose(live.ID, claims(live))
		delete(live.Facts, desired.FactAddress)
		if addr != "" {
			live.Facts[desired.FactAddress] = addr
			a.opts.Memory.hear(live.ID, claims(live), a.opts.Now())
		}
		if by == "" {
			continue
		}
		note := drift.Note{ID: live.ID, Text: "address unknown: " + claimed(refused, by), Unknown: true}
		if addr != "" {
			note = drift.Note{ID: live.ID, Text: claimed(refused, by) + ": " + addr + ", which it claims as well, is taken for its own"}
		}
		all.Notes = append(all.Notes, note)
	}
}

// claimed says what is wrong with an address, and by whom.
func claimed(addr string, by desired.ID) string {
	return fmt.Sprintf("it claims %s, which is %s's", addr, by)
}

// hear remembers which addresses a guest has.
func (m *Memory) hear(id desired.ID, addrs []string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heard == nil {
		m.heard = make(map[desired.ID]heard)
	}
	m.heard[id] = heard{addrs: addrs, at: now}
}

// others adds who had which addresses lately.
func (m *Memory) others(to map[string][]desired.ID, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.heard)) {
		if h := m.heard[id]; now.Sub(h.at) < heardTime {
			for _, addr := range h.addrs {
				add(to, addr, id)
			}
		}
	}
}

// unhear lets go of the addresses of guests that nobody wants any more and that are not
// there, of those in the archive, and of those whose address is written by now.
func (m *Memory) unhear(fleet *desired.Fleet, lives []drift.Live) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.heard) == 0 {
		return
	}
	said := make(map[desired.ID]bool, len(lives))
	for i := range lives {
		h, ok := lives[i].Handle.(*handle)
		said[lives[i].ID] = !lives[i].Archived && (lives[i].Facts[desired.FactAddress] == "" || ok && h.claims != nil)
	}
	maps.DeleteFunc(m.heard, func(id desired.ID, _ heard) bool {
		said, there := said[id]
		return there && !said || !there && fleet.Resource(id) == nil
	})
}
