package proxmox

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// vanished tells of guests that were ours at the last look, that no manifest names any
// more and that are not found: lists leave out what the token may no longer see, and
// then nothing else would speak of them. Each is asked for by its VMID, which needs no
// right (FACTS 3); what is gone is forgotten.
func (s *sweep) vanished(ctx context.Context, mine map[desired.ID][]*found) {
	if s.only.IDs != nil {
		return
	}
	stood := s.applyer.opts.Memory.of(s.site.Name).stood
	for _, id := range slices.Sorted(maps.Keys(stood)) {
		vmid := stood[id]
		if s.wants.byID[id] != nil || len(mine[id]) > 0 || s.inv.rows[vmid] != nil || s.dark[id] {
			continue
		}
		err := s.Get(ctx, fmt.Sprintf("/cluster/nextid?vmid=%d", vmid), nil)
		path := fmt.Sprintf("/vms/%d", vmid)
		switch {
		case err == nil:
			delete(stood, id)
		case pve.Occupied(err):
			s.hidden++
			s.unknown(id, fmt.Sprintf("gone from Git, and VMID %d, which it had, is taken by a guest that the token may not see", vmid), s.grant(path, "VM.Audit"))
		default:
			s.unknown(id, fmt.Sprintf("gone from Git, and whether VMID %d, which it had, is taken can't be told: %v", vmid, err), s.unreadRemedy("", err))
		}
	}
	for id, list := range mine {
		if !list[0].adopting {
			stood[id] = list[0].vmid
		}
	}
}
