package pvesim

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Migration is simulated from the sources, since nothing of it was recorded.

// trip is a guest on its way to another node.
type trip struct {
	*call
	g  *guest
	to string
	// stores says where a local volume goes: from a storage to a storage; the key
	// "" stands for all that are not named.
	stores map[string]string
	// local lets a running VM take the disks along that are attached to it.
	local bool
}

func (q *call) migrate(kind string) (any, error) {
	to := q.args["target"]
	switch {
	case to == q.node:
		return nil, badParam("target", "target is local node.")
	case !q.hasNode(to):
		return nil, fail("no such cluster node '%s'", to)
	}
	for _, k := range []string{"force", "migration_type", "migration_network"} {
		if _, ok := q.params[k]; ok && !q.auth.root() && kind == KindVM {
			return nil, badParam(k, "Only root may use this option.")
		}
	}
	g, err := q.find(kind)
	if err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil && kind == KindVM {
		return nil, err
	}
	if g.running {
		switch {
		case kind == KindVM && q.args["online"] != "1":
			return nil, fail("can't migrate running VM without --online")
		case kind == KindCT && q.args["online"] != "1" && q.args["restart"] != "1":
			return nil, fail("can't migrate running container without --online or --restart")
		}
	}
	m := &trip{call: q, g: g, to: to, local: q.args["with-local-disks"] == "1"}
	if err := m.targetStorages(); err != nil {
		return nil, err
	}
	work := q.move(m)
	j := job{kind: "qmigrate", id: itoa(g.vmid), holds: []*guest{g}, run: work, cleanup: func() { unlock(g) }}
	switch {
	case g.haExists:
		// The HA manager does it, and an HA-managed guest obeys at once.
		j.kind = "hamigrate"
	case kind == KindCT:
		j.kind = "vzmigrate"
	}
	if g.conf["lock"] == "" {
		g.conf["lock"] = "migrate"
	}
	return q.spawn(j), nil
}

func unlock(g *guest) {
	if g.conf["lock"] == "migrate" {
		delete(g.conf, "lock")
	}
}

// move is the work of the task. One that fails leaves the guest where it was.
func (q *call) move(m *trip) func(*task) error {
	return func(t *task) error {
		if err := q.alive(m.g); err != nil {
			return err
		}
		unlock(m.g)
		t.logf("starting migration of %s %d to node '%s' (%s)", m.g.noun(), m.g.vmid, m.to, q.address(m.to))
		err := m.g.checkLock()
		if err == nil {
			err = m.run(t)
		}
		if err != nil {
			t.logf("ERROR: migration aborted (duration 00:00:01): %s", strings.TrimSuffix(err.Error(), "\n"))
			return fail("migration aborted")
		}
		t.logf("migration finished successfully (duration 00:00:01)")
		return nil
	}
}

// address is a node's, as cluster/status tells it.
func (c *Cluster) address(node string) string {
	return "192.0.2." + itoa(11+slices.Index(c.nodes, node))
}

// targetStorages reads where local volumes go, and checks before any work what
// the server checks then: of a VM, that all of its storages are there.
func (m *trip) targetStorages() error {
	m.stores = map[string]string{}
	asked := m.args["targetstorage"] + m.args["target-storage"]
	for _, e := range splitList(asked) {
		from, to, pair := strings.Cut(e, ":")
		if !pair {
			from, to = "", e
		}
		if e == "1" {
			continue // every storage stands for itself
		}
		if err := m.check("/vms/"+itoa(m.g.vmid), "VM.Config.Disk"); err != nil {
			return err
		}
		s, err := m.storageOn(m.to, to)
		if err != nil {
			return err
		}
		if err := m.check("/storage/"+to, "Datastore.AllocateSpace"); err != nil {
			return err
		}
		if m.g.kind == KindVM && !s.holds("images") {
			return fail("storage '%s' does not support vm images", to)
		}
		m.stores[from] = to
	}
	if asked != "" || m.g.kind == KindCT {
		return nil
	}
	for _, v := range m.slots() {
		if name, _, ok := strings.Cut(v.volid, ":"); ok {
			if _, err := m.storageOn(m.to, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// slot is where a configuration names a volume.
type slot struct {
	key, volid string
	cdrom      bool
	cloudinit  bool
	shared     bool // a path that is said to be the same on every node
	unused     bool
}

func (m *trip) slots() []slot {
	var out []slot
	for _, k := range slices.Sorted(maps.Keys(m.g.conf)) {
		v := m.g.conf[k]
		base, n := splitIndex(k)
		switch {
		case base == "unused" && n >= 0:
			out = append(out, slot{key: k, volid: v, unused: true})
		case m.g.kind == KindVM && isDrive(k):
			d := parseDrive(k, v)
			if d["file"] != "none" {
				out = append(out, slot{key: k, volid: d["file"], cdrom: d.cdrom(), cloudinit: d.cloudinit(), shared: d["shared"] == "1"})
			}
		case m.g.kind == KindCT && isMount(k):
			p := parseMount(k, v)
			out = append(out, slot{key: k, volid: p["volume"], shared: p["shared"] == "1"})
		}
	}
	return out
}

func (m *trip) run(t *task) error {
	if m.offline[m.to] {
		return fail("Can't connect to destination address using public key")
	}
	if m.g.kind == KindCT && m.g.running && m.args["online"] == "1" {
		return fail("lxc live migration is currently not implemented")
	}
	if err := m.g.immovable("migrated"); err != nil {
		return err
	}
	if err := m.devices(); err != nil {
		return err
	}
	var take []slot
	for _, s := range m.slots() {
		local, err := m.scan(s)
		if err != nil {
			return err
		}
		if local {
			t.logf("found local disk '%s'", s.volid)
			take = append(take, s)
		}
	}
	if err := m.bridges(); err != nil {
		return err
	}
	restart := m.g.kind == KindCT && m.g.running
	if restart {
		t.logf("shutdown CT %d", m.g.vmid)
		if err := m.halt(t.ctx, m.g, time.Minute); err != nil {
			return err
		}
		if err := m.off(m.g); err != nil {
			return err
		}
	}
	for _, s := range take {
		if err := m.carry(t, s); err != nil {
			return err
		}
	}
	m.g.node = m.to
	if restart {
		t.logf("start container on target node")
		if m.g.real {
			if err := m.launch(t, m.g); err != nil {
				return err
			}
		}
		m.power(m.g, true)
	}
	return nil
}

// carry copies a local volume and removes it here. Where its name is taken, it
// gets another.
func (m *trip) carry(t *task, s slot) error {
	v := m.volume(m.g.node, s.volid)
	goal := m.storages[m.goal(v.storage)]
	moved := *v
	moved.storage = goal.Name
	if goal.files() != m.storages[v.storage].files() {
		moved.format = "raw"
		moved.name = m.freeName(goal, m.to, m.g.vmid, moved.format)
	}
	if goal.volumes[goal.key(m.to, moved.name)] != nil {
		moved.name = m.freeName(goal, m.to, m.g.vmid, moved.format)
	}
	moved.size = goal.roundUp(moved.size)
	t.logf("volume '%s' is '%s' on the target", v.id(), moved.id())
	m.removeVolume(v)
	m.addVolume(m.to, &moved)
	if moved.id() == s.volid {
		return nil
	}
	switch {
	case s.unused:
		m.g.conf[s.key] = moved.id()
	case m.g.kind == KindVM:
		d := parseDrive(s.key, m.g.conf[s.key])
		d["file"] = moved.id()
		m.g.conf[s.key] = printDrive(s.key, d)
	default:
		p := parseMount(s.key, m.g.conf[s.key])
		p["volume"] = moved.id()
		m.g.conf[s.key] = printMount(s.key, p)
	}
	return nil
}
