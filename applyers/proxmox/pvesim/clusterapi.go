package pvesim

import (
	"maps"
	"slices"
	"strings"
)

func (q *call) versionInfo() (any, error) {
	parts := strings.SplitN(q.opts.Version, ".", 3)
	return map[string]any{"version": q.opts.Version, "release": strings.Join(parts[:min(2, len(parts))], "."), "repoid": "2606ac850d46da29"}, nil
}

// nodeRow is a node in lists; its numbers are for those with Sys.Audit.
func (q *call) nodeRow(n string) map[string]any {
	row := map[string]any{"id": "node/" + n, "node": n, "type": "node", "status": "online", "level": ""}
	if q.offline[n] {
		row["status"] = "offline"
		return row
	}
	if !q.may("/nodes/"+n, "Sys.Audit") {
		return row
	}
	var mem int64
	for _, g := range q.guests {
		if g.running && g.node == n {
			mem += g.memory()
		}
	}
	row["uptime"] = int(max(q.now().Sub(q.born), 0).Seconds()) + 1
	row["cpu"], row["maxcpu"] = 0.01, q.opts.MaxCPUs
	row["mem"], row["maxmem"] = mem+1<<30, q.opts.Memory
	row["disk"], row["maxdisk"] = int64(8)<<30, int64(256)<<30
	return row
}

func (q *call) nodeIndex() (any, error) {
	rows := []any{}
	for _, n := range q.nodes {
		row := q.nodeRow(n)
		row["ssl_fingerprint"] = fingerprint(n)
		rows = append(rows, row)
	}
	return rows, nil
}

// fingerprint makes up a node's certificate fingerprint.
func fingerprint(node string) string {
	sum := strings.ToUpper(sumOf(node, "sha256"))
	var parts []string
	for i := 0; i < len(sum); i += 2 {
		parts = append(parts, sum[i:i+2])
	}
	return strings.Join(parts, ":")
}

func (q *call) nodeStatus() (any, error) {
	row := q.nodeRow(q.node)
	return map[string]any{
		"pveversion": "pve-manager/" + q.opts.Version, "uptime": row["uptime"], "cpu": row["cpu"],
		"memory":   map[string]any{"total": row["maxmem"], "used": row["mem"], "free": q.opts.Memory},
		"cpuinfo":  map[string]any{"cpus": q.opts.MaxCPUs, "cores": q.opts.MaxCPUs, "sockets": 1, "model": "simulated"},
		"loadavg":  []string{"0.00", "0.00", "0.00"},
		"rootfs":   map[string]any{"total": row["maxdisk"], "used": row["disk"]},
		"kversion": "Linux 6.8.12",
	}, nil
}

// resources is the list of everything, of which a guest's status lags by
// Options.Lag, while names, tags and the guests themselves don't (FACTS 4).
func (q *call) resources() (any, error) {
	kind := q.args["type"]
	rows := []any{}
	if kind == "" || kind == "node" {
		for _, n := range q.nodes {
			row := q.nodeRow(n)
			row["cgroup-mode"] = 2
			if q.opts.Bare {
				row["cgroup-mode"] = 1
			}
			rows = append(rows, row)
		}
	}
	if kind == "" || kind == "vm" {
		guests := q.listed()
		for _, id := range slices.Sorted(maps.Keys(guests)) {
			if q.may("/vms/"+itoa(id), "VM.Audit") {
				rows = append(rows, q.resourceRow(guests[id], true))
			}
		}
	}
	if kind == "" || kind == "storage" {
		for _, n := range q.nodes {
			for _, s := range q.storageNames() {
				if q.storages[s].on(n) && q.seesStorage(s) {
					rows = append(rows, q.storageResource(n, q.storages[s]))
				}
			}
		}
	}
	if kind == "" || kind == "sdn" {
		for _, n := range q.nodes {
			if q.may("/sdn/zones/localnetwork", "SDN.Audit") {
				rows = append(rows, map[string]any{"id": "sdn/" + n + "/localnetwork", "node": n, "sdn": "localnetwork", "status": "ok", "type": "sdn"})
			}
		}
	}
	return rows, nil
}

func (q *call) storageResource(n string, s *storage) map[string]any {
	shared, status := 0, "available"
	if s.Shared {
		shared = 1
	}
	if s.off {
		status = "unknown"
	}
	return map[string]any{
		"id": "storage/" + n + "/" + s.Name, "type": "storage", "node": n, "storage": s.Name, "plugintype": s.Type,
		"status": status, "shared": shared, "content": s.contentText(), "disk": s.usage(), "maxdisk": s.Size,
	}
}

func (q *call) resourceRow(g *guest, tags bool) map[string]any {
	running := g.running
	if q.opts.Lag > 0 {
		running = g.seenRunning(q.now().Add(-q.opts.Lag))
	}
	if q.offline[g.node] || q.opts.Lag > 0 && q.now().Sub(g.born) < q.opts.Lag {
		// pvestatd has not seen the guest yet, or the node tells nothing.
		row := map[string]any{"id": g.api() + "/" + itoa(g.vmid), "vmid": g.vmid, "type": g.api(), "node": g.node, "status": "unknown"}
		if !tags {
			return row
		}
		if l := g.conf["lock"]; l != "" {
			row["lock"] = l
		}
		if n := g.conf["name"] + g.conf["hostname"]; n != "" {
			row["name"] = n
		}
		if t, ok := g.conf["tags"]; ok {
			row["tags"] = t
		}
		if p := q.poolOf(g.vmid); p != "" {
			row["pool"] = p
		}
		return row
	}
	row := map[string]any{
		"id": g.api() + "/" + itoa(g.vmid), "vmid": g.vmid, "type": g.api(), "node": g.node, "name": g.name(),
		"status": "stopped", "template": 0, "uptime": 0, "cpu": 0, "maxcpu": q.cpus(g), "mem": 0, "maxmem": g.memory(),
		"disk": 0, "maxdisk": q.diskSize(g), "netin": 0, "netout": 0, "diskread": 0, "diskwrite": 0,
	}
	if running {
		row["status"], row["uptime"], row["mem"] = "running", int(q.now().Sub(g.started).Seconds()), g.memory()/20
	}
	if g.template() {
		row["template"] = 1
	}
	if tags {
		if t, ok := g.conf["tags"]; ok {
			row["tags"] = t
		}
		if l := g.conf["lock"]; l != "" {
			row["lock"] = l
		}
		if g.haExists {
			row["hastate"] = g.haState
		}
		if p := q.poolOf(g.vmid); p != "" {
			row["pool"] = p
		}
	}
	return row
}

func (q *call) clusterStatus() (any, error) {
	rows := []any{}
	if len(q.nodes) > 1 {
		quorate := 1
		if q.noQuorum {
			quorate = 0
		}
		rows = append(rows, map[string]any{"id": "cluster", "type": "cluster", "name": "sim", "nodes": len(q.nodes), "quorate": quorate, "version": 1})
	}
	for i, n := range q.nodes {
		local, id := 0, i+1
		if i == 0 {
			local = 1
		}
		if len(q.nodes) == 1 {
			id = 0
		}
		online := 1
		if q.offline[n] {
			online = 0
		}
		rows = append(rows, map[string]any{"id": "node/" + n, "type": "node", "name": n, "nodeid": id, "ip": "192.0.2." + itoa(11+i), "online": online, "local": local, "level": ""})
	}
	return rows, nil
}

// nextID tells the first free id as a string; it keeps nothing for anybody.
func (q *call) nextID() (any, error) {
	if v, ok := q.args["vmid"]; ok {
		if q.guests[atoi(v)] != nil {
			return nil, badParam("vmid", "VM %s already exists", v)
		}
		return v, nil
	}
	for id := 100; ; id++ {
		if q.guests[id] == nil {
			return itoa(id), nil
		}
	}
}

func (q *call) datacenter() (any, error) {
	tags := []string{}
	for _, g := range q.guests {
		tags = append(tags, splitList(g.conf["tags"])...)
	}
	slices.Sort(tags)
	out := map[string]any{"allowed-tags": slices.Compact(tags), "mac_prefix": "BC:24:11", "description": ""}
	for k, v := range q.options {
		out[k] = v
		if k == "tag-style" {
			p := map[string]any{}
			for kv := range strings.SplitSeq(v, ",") {
				if a, b, ok := strings.Cut(kv, "="); ok {
					p[a] = b
					if isInteger(b) {
						p[a] = atoi(b)
					}
				}
			}
			out[k] = p
		}
	}
	return out, nil
}

func (q *call) setDatacenter() (any, error) {
	for _, k := range splitList(q.args["delete"]) {
		delete(q.options, k)
	}
	for k := range q.params {
		if k == "delete" {
			continue
		}
		v := q.args[k]
		if k == "description" && !strings.HasSuffix(v, "\n") {
			v += "\n"
		}
		q.options[k] = v
	}
	return null{}, nil
}
