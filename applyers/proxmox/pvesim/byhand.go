package pvesim

import (
	"fmt"
)

// What people do by hand with root's rights, besides Edit, SetRunning and Remove:
// without a request, so that no client is told.

// Grow makes the volume of a slot larger, and says so in the configuration, as
// the resize of the web interface does. A size that is not larger, and a slot
// without a volume, change nothing.
func (c *Cluster) Grow(as string, vmid int, slot string, size int64) {
	c.lock()
	defer c.unlock()
	g := c.guests[vmid]
	if g == nil {
		return
	}
	file := ""
	if g.kind == KindVM {
		file = parseDrive(slot, g.conf[slot])["file"]
	} else {
		file = parseMount(slot, g.conf[slot])["volume"]
	}
	v := c.volume(g.node, file)
	if v == nil || size <= v.size {
		return
	}
	v.size = c.storages[v.storage].roundUp(size)
	if g.kind == KindCT {
		p := parseMount(slot, g.conf[slot])
		p["size"] = formatSize(size)
		g.conf[slot] = printMount(slot, p)
		return
	}
	d := parseDrive(slot, g.conf[slot])
	d["size"] = formatSize(size)
	g.conf[slot] = printDrive(slot, d)
	c.event(g.node, as, fmt.Sprintf("update VM %d: resize --disk %s --size %s", vmid, slot, formatSize(size)))
}

// Migrate puts a guest, with its volumes of local storages, on another node. It
// goes on running.
func (c *Cluster) Migrate(vmid int, node string) {
	c.lock()
	defer c.unlock()
	g := c.guests[vmid]
	if g == nil || !c.hasNode(node) || g.node == node {
		return
	}
	for _, s := range c.storages {
		if s.Shared {
			continue
		}
		for _, v := range s.volumes {
			if v.owner == vmid && v.node == g.node {
				c.removeVolume(v)
				c.addVolume(node, v)
			}
		}
	}
	g.node = node
}

// SetPool puts a guest into a pool, which is made when it does not exist, and out
// of the one that it is in; an empty name puts it into none.
func (c *Cluster) SetPool(vmid int, name string) {
	c.lock()
	defer c.unlock()
	for _, p := range c.pools {
		delete(p.vms, vmid)
	}
	if name == "" {
		return
	}
	if c.pools[name] == nil {
		c.pools[name] = newPool("")
	}
	c.pools[name].vms[vmid] = true
}
