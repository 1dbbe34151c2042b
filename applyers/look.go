package applyers

import (
	"context"
	"fmt"

	"berth/desired"
	"berth/drift"
)

// look is a [Job]'s Look: each kind's applyer is asked for its own.
func (r *running) look(ctx context.Context, ids []desired.ID) (map[desired.ID]drift.Live, error) {
	by, asked := make(map[string][]desired.ID), make(map[Applyer]bool)
	for _, id := range ids {
		by[id.Kind()] = append(by[id.Kind()], id)
	}
	found := make(map[desired.ID]drift.Live)
	for _, id := range ids {
		a := r.Appliers[id.Kind()]
		if a == nil {
			return nil, fmt.Errorf("look at %s: nobody looks after %s here", id, id.Kind())
		}
		if asked[a] {
			continue
		}
		asked[a] = true
		var own []desired.ID
		for _, kind := range a.Kinds() {
			own = append(own, by[kind]...)
		}
		seen, err := a.Observe(ctx, r.World.Fleet, Scope{IDs: own})
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", own[0], err)
		}
		for _, id := range own {
			for _, b := range seen.Blind {
				if want := r.World.Fleet.Resource(id); want != nil && b.Covers(id, want.Site) {
					return nil, fmt.Errorf("look at %s: %s", id, b.Reason)
				}
			}
		}
		for _, live := range seen.Lives {
			found[live.ID] = live
		}
	}
	return found, nil
}
