package pvesim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Options set up a cluster. The zero value is one node pve1 with the storages
// local (dir) and local-lvm (lvmthin), whose tasks end at once.
type Options struct {
	// Seed makes UUIDs, MAC addresses and process ids reproducible.
	Seed uint64
	// Now is the only clock. Nil means time.Now.
	Now func() time.Time
	// Version is the pve-manager version, "8.4.21" when empty.
	Version  string
	Nodes    []string
	Storages []Storage
	// TaskTime tells how long a task of a type takes, measured on Now. Nil or
	// zero: the task has ended when its UPID is answered.
	TaskTime func(taskType string) time.Duration
	// Lag is how far cluster/resources lags behind a guest's real status; ten
	// seconds is the worst of a real cluster. Zero means no lag.
	Lag time.Duration
	// AuthDelay holds back every 401; a real server takes three seconds.
	AuthDelay time.Duration
	// LockWait is how long a write waits for the file lock of a guest that a
	// task holds; a real server waits ten seconds. Zero: it is refused at once.
	LockWait time.Duration
	// SyncLimit is how long the proxy waits for a call that answers once its work
	// is done; a real one gives up after 30 seconds with 596, while the work goes
	// on. The work of such a call, a PUT of a VM's configuration that allocates,
	// takes TaskTime("qmconfig"). Zero: it takes no time.
	SyncLimit time.Duration
	// Deaf makes VMs ignore shutdown requests and the removal of network devices,
	// as those without an operating system do. SetDeaf does so for one guest.
	Deaf bool
	// Agents lets a guest agent run in every running VM that has it enabled, which
	// tells made-up addresses and that cloud-init has ended well. Without it an
	// agent runs where SetGuestAgent says so.
	Agents bool
	// Bare makes the nodes lack what the node of the recordings lacked: KVM and
	// Proxmox's own QEMU build (a running disk can be neither grown, moved nor
	// cloned, and a running VM has no snapshots), the EFI images, AppArmor (a
	// running container takes no mount point), LXC's monitor, and the second version of cgroups.
	Bare bool
	// MaxCPUs is how many virtual processors a node can give to a VM; zero means 64.
	MaxCPUs int
	// Runtime runs containers for real; nil simulates them as all the rest. The
	// clock must be the real one then.
	Runtime Runtime
	// Memory is the memory of a node in bytes; zero means 32 GiB.
	Memory int64
	// Bridges are the bridges of every node; empty means vmbr0.
	Bridges []string
}

// Cluster is a simulated cluster. All methods are safe for concurrent use.
type Cluster struct {
	mu    sync.Mutex
	after []func() // run once mu is released, see unlock

	opts  Options
	rng   *rand.Rand
	nodes []string
	born  time.Time
	pid   int

	guests   map[int]*guest
	storages map[string]*storage
	tasks    []*task
	events   []event
	lines    map[string]int // of the cluster log, by node
	requests []Request
	faults   []*faultState
	access   *access
	pools    map[string]*pool
	ifaces   map[string][]iface
	objects  objects

	offline  map[string]bool
	noQuorum bool
	stale    map[int]*guest // what cluster/resources lists, see SetStale; nil: what there is
	onPower  []func(Guest, bool)
	download func(ctx context.Context, url string) (io.ReadCloser, error)
	options  map[string]string // datacenter options
}

// New makes a cluster.
func New(o Options) *Cluster {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Version == "" {
		o.Version = "8.4.21"
	}
	if len(o.Nodes) == 0 {
		o.Nodes = []string{"pve1"}
	}
	if o.MaxCPUs == 0 {
		o.MaxCPUs = 64
	}
	if o.Memory == 0 {
		o.Memory = 32 << 30
	}
	if len(o.Bridges) == 0 {
		o.Bridges = []string{"vmbr0"}
	}
	if len(o.Storages) == 0 {
		o.Storages = []Storage{
			{Name: "local", Type: "dir", Content: []string{"iso", "vztmpl", "backup", "import", "images", "rootdir", "snippets"}},
			{Name: "local-lvm", Type: "lvmthin", Content: []string{"images", "rootdir"}},
		}
	}
	c := &Cluster{
		opts: o,
		// The randomness must be reproducible and guards nothing.
		rng:      rand.New(rand.NewPCG(o.Seed, 0x70766573696d)), //nolint:gosec // not for secrets
		nodes:    slices.Clone(o.Nodes),
		born:     o.Now(),
		pid:      1000,
		guests:   map[int]*guest{},
		storages: map[string]*storage{},
		access:   newAccess(),
		pools:    map[string]*pool{},
		ifaces:   map[string][]iface{},
		objects:  newObjects(),
		options:  map[string]string{},
		offline:  map[string]bool{},
		lines:    map[string]int{},
		download: defaultDownload,
	}
	for _, s := range o.Storages {
		c.addStorage(s)
	}
	for _, n := range c.nodes {
		c.ifaces[n] = defaultIfaces(o.Bridges)
	}
	return c
}

// lock takes the state and lets the tasks that are due end.
func (c *Cluster) lock() {
	c.mu.Lock()
	c.advance()
}

// unlock gives the state back and then calls what was put off: callbacks of the
// owner may ask the cluster themselves.
func (c *Cluster) unlock() {
	after := c.after
	c.after = nil
	c.mu.Unlock()
	for _, f := range after {
		f()
	}
}

func (c *Cluster) now() time.Time { return c.opts.Now() }

// Requests returns the log of all requests so far, the oldest first.
func (c *Cluster) Requests() []Request {
	c.lock()
	defer c.unlock()
	out := slices.Clone(c.requests)
	for i := range out {
		out[i].Form = cloneValues(out[i].Form)
	}
	return out
}

// ForgetRequests empties the log of requests.
func (c *Cluster) ForgetRequests() {
	c.lock()
	defer c.unlock()
	c.requests = nil
}

// OnPower registers f to be called after a guest was started (running is true)
// or has stopped. It is called without any lock held.
func (c *Cluster) OnPower(f func(g Guest, running bool)) {
	c.lock()
	defer c.unlock()
	c.onPower = append(c.onPower, f)
}

func (c *Cluster) power(g *guest, running bool) {
	g.setRunning(c.now(), running)
	if running {
		g.pid = c.nextPID()
	}
	g.paused = false
	snapshot := c.export(g)
	for _, f := range c.onPower {
		c.after = append(c.after, func() { f(snapshot, running) })
	}
}

// Downloads replaces how download-url gets bytes. The default answers bytes that
// are made up from the URL, of which Sum knows the checksums. The function is
// called while the cluster is locked, so it must not ask the cluster anything.
func (c *Cluster) Downloads(f func(ctx context.Context, url string) (io.ReadCloser, error)) {
	c.lock()
	defer c.unlock()
	c.download = f
}

// SetOnline takes a node off the network, or puts it back. What is asked of an
// absent node is answered by the proxy, and its guests' status is unknown.
func (c *Cluster) SetOnline(node string, online bool) {
	c.lock()
	defer c.unlock()
	c.offline[node] = !online
}

// SetQuorum takes the cluster its quorum, or gives it back. Without it the
// configuration can be read, but not written.
func (c *Cluster) SetQuorum(quorate bool) {
	c.lock()
	defer c.unlock()
	c.noQuorum = !quorate
}

func (c *Cluster) nextPID() int {
	c.pid += 1 + c.rng.IntN(9)
	return c.pid
}

func (c *Cluster) uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(c.rng.UintN(256)) //nolint:gosec // below 256
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (c *Cluster) mac() string {
	prefix := c.options["mac_prefix"]
	if prefix == "" {
		prefix = "BC:24:11"
	}
	return fmt.Sprintf("%s:%02X:%02X:%02X", prefix, c.rng.UintN(256), c.rng.UintN(256), c.rng.UintN(256))
}

func (c *Cluster) hasNode(name string) bool { return slices.Contains(c.nodes, name) }
