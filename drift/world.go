package drift

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"berth/desired"
)

// World is what is wanted and what is live together: what an applyer may look
// at to say which steps a difference takes.
type World struct {
	Fleet *desired.Fleet
	// Premises are those that were observed, by site.
	Premises map[string]any
	// Now is the time by which windows and approvals are judged; at the zero time
	// no approval counts.
	Now time.Time

	lives map[desired.ID]*Live
	addrs map[string]desired.ID
}

// NewWorld joins a fleet and what was observed of it.
func NewWorld(fleet *desired.Fleet, lives []Live) *World {
	w := &World{Fleet: fleet, lives: make(map[desired.ID]*Live), addrs: make(map[string]desired.ID)}
	for i := range lives {
		w.lives[lives[i].ID] = &lives[i]
	}
	for _, r := range fleet.Resources {
		if a, ok := fleet.Address(r.ID); ok {
			w.addrs[a] = r.ID
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.lives)) {
		live := w.lives[id]
		if a := live.Facts[desired.FactAddress]; a != "" && !live.Archived {
			w.addrs[a] = id
		}
	}
	return w
}

// Live finds a resource of ours as it is; nil if it is not there.
func (w *World) Live(id desired.ID) *Live { return w.lives[id] }

// Lives are all resources of ours as they are, sorted by id.
func (w *World) Lives() []*Live {
	all := make([]*Live, 0, len(w.lives))
	for _, id := range slices.Sorted(maps.Keys(w.lives)) {
		all = append(all, w.lives[id])
	}
	return all
}

// Fact answers what is known about a guest. An address that is live comes
// before one that is written, since the written one may wait for a
// re-creation; except where the address can change in place.
func (w *World) Fact(id desired.ID, fact string) (string, bool) {
	live := w.lives[id]
	if fact == desired.FactAddress {
		written, ok := w.Fleet.Address(id)
		if ok && (live == nil || id.Kind() != desired.KindVM || live.Facts[fact] == "") {
			return written, true
		}
	}
	if live == nil || live.Archived || live.Facts[fact] == "" {
		return "", false
	}
	return live.Facts[fact], true
}

// WhoHas tells which guest of ours has the address of "10.1.1.5:443".
func (w *World) WhoHas(addrPort string) (desired.ID, bool) {
	ap, err := netip.ParseAddrPort(addrPort)
	if err != nil {
		return "", false
	}
	id, ok := w.addrs[ap.Addr().String()]
	return id, ok
}
