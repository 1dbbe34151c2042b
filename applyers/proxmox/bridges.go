package proxmox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"berth/desired"
)

// bridges holds the creations whose network their node lacks. Proxmox makes such a
// guest, and fails to start it (FACTS 5). Each node is asked once, and only where
// something is to be made there on a bridge that no running guest of ours is plugged
// into. Where the token sees no bridge at all, or the list can't be read, that one is
// lacking proves nothing.
func (s *sweep) bridges(ctx context.Context, p *premises) {
	wanted := make(map[desired.ID]map[string]string)
	there := make(map[string][]string)
	for _, r := range s.absent {
		if g := guestOf(r); g == nil || g.State == desired.Absent || p.obstacles[r.ID] != "" {
			continue
		}
		// Where the node is not known the creation itself fails.
		if node := s.nodeOf(r); s.inv.unreachable(node) == "" && node != "" {
			if wanted[r.ID] = s.bridgesFor(r); len(wanted[r.ID]) > 0 {
				there[node] = nil
			}
		}
	}
	used := s.bridgesInUse()
	for node := range there {
		if !slices.ContainsFunc(s.absent, func(r *desired.Resource) bool { return s.nodeOf(r) == node && !used.has(node, wanted[r.ID]) }) {
			delete(there, node)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, node := range slices.Sorted(maps.Keys(there)) {
		wg.Go(func() {
			names := s.bridgesOn(ctx, node)
			mu.Lock()
			defer mu.Unlock()
			there[node] = names
		})
	}
	wg.Wait()
	for _, r := range s.absent {
		node := s.nodeOf(r)
		for _, bridge := range slices.Sorted(maps.Keys(wanted[r.ID])) {
			if has := there[node]; len(has) > 0 && !slices.Contains(has, bridge) && p.obstacles[r.ID] == "" {
				p.obstacles[r.ID] = fmt.Sprintf("node %s has no bridge %q that the token may use: it has %s%s", node, bridge,
					strings.Join(has, ", "), source("network "+wanted[r.ID][bridge]+" of site "+s.site.Name, s.site.Source))
			}
		}
	}
}

// inUse are the bridges, by node, that something runs on.
type inUse map[string]map[string]bool

// bridgesInUse are those of the guests of ours that run: they are there, and the token
// may use them.
func (s *sweep) bridgesInUse() inUse {
	used := make(inUse)
	for _, g := range s.read {
		if !g.running || !g.stamped {
			continue
		}
		for _, slot := range nicSlots(g.conf) {
			if used[g.node] == nil {
				used[g.node] = make(map[string]bool)
			}
			used[g.node][parseNIC(g.kind, g.conf.Values[slot]).Value("bridge")] = true
		}
	}
	return used
}

// has tells whether all of some bridges of a node are in use.
func (u inUse) has(node string, bridges map[string]string) bool {
	for bridge := range bridges {
		if !u[node][bridge] {
			return false
		}
	}
	return true
}

// bridgesFor are the bridges that a guest's interfaces are plugged into, with the
// networks that name them.
func (s *sweep) bridgesFor(r *desired.Resource) map[string]string {
	wanted := make(map[string]string)
	for _, nic := range guestOf(r).Networks {
		if network, known := s.site.Networks[nic.Network]; known && network.Bridge != "" && nic.State == "" {
			wanted[network.Bridge] = nic.Network
		}
	}
	return wanted
}

// bridgesOn are the bridges of a node that the token may use; none where they
// can't be read.
func (c *cluster) bridgesOn(ctx context.Context, node string) []string {
	var rows []struct{ Iface string }
	if c.Get(ctx, "/nodes/"+node+"/network?type=any_bridge", &rows) != nil {
		return nil
	}
	names := make([]string, 0, len(rows))
	for _, r := range rows {
		names = append(names, r.Iface)
	}
	slices.Sort(names)
	return names
}

// nodeOf is the node that a guest is made on; "" where the manifests leave it open
// and neither the cluster nor its template does.
func (s *sweep) nodeOf(r *desired.Resource) string {
	g := guestOf(r)
	if g == nil {
		return ""
	}
	if g.Node != "" {
		return g.Node
	}
	if all := s.inv.nodes(); len(all) == 1 {
		return all[0]
	}
	var nodes []string
	if t := s.fleet.Templates[g.Clone.Template]; t != nil {
		for _, fit := range fits(t.Find, machineKind(r.ID), s.templates()) {
			nodes = append(nodes, fit.node)
		}
	}
	slices.Sort(nodes)
	if nodes = slices.Compact(nodes); len(nodes) == 1 {
		// A clone is made where its template is.
		return nodes[0]
	}
	return ""
}
