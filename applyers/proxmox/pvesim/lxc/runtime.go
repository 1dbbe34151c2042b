//go:build linux

package lxc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"berth/applyers/proxmox/pvesim"
)

// Options set a runtime up.
type Options struct {
	// Cache is the directory that keeps root file systems, and containers while they
	// exist. Empty means what [DefaultCache] says.
	Cache string
	// Namespace is a network namespace that is there already, with its bridges, as
	// "ip netns" knows it. Empty: the runtime makes one, with these Bridges (empty:
	// vmbr0), and gives the first one Address.
	Namespace string
	Bridges   []string
	Address   netip.Prefix
	// Say is called with what takes long, a line each. It may be nil.
	Say func(line string)
}

// Runtime runs containers. Its methods may be called from any goroutine.
type Runtime struct {
	options   Options
	groups    groups
	namespace string
	run       string   // the directory of everything but the root file systems
	lock      *os.File // on run

	mu    sync.Mutex
	cts   map[int]*container
	dhcps map[string]*server // by bridge
}

// container is one that was made.
type container struct {
	vmid   int
	name   string
	rootfs string

	// The rest is guarded by the runtime's mu.
	proc  *process // nil while it is off
	knows pvesim.Container
}

var _ pvesim.Runtime = (*Runtime)(nil)

// DefaultCache is /var/cache/berth for root, and below the user's own cache for others.
func DefaultCache() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/berth", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a directory for the cache: %w; name one", err)
	}
	return filepath.Join(dir, "berth"), nil
}

// Check names everything that is missing on this machine for real containers.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("real containers need root: they get overlays, network namespaces and cgroups")
	}
	var faults []error
	for _, need := range [][2]string{
		{"lxc-start", "lxc"}, {"lxc-info", "lxc"}, {"mmdebstrap", "mmdebstrap"}, {"ip", "iproute2"}, {"nsenter", "util-linux"}, {"apt-get", "apt"},
	} {
		if _, err := exec.LookPath(need[0]); err != nil {
			faults = append(faults, fmt.Errorf("%s is missing: apt-get install %s", need[0], need[1]))
		}
	}
	return errors.Join(faults...)
}

// New makes a runtime, and removes what killed ones have left. Close it.
func New(ctx context.Context, o Options) (*Runtime, error) {
	if err := Check(); err != nil {
		return nil, err
	}
	if o.Cache == "" {
		dir, err := DefaultCache()
		if err != nil {
			return nil, err
		}
		o.Cache = dir
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if len(o.Bridges) == 0 {
		o.Bridges = []string{"vmbr0"}
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("count the processors: %w", err)
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	groups, err := findGroups(cpus)
	if err != nil {
		return nil, err
	}
	run, lock, err := claim(ctx, o.Cache)
	if err != nil {
		return nil, err
	}
	r := &Runtime{
		options: o, groups: groups, namespace: o.Namespace, run: run, lock: lock,
		cts: map[int]*container{}, dhcps: map[string]*server{},
	}
	if r.namespace == "" {
		r.namespace = filepath.Base(run)
		if err := r.makeNetwork(ctx); err != nil {
			return nil, errors.Join(err, r.Close(ctx))
		}
	}
	return r, nil
}

func (r *Runtime) makeNetwork(ctx context.Context) error {
	steps := [][]string{{"netns", "add", r.namespace}, {"-n", r.namespace, "link", "set", "lo", "up"}}
	for i, bridge := range r.options.Bridges {
		steps = append(steps, []string{"-n", r.namespace, "link", "add", bridge, "type", "bridge"})
		if i == 0 && r.options.Address.IsValid() {
			steps = append(steps, []string{"-n", r.namespace, "addr", "add", r.options.Address.String(), "dev", bridge})
		}
		steps = append(steps, []string{"-n", r.namespace, "link", "set", bridge, "up"})
	}
	for _, step := range steps {
		if _, err := do(ctx, "ip", step...); err != nil {
			return fmt.Errorf("make the containers' network: %w", err)
		}
	}
	return nil
}

// Close switches all containers off and removes them, with everything that was made
// but the root file systems, whether the context has ended or not.
func (r *Runtime) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	r.mu.Lock()
	all := make([]*container, 0, len(r.cts))
	for _, ct := range r.cts {
		all = append(all, ct)
	}
	servers := r.dhcps
	r.dhcps = nil
	r.mu.Unlock()
	var faults []error
	for _, ct := range all {
		faults = append(faults, r.Stop(ctx, ct.vmid, 0))
	}
	for _, s := range servers {
		_ = s.cmd.Process.Kill() // It may have ended.
		<-s.ended
	}
	faults = append(faults, remove(ctx, r.run), r.lock.Close())
	return errors.Join(faults...)
}

// find returns a container that was made.
func (r *Runtime) find(vmid int) (*container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ct := r.cts[vmid]
	if ct == nil {
		return nil, fmt.Errorf("container %d was not made here", vmid)
	}
	return ct, nil
}

func (r *Runtime) paths(ct *container) paths {
	return paths{rootfs: ct.rootfs, dir: filepath.Join(r.run, "ct", ct.name), volume: r.volume}
}

// volume is the directory of a volume, below that of its owner.
func (r *Runtime) volume(owner int, id string) string {
	return filepath.Join(r.volumes(owner), fileName(id))
}

func (r *Runtime) volumes(owner int) string {
	return filepath.Join(r.run, "volumes", strconv.Itoa(owner))
}

// prune removes the data of a container's volumes that are no more.
func (r *Runtime) prune(c pvesim.Container) error {
	entries, err := os.ReadDir(r.volumes(c.VMID))
	if err != nil {
		return nil //nolint:nilerr // It never had any.
	}
	for _, e := range entries {
		if slices.ContainsFunc(c.Volumes, func(id string) bool { return fileName(id) == e.Name() }) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.volumes(c.VMID), e.Name())); err != nil {
			return fmt.Errorf("remove a volume's data: %w", err)
		}
	}
	return nil
}
