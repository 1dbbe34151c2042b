package pvesim

import "strings"

// migrateAsk answers what stands against moving a VM: its local disks and devices,
// and while it is stopped the nodes that have all of its storages, with those that
// lack some (by the sources).
func (q *call) migrateAsk() (any, error) {
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	running := 0
	if g.running {
		running = 1
	}
	m := &trip{call: q, g: g}
	disks := []any{}
	names := map[string]bool{}
	for _, s := range m.slots() {
		name, _, ok := strings.Cut(s.volid, ":")
		st := q.storages[name]
		if !ok || st == nil {
			continue
		}
		names[name] = true
		if v := q.volume(g.node, s.volid); v != nil && !st.Shared {
			cdrom := 0
			if s.cdrom && !s.cloudinit {
				cdrom = 1
			}
			disks = append(disks, map[string]any{"volid": s.volid, "size": v.size, "cdrom": cdrom})
		}
	}
	out := map[string]any{"running": running, "local_disks": disks, "local_resources": m.bound(), "mapped-resources": []any{}}
	if g.running {
		return out, nil
	}
	allowed, refused := []any{}, map[string]any{}
	for _, n := range q.nodes {
		if n == g.node || q.offline[n] {
			continue
		}
		missing := []any{}
		for _, name := range q.storageNames() {
			if _, err := q.storageOn(n, name); names[name] && err != nil {
				missing = append(missing, name)
			}
		}
		if len(missing) == 0 {
			allowed = append(allowed, n)
			continue
		}
		refused[n] = map[string]any{"unavailable_storages": missing}
	}
	out["allowed_nodes"], out["not_allowed_nodes"] = allowed, refused
	return out, nil
}
