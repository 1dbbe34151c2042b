package proxmox

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// nodePath is where a manifest names the node that a guest is pinned to; it is
// compared for those that are.
const nodePath desired.Path = "node"

// pinned plans the move of a guest to the node that it is pinned to.
func (p *planner) pinned(f drift.Field) drift.Change {
	move := p.change(drift.Migrate, "pinned to "+f.After.Text, []drift.Field{f})
	move.Lanes = append(move.Lanes, fmt.Sprintf("node:%s/%s", p.handle.site, f.After.Text))
	return move
}

// stays says why a guest can't move now: a container that runs is restarted by it,
// which is its manifest's to allow; and Proxmox moves no disk of another machine along.
func (p *planner) stays() string {
	for _, slot := range slices.Sorted(maps.Keys(p.handle.volumes)) {
		volume := p.handle.volumes[slot]
		if store, _, _ := strings.Cut(volume.volid, ":"); !premisesOf(p.world, p.handle.site).shared[store] {
			return fmt.Sprintf("%s is %s, which another machine has on node %s and which does not move along: write disks.%s: absent, or leave the guest there (node: %s), or put the volume on shared storage",
				slot, volume.ref, p.handle.node, slot, p.handle.node)
		}
	}
	if p.id.Kind() == desired.KindContainer && p.handle.running && !p.restarts() {
		return "to move it restarts it (lifecycle.reboot: never): stop it, or write lifecycle.reboot: now, or window"
	}
	return ""
}

// noWayTo says why a guest can't be moved to a node; "" if nothing is known to speak
// against it.
func (s *sweep) noWayTo(node string) string {
	if why := s.astray([]string{node}); why != "" {
		return why
	}
	return s.inv.unreachable(node)
}

// migrate moves the guest to its node, with the volumes that only this node has.
func (j *job) migrate(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	to := j.guest().Node
	if g.node == to {
		return nil
	}
	running, err := j.runs(ctx)
	if err != nil {
		return err
	}
	options := pve.Params{"target": to}
	mapping := j.mapping(g, to)
	if j.kind == desired.KindContainer {
		options["target-storage"] = mapping
		if running {
			options["restart"] = "1"
			options["timeout"] = strconv.Itoa(int(j.limit(shutdown).Seconds()))
		}
	} else {
		options["targetstorage"] = mapping
		if running {
			options["online"], options["with-local-disks"] = "1", "1"
		}
	}
	if mapping == "" {
		delete(options, "target-storage")
		delete(options, "targetstorage")
	}
	from := g.node
	err = j.patient(ctx, func() error {
		return j.Do(ctx, j.p, j.limit(creation), http.MethodPost, j.path()+"/migrate", options)
	})
	if err != nil {
		return fmt.Errorf("move %s from %s to %s: %w", j.ID, from, to, err)
	}
	if g, err = j.mine(ctx); err != nil {
		return err
	}
	if g.node != to {
		return &applyers.HeldError{Reason: fmt.Sprintf("it was sent to %s and stands on %s: planned again in the next turn", to, g.node)}
	}
	return nil
}

// mapping says which storages stand for which on the other node, where a class has
// one of its own there; "" if all keep their names.
func (j *job) mapping(g *found, to string) string {
	w := &wording{fleet: j.Fleet, site: j.site, want: j.Want}
	var pairs []string
	for _, at := range volumesOf(g.kind, g.conf.Values) {
		store, _, _ := strings.Cut(at.volid, ":")
		if there := storeOn(j.site, w.storage(store, at.slot, g.node), to); there != store {
			pairs = append(pairs, store+":"+there)
		}
	}
	slices.Sort(pairs)
	return strings.Join(slices.Compact(pairs), ",")
}
