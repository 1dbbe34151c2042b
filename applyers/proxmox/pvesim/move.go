package pvesim

import (
	"fmt"
	"strings"
)

func (q *call) moveDisk() (any, error) {
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	key := q.args["disk"]
	if q.args["target-vmid"] != "" {
		return q.reassign(g, key)
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	if err := g.checkDigest(q.args["digest"]); err != nil {
		return nil, err
	}
	value, ok := g.conf[key]
	if !ok {
		return nil, fail("disk '%s' does not exist", key)
	}
	d := parseDrive(key, value)
	if d.empty() || d.cdrom() && !d.cloudinit() {
		return nil, fail("you can't move a cdrom")
	}
	st := q.args["storage"]
	if st == "" {
		st, _, _ = strings.Cut(d["file"], ":")
	}
	if err := q.check("/storage/"+st, "Datastore.AllocateSpace"); err != nil {
		return nil, err
	}
	s, err := q.storageOn(q.node, st)
	if err != nil {
		return nil, err
	}
	old := q.volume(g.node, d["file"])
	if old == nil {
		return nil, fail("volume '%s' does not exist", d["file"])
	}
	format := q.args["format"]
	if old.storage == st && (format == "" || format == old.format) {
		return nil, fail("you can't move to the same storage with same format")
	}
	if format == "" {
		format = old.format
	}
	if !s.files() {
		format = "raw"
	}
	remove := q.args["delete"] == "1"
	if remove && g.inSnapshot(d["file"]) {
		return nil, fail("you can't move a disk with snapshots and delete the source")
	}
	return q.spawn(job{kind: "qmmove", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		v, err := q.copyVolume(t, old, key+" ", g.vmid, s, format, "images")
		if err != nil {
			return fail("storage migration failed: %s", strings.TrimSuffix(err.Error(), "\n"))
		}
		d["file"], d["size"] = v.id(), formatSize(v.size)
		g.conf[key] = printDrive(key, d)
		if remove {
			// The source goes, whoever owns it (FACTS 6).
			return q.freeVolume(old)
		}
		q.register(g, drive{"file": old.id()})
		return nil
	}}), nil
}

func (q *call) moveVolume() (any, error) {
	g, err := q.find(KindCT)
	if err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	if err := g.checkDigest(q.args["digest"]); err != nil {
		return nil, err
	}
	key := q.args["volume"]
	if g.conf[key] == "" {
		return nil, fail("Volume '%s' for container '%d' does not exist", key, g.vmid)
	}
	if q.args["target-vmid"] != "" {
		return q.reassignCT(g, key)
	}
	if key != "rootfs" {
		if err := g.immovable("moved"); err != nil {
			return nil, err
		}
	}
	p := parseMount(key, g.conf[key])
	old, err := q.mountVolume(g, p)
	if err != nil {
		return nil, err
	}
	if g.running {
		return nil, fail("cannot move volumes of a running container")
	}
	st := q.args["storage"]
	if err := q.check("/storage/"+st, "Datastore.AllocateSpace"); err != nil {
		return nil, err
	}
	s, err := q.storageOn(q.node, st)
	if err != nil {
		return nil, err
	}
	remove := q.args["delete"] == "1"
	return q.spawn(job{kind: "move_volume", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		v, err := q.allocate(t, s, g.vmid, "", "raw", old.size, "rootdir")
		if err != nil {
			return err
		}
		t.logFS(q.uuid(), v.size)
		v.sum = old.sum
		p["volume"], p["size"] = v.id(), formatSize(v.size)
		g.conf[key] = printMount(key, p)
		if remove {
			return q.freeVolume(old)
		}
		q.register(g, drive{"volume": old.id()})
		return nil
	}}), nil
}

// unlink is the older way to detach drives.
func (q *call) unlink() (any, error) {
	ch := &change{set: map[string]string{}, force: q.args["force"] == "1", words: "-delete " + q.args["idlist"]}
	for _, k := range splitList(q.args["idlist"]) {
		if !isDrive(k) && !strings.HasPrefix(k, "unused") {
			return nil, badParam("idlist", "unknown option '%s'", k)
		}
		ch.remove = append(ch.remove, k)
	}
	if ch.force {
		ch.words = "-delete " + q.args["idlist"] + " -force 1"
	}
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	q.event(q.node, q.auth.full(), fmt.Sprintf("update VM %d: %s", g.vmid, ch.words))
	return nil, q.applyVM(nil, g, ch)
}
