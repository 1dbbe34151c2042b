package proxmox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/applyers"
)

// checkBridges holds a creation whose network the node lacks. Proxmox makes such a
// guest, and fails to start it (FACTS 5). Where the token sees no bridge at all,
// or the list can't be read, that one is lacking proves nothing.
func (j *job) checkBridges(ctx context.Context) error {
	wanted := make(map[string]string)
	for _, nic := range j.guest().Networks {
		if network, known := j.site.Networks[nic.Network]; known && network.Bridge != "" {
			wanted[network.Bridge] = nic.Network
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	var rows []struct{ Iface string }
	if err := j.get(ctx, "/nodes/"+j.node+"/network?type=any_bridge", &rows); err != nil {
		return nil //nolint:nilerr // Proxmox itself judges what can't be checked.
	}
	var there []string
	for _, r := range rows {
		there = append(there, r.Iface)
	}
	slices.Sort(there)
	for _, bridge := range slices.Sorted(maps.Keys(wanted)) {
		if len(there) > 0 && !slices.Contains(there, bridge) {
			return &applyers.HeldError{Reason: fmt.Sprintf("node %s has no bridge %q that the token may use: it has %s%s", j.node, bridge,
				strings.Join(there, ", "), source("network "+wanted[bridge]+" of site "+j.site.Name, j.site.Source))}
		}
	}
	return nil
}
