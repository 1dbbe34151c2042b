//go:build linux

package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/deploy/internal/standin"
)

// cluster is a simulated Proxmox on the node, served over TLS.
type cluster struct {
	*pvesim.Cluster
	token, endpoint, fingerprint string
}

func newCluster(t *testing.T, network *standin.Network, o pvesim.Options) *cluster {
	t.Helper()
	c := &cluster{Cluster: pvesim.New(o)}
	schemacheck.Watch(t, c.Cluster)
	c.token = c.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
	c.serve(t, network, c)
	return c
}

// serve lets the cluster be reached from the node, by way of a handler.
func (c *cluster) serve(t *testing.T, network *standin.Network, handler http.Handler) {
	t.Helper()
	c.endpoint, c.fingerprint = network.ServeTLS(t, handler)
}

// writes are the requests since a moment that could change anything.
func (c *cluster) writes(since time.Time) []pvesim.Request {
	return slices.DeleteFunc(c.Requests(), func(r pvesim.Request) bool { return !r.Write() || !r.Time.After(since) })
}

// wrote finds the only write since a moment to a path, in which * stands for one
// segment, whose parameters hold what is asked for ("memory=384").
func (c *cluster) wrote(t *testing.T, since time.Time, method, pattern string, params ...string) event {
	t.Helper()
	what := method + " " + strings.TrimSpace(pattern+" "+strings.Join(params, " "))
	var found []event
	for _, r := range c.writes(since) {
		if matched, err := path.Match(pattern, r.Path); err != nil || !matched || r.Method != method {
			continue
		}
		if r.Status != http.StatusOK {
			t.Errorf("%s was answered by %d: %s", what, r.Status, r.Message)
		}
		if !slices.ContainsFunc(params, func(p string) bool {
			key, value, _ := strings.Cut(p, "=")
			return !strings.Contains(r.Form.Get(key), value)
		}) {
			found = append(found, event{what, r.Time})
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s is %d times in the log of Proxmox, not once:\n%s", what, len(found), listed(c.writes(since)))
	}
	return found[0]
}

// listed shows requests, one a line.
func listed(requests []pvesim.Request) string {
	var text strings.Builder
	for _, r := range requests {
		fmt.Fprintf(&text, "  %s %s %s %s → %d %s\n", r.Time.Format("05.000"), r.Method, r.Path, r.Form.Encode(), r.Status, r.Message)
	}
	return text.String()
}

// machines gives the guests of a cluster hosts that are on when the guests are.
type machines struct {
	network *standin.Network
	cluster *cluster
	orders  chan func() error
	done    chan struct{}

	mu    sync.Mutex
	hosts map[int]*standin.Host
	up    map[int][]time.Time // When, in each start, sshd did not answer for the last time.
}

// bootTime is how long a machine takes before its sshd starts.
const bootTime = 500 * time.Millisecond

func newMachines(t *testing.T, network *standin.Network, c *cluster) *machines {
	t.Helper()
	m := &machines{
		network: network, cluster: c, orders: make(chan func() error, 64), done: make(chan struct{}),
		hosts: make(map[int]*standin.Host), up: make(map[int][]time.Time),
	}
	// Booting takes a while, and requests must not wait for it.
	go func() {
		defer close(m.done)
		for order := range m.orders {
			if err := order(); err != nil {
				t.Error(err)
			}
		}
	}()
	c.OnPower(func(g pvesim.Guest, running bool) {
		m.orders <- func() error { return m.power(g, running) }
	})
	t.Cleanup(func() {
		close(m.orders)
		<-m.done
		for _, host := range m.hosts {
			if err := host.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return m
}

func (m *machines) power(g pvesim.Guest, running bool) error {
	host := m.host(g.VMID)
	if !running {
		if host == nil {
			return nil
		}
		return host.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if host == nil {
		address, key, err := m.made(g)
		if err != nil {
			return fmt.Errorf("make a machine for guest %d: %w", g.VMID, err)
		}
		if host, err = m.network.Add(ctx, g.Config["hostname"], address, key); err != nil {
			return err
		}
		m.mu.Lock()
		m.hosts[g.VMID] = host
		m.mu.Unlock()
	}
	// Firmware and kernel; whoever does not wait for the machine finds nobody.
	<-time.After(bootTime)
	if err := host.Start(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	m.up[g.VMID] = append(m.up[g.VMID], host.Silent())
	m.mu.Unlock()
	return nil
}

// made tells what Proxmox was told about a container: its address, and the key
// that may log in.
func (m *machines) made(g pvesim.Guest) (address, key string, err error) {
	for word := range strings.SplitSeq(g.Config["net0"], ",") {
		if text, ok := strings.CutPrefix(word, "ip="); ok {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return "", "", fmt.Errorf("read its address: %w", err)
			}
			address = prefix.Addr().String()
		}
	}
	if address == "" {
		return "", "", errors.New("it has no address")
	}
	for _, r := range m.cluster.Requests() {
		if r.Method == http.MethodPost && path.Base(r.Path) == "lxc" && r.Form.Get("vmid") == strconv.Itoa(g.VMID) {
			key = r.Form.Get("ssh-public-keys")
		}
	}
	if key == "" {
		return "", "", errors.New("nobody may log in to it")
	}
	return address, key, nil
}

// host is a guest's machine; nil if it was never started.
func (m *machines) host(vmid int) *standin.Host {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hosts[vmid]
}

// booted is when, in its nth start, a guest's machine was about to answer SSH.
func (m *machines) booted(t *testing.T, vmid, n int) event {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.up[vmid]) != n {
		t.Fatalf("guest %d has booted %d times, not %d", vmid, len(m.up[vmid]), n)
	}
	return event{fmt.Sprintf("guest %d is about to answer SSH", vmid), m.up[vmid][n-1]}
}

// noted reads the times that a playbook has noted in a guest's file.
func (m *machines) noted(t *testing.T, vmid int, file string) []time.Time {
	t.Helper()
	host := m.host(vmid)
	if host == nil {
		t.Fatalf("guest %d was never started", vmid)
	}
	text, err := host.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return times(t, string(text))
}

// ran waits for the nth run of the playbook in a guest to end, which is to be
// the last one, and tells when it has begun and ended.
func (m *machines) ran(t *testing.T, vmid, n int) (begun, ended event) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("the playbook has ended in guest %d", vmid), func() error {
		if to := m.noted(t, vmid, "/srv/ended"); len(to) < n {
			return fmt.Errorf("%d times, not %d", len(to), n)
		}
		return nil
	})
	from, to := m.noted(t, vmid, "/srv/begun"), m.noted(t, vmid, "/srv/ended")
	if len(from) != n || len(to) != n {
		t.Fatalf("the playbook has begun %d and ended %d times in guest %d, not %d", len(from), len(to), vmid, n)
	}
	return event{fmt.Sprintf("run %d of the playbook begins in guest %d", n, vmid), from[n-1]},
		event{fmt.Sprintf("run %d of the playbook ends in guest %d", n, vmid), to[n-1]}
}
