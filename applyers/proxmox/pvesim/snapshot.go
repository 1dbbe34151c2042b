package pvesim

import (
	"maps"
	"slices"
)

// features reports whether all disks of a guest can have snapshots, or be cloned.
func (q *call) hasFeature(g *guest, feature string) bool {
	conf := g.conf
	keys := driveKeys()
	if g.kind == KindCT {
		keys = mounts(conf)
	}
	if g.real && feature == "snapshot" {
		return false // The runtime takes none.
	}
	for _, k := range keys {
		value, ok := conf[k]
		if !ok || g.kind == KindVM && parseDrive(k, value).cdrom() {
			continue
		}
		v := q.volume(g.node, q.slotVolume(g, k, value))
		if v == nil {
			return false
		}
		s := q.storages[v.storage]
		switch feature {
		case "snapshot":
			if s.files() && v.format != "qcow2" || s.Type == "lvm" {
				return false
			}
		case "clone":
			if !v.frozen {
				return false
			}
		}
	}
	return true
}

func (q *call) feature(kind string) (any, error) {
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	has := 0
	if q.hasFeature(g, q.args["feature"]) {
		has = 1
	}
	if kind == KindCT {
		return map[string]any{"hasFeature": has}, nil
	}
	return map[string]any{"hasFeature": has, "nodes": []string{g.node}}, nil
}

func (q *call) snapshots(kind string) (any, error) {
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	rows := []any{}
	for _, n := range slices.Sorted(maps.Keys(g.snaps)) {
		s := g.snaps[n]
		row := map[string]any{"name": n, "description": s.description, "snaptime": s.time.Unix()}
		if kind == KindVM {
			row["vmstate"] = 0
			if s.vmstate {
				row["vmstate"] = 1
			}
		}
		if s.parent != "" {
			row["parent"] = s.parent
		}
		rows = append(rows, row)
	}
	running := 0
	if g.running {
		running = 1
	}
	now := map[string]any{"name": "current", "description": "You are here!", "digest": g.digest(), "running": running}
	if kind == KindCT {
		delete(now, "running")
	}
	if p := g.conf["parent"]; p != "" {
		now["parent"] = p
	}
	return append(rows, now), nil
}

func (q *call) takeSnapshot(kind string) (any, error) {
	name := q.args["snapname"]
	if name == "current" || name == "pending" {
		return nil, fail("unable to use snapshot name '%s' (reserved name)", name)
	}
	g := q.findForTask(kind)
	description, vmstate := q.args["description"], q.args["vmstate"] == "1" && g.running
	return q.spawn(job{kind: g.prefix() + "snapshot", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if err := g.checkLock(); err != nil {
			return err
		}
		if g.snaps[name] != nil {
			return fail("snapshot name '%s' already used", name)
		}
		if !q.hasFeature(g, "snapshot") {
			return fail("snapshot feature is not available")
		}
		if err := q.liveSnapshot(t, g, name, vmstate); err != nil {
			return err
		}
		conf := maps.Clone(g.conf)
		delete(conf, "parent")
		for k := range conf {
			if base, n := splitIndex(k); base == "unused" && n >= 0 {
				delete(conf, k)
			}
		}
		delete(conf, "description")
		for _, k := range driveKeys() {
			if v, ok := conf[k]; ok && kind == KindVM {
				if d := parseDrive(k, v); !d.cdrom() {
					t.logf("snapshotting 'drive-%s' (%s)", k, d["file"])
				}
			}
		}
		g.snaps[name] = &snapshot{conf: conf, parent: g.conf["parent"], description: description, time: q.now(), vmstate: vmstate}
		g.conf["parent"] = name
		return nil
	}}), nil
}

// liveSnapshot is where a snapshot of a running VM fails without Proxmox's own QEMU.
func (q *call) liveSnapshot(t *task, g *guest, name string, vmstate bool) error {
	if !q.opts.Bare || !g.running || g.kind == KindCT {
		return nil
	}
	const missing = "VM %d qmp command 'savevm-%s' failed - The command savevm-%s has not been found"
	if vmstate {
		// Twice the memory and half a GiB, without the memory of the page tables.
		state := g.memory()*2 + 500<<20
		q.logFormat(t, q.storages["local"].path(itoa(g.vmid)+"/vm-"+itoa(g.vmid)+"-state-"+name+".raw"), "raw", state)
	} else if g.agentEnabled() {
		t.logf(shutdownTimeout, g.vmid)
	}
	t.logf(missing, g.vmid, "end", "end")
	t.logf("snapshot create failed: starting cleanup")
	return fail(missing+"\n", g.vmid, "start", "start")
}

func (g *guest) agentEnabled() bool {
	agent, _ := qemuProps()["agent"].parseProps("agent", g.conf["agent"])
	return agent["enabled"] == "1"
}

func (q *call) snapshotConfig(kind string) (any, error) {
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	s := g.snaps[q.args["snapname"]]
	if s == nil {
		return nil, fail("snapshot '%s' does not exist", q.args["snapname"])
	}
	out := g.snapshotView(s)
	delete(out, "digest")
	return out, nil
}

func (g *guest) snapshotView(s *snapshot) map[string]any {
	out := g.showAll(s.conf)
	out["snaptime"] = s.time.Unix()
	if s.description != "" {
		out["description"] = s.description
	}
	if s.parent != "" {
		out["parent"] = s.parent
	}
	return out
}

func (q *call) describeSnapshot(kind string) (any, error) {
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	s := g.snaps[q.args["snapname"]]
	if s == nil {
		return nil, fail("snapshot '%s' does not exist", q.args["snapname"])
	}
	if d, ok := q.args["description"]; ok {
		s.description = d
	}
	return null{}, nil
}

func (q *call) rollback(kind string) (any, error) {
	g := q.findForTask(kind)
	name, start := q.args["snapname"], q.args["start"] == "1"
	return q.spawn(job{kind: g.prefix() + "rollback", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if err := g.checkLock(); err != nil {
			return err
		}
		s := g.snaps[name]
		if s == nil {
			return fail("snapshot '%s' does not exist", name)
		}
		if g.running {
			q.power(g, false)
		}
		conf := maps.Clone(s.conf)
		// The description is not part of a snapshot's way back, nor is what became unused.
		if d, ok := g.conf["description"]; ok {
			conf["description"] = d
		}
		for k, v := range g.conf {
			if base, n := splitIndex(k); base == "unused" && n >= 0 {
				conf[k] = v
			}
		}
		conf["parent"] = name
		if kind == KindVM {
			conf["vmgenid"] = q.uuid()
		}
		g.conf = conf
		g.pending, g.pendingDelete = map[string]string{}, map[string]bool{}
		for _, k := range driveKeys() {
			if v, ok := conf[k]; ok && kind == KindVM {
				d := parseDrive(k, v)
				g.attached(d["file"])
				if n, ok := parseSize(d["size"]); ok {
					if vol := q.volume(g.node, d["file"]); vol != nil {
						vol.size = n
					}
				}
			}
		}
		if start || s.vmstate {
			return q.boot(t, g)
		}
		return nil
	}}), nil
}

func (q *call) deleteSnapshot(kind string) (any, error) {
	g := q.findForTask(kind)
	name := q.args["snapname"]
	return q.spawn(job{kind: g.prefix() + "delsnapshot", id: itoa(g.vmid), holds: []*guest{g}, run: func(*task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if err := g.checkLock(); err != nil {
			return err
		}
		s := g.snaps[name]
		if s == nil {
			return fail("snapshot '%s' does not exist", name)
		}
		delete(g.snaps, name)
		for _, o := range g.snaps {
			if o.parent == name {
				o.parent = s.parent
			}
		}
		if g.conf["parent"] == name {
			delete(g.conf, "parent")
			if s.parent != "" {
				g.conf["parent"] = s.parent
			}
		}
		return nil
	}}), nil
}
