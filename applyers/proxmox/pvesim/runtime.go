package pvesim

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Runtime runs the containers that the API makes as real ones, see
// Options.Runtime. A task does its work through it, so that what the runtime
// cannot do is what the task fails with; while it works, the task goes on, its
// guest's file lock is held, and the cluster answers everybody else. VMs, and
// containers that AddGuest puts there, are simulated all the same.
//
// Its methods are called from any goroutine, for one container by one at a time
// ([Runtime.State] at any time), and never with a lock of the cluster held, but
// for State, which must not wait for anything. An error is one line of text, for
// the log of the task.
type Runtime interface {
	// Create makes a container that is switched off.
	Create(ctx context.Context, c Container, from Origin) error
	// Start switches a container on, as c describes it now. It returns when its first
	// process runs; ended is called once when it has gone off, for whatever
	// reason, before a Stop that brought it about returns.
	Start(ctx context.Context, c Container, ended func()) error
	// Change gives a running container what has changed.
	Change(ctx context.Context, c Container) error
	// Stop asks a running container to shut down and waits so long for it; with no
	// time to wait it is switched off at once. It fails where the container runs
	// on; stopping one that is off does nothing.
	Stop(ctx context.Context, vmid int, within time.Duration) error
	// Destroy removes a container that is off, with all that belonged to it.
	Destroy(ctx context.Context, vmid int) error
	// State tells of a running container; the zero State of any other.
	State(vmid int) State
}

// Container is what a runtime must know of a container.
type Container struct {
	VMID     int
	Hostname string
	// Memory and Swap are in bytes, Cores are whole processors (zero: all that
	// there are) and CPULimit is a part of their time (0.5: half of one; zero: no
	// limit).
	Memory, Swap int64
	Cores        int
	CPULimit     float64
	Unprivileged bool
	// Features are what the option of this name switches on: nesting, keyctl, fuse, ….
	Features      []string
	Nameservers   []string
	SearchDomains []string
	Networks      []Network
	Mounts        []Mount
	// Volumes are all volumes of the container, its root and those that are not in use
	// included: data of others of its own may go.
	Volumes []string
	// Devices are the options dev0, dev1, …, as they are written.
	Devices []string
}

// Network is a network device of a container.
type Network struct {
	Name, MAC, Bridge string
	// Address and Address6 are as the option says: a prefix, "dhcp", "manual",
	// "auto" (IPv6 alone) or nothing.
	Address, Address6 string
	Gateway, Gateway6 netip.Addr
	MTU               int // zero: that of the bridge
	Tag               int // zero: none
	Trunks            string
	Down              bool
}

// Mount is a mount point beside the root.
type Mount struct {
	Path string // in the container
	// Volume is the volume's id, and Owner the guest that its name tells; or Host a
	// path of the node.
	Volume, Host string
	Owner        int
	ReadOnly     bool
}

// Origin is what a container is made from: a template, or another container.
type Origin struct {
	Template string // its file name, as debian-12-standard_12.7-1_amd64.tar.zst
	Clone    int    // VMID
	// Keys are lines of root's authorized_keys and Password is root's, empty for none.
	Keys, Password string
}

// State is what a runtime tells of a running container.
type State struct {
	PID        int
	Since      time.Time
	Memory     int64 // bytes in use
	Interfaces []Interface
}

// container describes a guest to the runtime.
func (q *call) container(g *guest) Container {
	memory, swap := g.memory(), int64(512)<<20
	if s, ok := g.conf["swap"]; ok {
		swap = int64(atoi(s)) << 20
	}
	limit, _ := strconv.ParseFloat(g.conf["cpulimit"], 64)
	c := Container{
		VMID: g.vmid, Hostname: g.conf["hostname"], Memory: memory, Swap: swap,
		Cores: atoi(g.conf["cores"]), CPULimit: limit, Unprivileged: g.conf["unprivileged"] == "1",
		Nameservers: splitList(g.conf["nameserver"]), SearchDomains: splitList(g.conf["searchdomain"]),
	}
	features, _ := lxcProps()["features"].parseProps("features", g.conf["features"])
	for k, v := range features {
		if v == "1" {
			c.Features = append(c.Features, k)
		}
	}
	slices.Sort(c.Features)
	for i := range 32 {
		if v, ok := g.conf["net"+itoa(i)]; ok {
			c.Networks = append(c.Networks, network(v))
		}
	}
	for i := range 256 {
		if v, ok := g.conf["dev"+itoa(i)]; ok {
			c.Devices = append(c.Devices, v)
		}
	}
	for _, k := range mounts(g.conf) {
		if k == "rootfs" {
			continue
		}
		p := parseMount(k, g.conf[k])
		m := Mount{Path: p["mp"], ReadOnly: p["ro"] == "1"}
		if mountKind(p["volume"]) == "volume" {
			m.Volume, m.Owner = p["volume"], g.vmid
			if v := q.volume(g.node, p["volume"]); v != nil {
				m.Owner = v.owner
			}
		} else {
			m.Host = p["volume"]
		}
		c.Mounts = append(c.Mounts, m)
	}
	for _, s := range q.storages {
		for _, v := range s.volumes {
			if v.owner == g.vmid {
				c.Volumes = append(c.Volumes, v.id())
			}
		}
	}
	slices.Sort(c.Volumes)
	return c
}

func network(value string) Network {
	p, _ := lxcProps()["ctnet"].parseProps("net", value)
	n := Network{
		Name: p["name"], MAC: p["hwaddr"], Bridge: p["bridge"], Address: p["ip"], Address6: p["ip6"],
		MTU: atoi(p["mtu"]), Tag: atoi(p["tag"]), Trunks: p["trunks"], Down: p["link_down"] == "1",
	}
	n.Gateway, _ = netip.ParseAddr(p["gw"]) // The zero address says that there is none.
	n.Gateway6, _ = netip.ParseAddr(p["gw6"])
	return n
}

// outside lets the runtime work on a guest while the cluster goes on. The caller
// has the cluster's lock, and has it again afterwards; in between the guest's file
// lock alone is held.
func (q *call) outside(ctx context.Context, g *guest, f func(context.Context, Runtime) error) error {
	if g.holder == nil {
		t := &task{node: g.node, auth: q.auth, hidden: true, acting: true}
		g.holder = t
		defer func() { g.holder = nil }()
	}
	q.unlock()
	err := f(ctx, q.opts.Runtime)
	q.lock()
	if err != nil {
		return fail("%s", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	return nil
}

// ended is told by the runtime that a container has gone off.
func (c *Cluster) ended(g *guest) {
	c.lock()
	defer c.unlock()
	g.gone = true
	if g.holder == nil {
		c.notice(g)
	}
}

// notice takes note of a container that went off by itself: somebody shut it down
// from within, or it was killed.
func (c *Cluster) notice(g *guest) {
	gone := g.gone
	g.gone = false
	if !gone || !g.running || c.guests[g.vmid] != g {
		return
	}
	q := &call{Cluster: c, node: g.node, auth: auth{user: "root@pam"}}
	q.power(g, false)
	_ = q.applyPendingCT(g) // What cannot be applied stays pending.
}

// act gives a task, whose work is the runtime's, a goroutine of its own: others
// ask for the task meanwhile.
func (c *Cluster) act(t *task) {
	ctx, cancel := context.WithCancel(context.Background())
	t.acting, t.ctx, t.cancel = true, ctx, cancel
	for _, g := range t.holds {
		g.holder = t
	}
	go func() {
		defer cancel()
		c.lock()
		defer c.unlock()
		err := t.work(t)
		t.acting, t.end = false, c.now()
		for _, g := range t.holds {
			if g.holder == t {
				g.holder = nil
			}
			c.notice(g)
		}
		if t.aborted {
			c.interrupted(t)
			return
		}
		c.conclude(t, err)
	}()
}

// realize makes a real container; where that fails, nothing of it stays.
func (q *call) realize(t *task, g *guest, from Origin) error {
	if !g.real {
		return nil
	}
	c := q.container(g)
	g.conf["lock"] = "create" // Until it is whole.
	err := q.outside(t.ctx, g, func(ctx context.Context, r Runtime) error { return r.Create(ctx, c, from) })
	if err != nil {
		_ = q.destroyVolumes(&task{}, g, true)
		q.forget(g)
		return err
	}
	delete(g.conf, "lock")
	return nil
}

// launch switches a real container on.
func (q *call) launch(t *task, g *guest) error {
	c := q.container(g)
	g.gone = false
	return q.outside(t.ctx, g, func(ctx context.Context, r Runtime) error {
		return r.Start(ctx, c, func() { q.ended(g) })
	})
}

// halt shuts a real container down, or switches it off.
func (q *call) halt(ctx context.Context, g *guest, within time.Duration) error {
	if !g.real || !g.running {
		return nil
	}
	return q.outside(ctx, g, func(ctx context.Context, r Runtime) error { return r.Stop(ctx, g.vmid, within) })
}

// raze removes a real container.
func (q *call) raze(t *task, g *guest) error {
	if !g.real {
		return nil
	}
	return q.outside(t.ctx, g, func(ctx context.Context, r Runtime) error { return r.Destroy(ctx, g.vmid) })
}

// takeLive gives a real container that runs what its configuration says now; where it
// does not take it, its configuration says what it said before.
func (q *call) takeLive(g *guest, before *guest) error {
	if !g.real || !g.running {
		return nil
	}
	c := q.container(g)
	err := q.outside(context.Background(), g, func(ctx context.Context, r Runtime) error { return r.Change(ctx, c) })
	if err == nil {
		return nil
	}
	g.conf, g.pending, g.pendingDelete = before.conf, before.pending, before.pendingDelete
	return badParam("container", "unable to hotplug: %s", err.Error())
}

// immovable refuses what the runtime cannot do to volumes of a real container.
func (g *guest) immovable(what string) error {
	if g.real && len(mounts(g.conf)) > 1 {
		return fail("mount points of a container that really runs cannot be %s", what)
	}
	return nil
}
