package pvesim

import (
	"fmt"
	"strings"
)

// reassign gives a disk to another VM.
func (q *call) reassign(g *guest, key string) (any, error) {
	id := atoi(q.args["target-vmid"])
	if err := q.check("/vms/"+itoa(id), "VM.Config.Disk"); err != nil {
		return nil, err
	}
	to := q.guests[id]
	slot := q.args["target-disk"]
	if slot == "" {
		slot = key
	}
	switch {
	case id == g.vmid:
		return nil, fail("either set storage or target-vmid, but not both")
	case to == nil || to.kind != KindVM:
		return nil, noConfig(q.node, KindVM, id)
	case g.conf[key] == "":
		return nil, fail("Disk '%s' for VM '%d' does not exist", key, g.vmid)
	case to.conf[slot] != "":
		return nil, fail("Target disk key '%s' is already in use for '%d'", slot, id)
	}
	for _, x := range []*guest{g, to} {
		if err := x.checkLock(); err != nil {
			return nil, err
		}
	}
	name := fmt.Sprintf("%d-%s>%d-%s", g.vmid, key, id, slot)
	return q.spawn(job{kind: "qmmove", id: name, holds: []*guest{g, to}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		d := parseDrive(key, g.conf[key])
		v := q.volume(g.node, d["file"])
		if v == nil {
			return fail("volume '%s' does not exist", d["file"])
		}
		t.logf("moving disk '%s' from VM '%d' to '%d'", key, g.vmid, id)
		t.logf("removing disk '%s' from VM '%d' config", key, g.vmid)
		delete(g.conf, key)
		s := q.storages[v.storage]
		q.removeVolume(v)
		v.name, v.owner = q.freeName(s, to.node, id, v.format), id
		q.addVolume(to.node, v)
		d["file"] = v.id()
		stored := printDrive(slot, d)
		if strings.HasPrefix(slot, "unused") {
			stored = v.id()
		}
		to.conf[slot] = stored
		t.logf("update VM %d: -%s %s", id, slot, stored)
		return nil
	}}), nil
}

// reassignCT gives a mount point's volume to another container (by the sources).
func (q *call) reassignCT(g *guest, key string) (any, error) {
	id := atoi(q.args["target-vmid"])
	if err := q.check("/vms/"+itoa(id), "VM.Config.Disk"); err != nil {
		return nil, err
	}
	to := q.guests[id]
	slot := q.args["target-volume"]
	if slot == "" {
		slot = key
	}
	switch {
	case id == g.vmid:
		return nil, fail("either set storage or target-vmid, but not both")
	case to == nil || to.kind != KindCT:
		return nil, noConfig(q.node, KindCT, id)
	case key == "rootfs" || slot == "rootfs":
		return nil, fail("cannot move root volume to another container")
	case to.conf[slot] != "":
		return nil, fail("Target volume key '%s' is already in use for container '%d'", slot, id)
	case g.running && !strings.HasPrefix(key, "unused"):
		return nil, fail("cannot move volumes of a running container to another container")
	}
	for _, x := range []*guest{g, to} {
		if err := x.checkLock(); err != nil {
			return nil, err
		}
	}
	if err := g.immovable("given to others"); err != nil {
		return nil, err
	}
	p := parseMount("rootfs", g.conf[key])
	if !strings.HasPrefix(key, "unused") {
		p = parseMount(key, g.conf[key])
	}
	if _, err := q.mountVolume(g, p); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d-%s>%d-%s", g.vmid, key, id, slot)
	return q.spawn(job{kind: "move_volume", id: name, holds: []*guest{g, to}, run: func(*task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		v, err := q.mountVolume(g, p)
		if err != nil {
			return err
		}
		delete(g.conf, key)
		s := q.storages[v.storage]
		q.removeVolume(v)
		v.name, v.owner = q.freeName(s, to.node, id, v.format), id
		q.addVolume(to.node, v)
		p["volume"] = v.id()
		to.conf[slot] = v.id()
		if !strings.HasPrefix(slot, "unused") {
			if p["mp"] == "" {
				p["mp"] = "/" + slot
			}
			to.conf[slot] = printMount(slot, p)
		}
		return nil
	}}), nil
}
