package pvesim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// AddGuest puts a guest there that the API did not make: somebody else's, or one
// that a test wants ready. What Config leaves out (meta, smbios1, vmgenid, MAC
// addresses) stays out. Volumes that its drives name are allocated for the guest
// when they carry its id and do not exist yet.
func (c *Cluster) AddGuest(in Guest) {
	c.lock()
	defer c.unlock()
	node := cmp.Or(in.Node, c.nodes[0])
	kind := cmp.Or(in.Kind, KindVM)
	g := newGuest(in.VMID, kind, node)
	g.conf = cloneMap(in.Config)
	g.pending = cloneMap(in.Pending)
	for _, k := range in.PendingDelete {
		g.pendingDelete[strings.TrimPrefix(k, "!")] = strings.HasPrefix(k, "!")
	}
	if in.Lock != "" {
		g.conf["lock"] = in.Lock
	}
	for _, n := range in.Snapshots {
		g.snaps[n] = &snapshot{conf: maps.Clone(g.conf), time: c.now()}
	}
	for _, conf := range []map[string]string{g.conf, g.pending} {
		for k, v := range conf {
			conf[k] = c.seedSlot(g, k, v)
		}
	}
	g.running = in.Running
	if g.running {
		g.started, g.pid = c.now(), c.nextPID()
	}
	c.guests[in.VMID] = g
	if in.Pool != "" {
		if c.pools[in.Pool] == nil {
			c.pools[in.Pool] = newPool("")
		}
		c.pools[in.Pool].vms[in.VMID] = true
	}
}

// seedSlot allocates the volume of a slot and gives the slot a size.
func (c *Cluster) seedSlot(g *guest, k, v string) string {
	base, n := splitIndex(k)
	unused := base == "unused" && n >= 0
	vm := g.kind == KindVM && isDrive(k)
	ct := g.kind == KindCT && isMount(k)
	if !unused && !vm && !ct {
		return v
	}
	file, size := v, ""
	var d drive
	switch {
	case vm:
		d = parseDrive(k, v)
		file, size = d["file"], d["size"]
	case ct:
		d = parseMount(k, v)
		file, size = d["volume"], d["size"]
	}
	name, rest, ok := strings.Cut(file, ":")
	s := c.storages[name]
	if !ok || s == nil {
		return v
	}
	content, owner, format, err := s.parseName(rest)
	if err != nil || content != "images" {
		return v
	}
	bytes, known := parseSize(size)
	if !known {
		bytes = gib
		if strings.Contains(rest, "cloudinit") {
			bytes = 4 << 20
		}
	}
	if ct {
		content = "rootdir"
	}
	if s.volumes[s.key(g.node, rest)] == nil {
		vol := &volume{storage: name, name: rest, owner: owner, size: bytes, format: format, content: content, ctime: c.now()}
		if parent, linked := cutBase(rest); linked {
			vol.base = parent
		}
		vol.frozen = strings.Contains(rest[strings.LastIndex(rest, "/")+1:], "base-")
		c.addVolume(g.node, vol)
	}
	if size == "" && !unused && d != nil && !d.cdrom() {
		d["size"] = formatSize(bytes)
		if vm {
			return printDrive(k, d)
		}
		return printMount(k, d)
	}
	return v
}

// cutBase finds the base in the name of a linked clone.
func cutBase(name string) (base string, linked bool) {
	parts := strings.Split(name, "/")
	switch {
	case len(parts) == 4:
		return parts[0] + "/" + parts[1], true
	case len(parts) == 2 && strings.HasPrefix(parts[0], "base-"):
		return parts[0], true
	}
	return "", false
}

func cloneMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}

func (c *Cluster) export(g *guest) Guest {
	out := Guest{
		Kind: g.kind, Node: g.node, VMID: g.vmid, Config: maps.Clone(g.conf), Pending: maps.Clone(g.pending),
		PendingDelete: g.deletes(), Running: g.running, Lock: g.conf["lock"],
		Snapshots: slices.Sorted(maps.Keys(g.snaps)), Digest: g.digest(),
	}
	out.Pool = c.poolOf(g.vmid)
	return out
}

// Guest returns a copy of a guest's state, and whether it exists.
func (c *Cluster) Guest(vmid int) (Guest, bool) {
	c.lock()
	defer c.unlock()
	g := c.guests[vmid]
	if g == nil {
		return Guest{}, false
	}
	return c.export(g), true
}

// Guests returns copies of all guests, by their ids.
func (c *Cluster) Guests() []Guest {
	c.lock()
	defer c.unlock()
	var out []Guest
	for _, id := range slices.Sorted(maps.Keys(c.guests)) {
		out = append(out, c.export(c.guests[id]))
	}
	return out
}

// Edit changes a guest behind the client's back, as somebody with root's rights
// would: an empty value removes a key. A VM's change goes to the cluster log as
// that user's; a container's does not (FACTS 10).
func (c *Cluster) Edit(as string, vmid int, set map[string]string) {
	c.lock()
	defer c.unlock()
	g := c.guests[vmid]
	if g == nil {
		return
	}
	words := c.rewrite(g, set)
	if g.kind == KindVM {
		c.event(g.node, as, fmt.Sprintf("update VM %d: %s", vmid, strings.Join(words, " ")))
	}
}

// EditFile changes a guest as Edit does, in its file: no log tells of it (FACTS 10).
func (c *Cluster) EditFile(vmid int, set map[string]string) {
	c.lock()
	defer c.unlock()
	if g := c.guests[vmid]; g != nil {
		c.rewrite(g, set)
	}
}

// rewrite changes what a guest's configuration says, and tells the options of it.
func (c *Cluster) rewrite(g *guest, set map[string]string) (words []string) {
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if set[k] == "" {
			words = append(words, "-delete", k)
			delete(g.conf, k)
			continue
		}
		words = append(words, "-"+k, set[k])
		g.conf[k] = c.seedSlot(g, k, set[k])
	}
	return words
}

// SetRunning starts or stops a guest behind the client's back. A real container
// that its runtime cannot start or stop stays as it is.
func (c *Cluster) SetRunning(vmid int, running bool) {
	c.lock()
	defer c.unlock()
	g := c.guests[vmid]
	if g == nil || g.running == running {
		return
	}
	q := &call{Cluster: c, node: g.node, auth: auth{user: "root@pam"}}
	if g.real && running {
		if q.launch(&task{ctx: context.Background()}, g) != nil {
			return
		}
	} else if q.halt(context.Background(), g, 0) != nil {
		return
	}
	c.power(g, running)
	if !running {
		if g.kind == KindVM {
			_ = q.applyPending(g)
		} else {
			_ = q.applyPendingCT(g)
		}
	}
}

// SetDeaf makes a guest ignore shutdown requests, or hear them again.
func (c *Cluster) SetDeaf(vmid int, deaf bool) {
	c.lock()
	defer c.unlock()
	if g := c.guests[vmid]; g != nil {
		g.deaf = deaf
	}
}

// Remove takes a guest away behind the client's back, with its volumes.
func (c *Cluster) Remove(vmid int) {
	c.lock()
	defer c.unlock()
	g := c.guests[vmid]
	if g == nil {
		return
	}
	q := &call{Cluster: c, node: g.node, auth: auth{user: "root@pam"}}
	if q.halt(context.Background(), g, 0) != nil || q.raze(&task{ctx: context.Background()}, g) != nil {
		return
	}
	_ = q.destroyVolumes(&task{}, g, true)
	q.forget(g)
}

// AddVolume puts a volume there that no request made, such as an image.
func (c *Cluster) AddVolume(v Volume) {
	c.lock()
	defer c.unlock()
	name, rest, ok := strings.Cut(v.ID, ":")
	s := c.storages[name]
	if !ok || s == nil {
		return
	}
	content, owner, format, err := s.parseName(rest)
	if err != nil {
		return
	}
	vol := &volume{
		storage: name, name: rest, owner: cmp.Or(v.Owner, owner), size: v.Size, format: cmp.Or(v.Format, format),
		content: cmp.Or(v.Content, content), ctime: c.now(), data: slices.Clone(v.Data), sum: v.SHA256, used: v.Used,
	}
	vol.frozen = strings.Contains(rest[strings.LastIndex(rest, "/")+1:], "base-")
	if v.Data != nil {
		vol.setData(vol.data, "")
	}
	if parent, linked := cutBase(rest); linked {
		vol.base = parent
	}
	c.addVolume(cmp.Or(v.Node, c.nodes[0]), vol)
}

func (q *call) config(kind string) (any, error) {
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	if n := q.args["snapshot"]; n != "" {
		s := g.snaps[n]
		if s == nil {
			return nil, fail("snapshot '%s' does not exist", n)
		}
		return g.snapshotView(s), nil
	}
	if q.args["current"] == "1" {
		return g.showAll(g.conf), nil
	}
	return g.showAll(g.merged()), nil
}

func (q *call) pendingList(kind string) (any, error) {
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	rows := []any{map[string]any{"key": "digest", "value": g.digest()}}
	for _, k := range slices.Sorted(maps.Keys(merge(g.conf, g.pending))) {
		row := map[string]any{"key": k}
		if v, ok := g.conf[k]; ok {
			row["value"] = g.show(k, v)
		}
		if v, ok := g.pending[k]; ok {
			row["pending"] = g.show(k, v)
		}
		if force, ok := g.pendingDelete[k]; ok {
			row["delete"] = 1
			if force {
				row["delete"] = 2
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// guestList is a node's list: live, and filtered by what the author may see.
func (q *call) guestList(kind string) (any, error) {
	rows := []any{}
	for _, id := range slices.Sorted(maps.Keys(q.guests)) {
		g := q.guests[id]
		if g.kind != kind || g.node != q.node || !q.may("/vms/"+itoa(id), "VM.Audit") {
			continue
		}
		rows = append(rows, q.statusRow(g))
	}
	return rows, nil
}
