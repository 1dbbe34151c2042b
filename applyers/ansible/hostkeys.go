package ansible

import (
	"context"

	"berth/applyers/machine"
	"berth/desired"
)

// pin notes the SSH host keys of a guest before the first contact, where they are known
// otherwise than from whoever answers at its address.
func (a *Applyer) pin(ctx context.Context, on scene, h *host) error {
	if h.mode == "file" || h.mode == "strict" {
		return nil // Nothing is learnt there.
	}
	keys, known := on.fact(h.id, desired.FactHostKeys)
	if !known {
		return nil
	}
	return machine.Pin(ctx, a.knownHosts(), h.alias, keys)
}
