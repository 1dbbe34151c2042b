package turn

import (
	"time"

	"berth/desired"
	"berth/drift"
)

// Known is what a turn has learnt of the hosts, for who asks between turns. Nobody
// writes to it.
type Known struct {
	// Fleet is of the commit that is enforced.
	Fleet  *desired.Fleet
	Commit string
	// At is when the hosts were looked at.
	At time.Time
	// Addresses are under which guests and Hosts are reached, where that is known.
	Addresses map[desired.ID]string
}

// Fact answers what is known of a host: its address.
func (k *Known) Fact(id desired.ID, fact string) (string, bool) {
	if fact != desired.FactAddress {
		return "", false
	}
	address, ok := k.Addresses[id]
	return address, ok
}

// Known is what the last turn has learnt; nil before the first. It may be asked while
// a turn is made.
func (t *Turner) Known() *Known { return t.known.Load() }

// know keeps what has been observed.
func (t *Turner) know(input *drift.Input) {
	k := &Known{Fleet: input.Fleet, Commit: input.Commit, At: t.Now(), Addresses: make(map[desired.ID]string)}
	world := input.World()
	note := func(id desired.ID) {
		if address, ok := world.Fact(id, desired.FactAddress); ok {
			k.Addresses[id] = address
		}
	}
	for _, r := range input.Fleet.Resources {
		note(r.ID)
	}
	for name := range input.Fleet.Hosts {
		note(desired.MakeID(desired.KindHost, name))
	}
	t.known.Store(k)
}
