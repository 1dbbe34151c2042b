//go:build linux

package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/aftermath"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/deploy/internal/standin"
)

// Of the requests of a whole life every seventh is one at which an agent is killed,
// in turns before it is carried out and after. So many lives are led at a time: they
// wait for tasks more than they work.
const (
	killedEvery = 7
	livesAtOnce = 8
)

// chapter is a commit of a fleet's life.
type chapter struct {
	name string
	edit func(t *testing.T, c *clone)
	// is tells what the undisturbed life must have come to.
	is func(c *pvesim.Cluster) bool
}

func chapters() []chapter {
	running := func(c *pvesim.Cluster, vmid int) bool {
		g, _ := c.Guest(vmid)
		return g.Running
	}
	holds := func(c *pvesim.Cluster, vmid int, key, text string) bool {
		g, _ := c.Guest(vmid)
		return strings.Contains(g.Config[key], text)
	}
	return []chapter{
		{"create", func(*testing.T, *clone) {}, func(c *pvesim.Cluster) bool {
			return running(c, 4001) && running(c, 4002) && running(c, 4003) && holds(c, 4001, "scsi1", "vm-9501-disk-0") && holds(c, 4001, "scsi30", "vm-4001-")
		}},
		{"update online and grow", func(t *testing.T, c *clone) {
			t.Helper()
			c.replace(t, "guests/web.yaml", "tags: [prod]", "tags: [prod, edge]")
			c.replace(t, "guests/web.yaml", "8GiB", "10GiB")
			c.replace(t, "guests/cache.yaml", "512MiB", "768MiB")
			c.replace(t, "guests/cache.yaml", "4GiB", "6GiB")
		}, func(c *pvesim.Cluster) bool {
			return holds(c, 4001, "scsi0", "size=10G") && holds(c, 4001, "tags", "edge") && holds(c, 4002, "memory", "768") && holds(c, 4002, "rootfs", "size=6G")
		}},
		{"update with a reboot", func(t *testing.T, c *clone) {
			t.Helper()
			c.replace(t, "guests/web.yaml", "cpu: 1", "cpu: 2")
		}, func(c *pvesim.Cluster) bool { return holds(c, 4001, "cores", "2") && running(c, 4001) }},
		{"hand a volume over", func(t *testing.T, c *clone) {
			t.Helper()
			c.replace(t, "guests/web.yaml", "{volume: certs/letsencrypt}", "absent")
			c.replace(t, "guests/db.yaml", "4GiB}", "4GiB}\n  scsi1: {volume: certs/letsencrypt}")
		}, func(c *pvesim.Cluster) bool {
			return holds(c, 4003, "scsi1", "vm-9501-disk-0") && !holds(c, 4001, "scsi1", "vm-") && running(c, 4001) && running(c, 4003)
		}},
		{"archive", func(t *testing.T, c *clone) {
			t.Helper()
			c.git(t, "rm", "--quiet", "guests/web.yaml", "guests/cache.yaml")
		}, func(c *pvesim.Cluster) bool {
			return holds(c, 4001, "description", " archived=") && holds(c, 4002, "description", " archived=") && !running(c, 4001)
		}},
		{"restore", func(t *testing.T, c *clone) {
			t.Helper()
			c.git(t, "revert", "--no-commit", "HEAD")
		}, func(c *pvesim.Cluster) bool { return running(c, 4001) && running(c, 4002) }},
		{"delete", func(t *testing.T, c *clone) {
			t.Helper()
			c.git(t, "rm", "--quiet", "guests/web.yaml", "guests/cache.yaml")
			c.replace(t, "fleet.yaml", "archiveFor: 7d", "archiveFor: 0s")
		}, func(c *pvesim.Cluster) bool {
			_, web := c.Guest(4001)
			_, cache := c.Guest(4002)
			return !web && !cache
		}},
	}
}

// TestKilled kills the agent, which is a process, by SIGKILL at every seventh
// request of a fleet's life, and starts it again until nothing is left to do. The
// simulated Proxmox outlives it.
func TestKilled(t *testing.T) {
	t.Parallel()
	network := standin.Net(t)
	components(t)
	h := &lives{network: network, all: make(map[string]*life)}
	sim := pvesim.New(pvesim.Options{TaskTime: func(string) time.Duration { return 150 * time.Millisecond }})
	schemacheck.Watch(t, sim)
	sim.AddGuest(pvesim.Guest{Kind: pvesim.KindCT, VMID: 150, Running: true, Config: map[string]string{
		"hostname": "stranger", "memory": "512", "tags": "berth.e2e", "rootfs": "local-lvm:vm-150-disk-0,size=2G", "description": "By hand.\n",
	}})
	sim.AddGuest(pvesim.Guest{VMID: 151, Config: map[string]string{"name": "strange", "scsi0": "local-lvm:vm-151-disk-0,size=4G", "net0": "virtio=BC:24:11:01:02:04,bridge=vmbr0"}})
	w := &world{network: network, cluster: &cluster{Cluster: sim}, remote: newRemote(t, network)}
	w.cluster.serve(t, network, h)
	w.clone = w.remote.clone(t)
	const disk = "https://images.example.test/debian-12.qcow2"
	w.manifests(t, "testdata/e2e/life", map[string]string{"DISK": disk, "DISKSUM": pvesim.Sum(disk, "sha256")})
	h.remote, h.token = w.remote, sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
	// What is looked for is not in how the agent's goroutines meet, and the race
	// detector makes each of its some hundred starts many times dearer.
	h.binary = buildAgentWith(t)
	first, requests := h.begin(t, sim, ""), 0
	for _, c := range chapters() {
		c.edit(t, w.clone)
		w.clone.push(t, c.name)
		requests += h.chapter(t, c, first, requests)
		if t.Failed() {
			break
		}
	}
}

// chapter lets the first life go on undisturbed, and leads others from where it was
// to where it has come. It tells how many requests that took.
func (h *lives) chapter(t *testing.T, c chapter, first *life, before int) (requests int) {
	t.Helper()
	begun, err := first.sim.Copy()
	if err != nil {
		t.Fatal(err)
	}
	state, from := filepath.Join(t.TempDir(), "state"), len(begun.Requests())
	if was := filepath.Join(first.agent.dir, "state"); exists(was) {
		if err := os.CopyFS(state, os.DirFS(was)); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.turn(t, 0, false); err != nil {
		t.Fatalf("%s, undisturbed: %v", c.name, err)
	}
	requests = len(first.sim.Requests()) - from
	if err := first.rest(t); err != nil || !c.is(first.sim) {
		t.Fatalf("undisturbed, %s goes wrong: %v: %+v", c.name, err, first.sim.Guests())
	}
	end := aftermath.Of(first.sim, from)
	var others sync.WaitGroup
	slots := make(chan struct{}, livesAtOnce)
	killed := 0
	for n := killedEvery - before%killedEvery; n <= requests; n += killedEvery {
		sim, err := begun.Copy()
		if err != nil {
			t.Fatal(err)
		}
		l := h.begin(t, sim, state)
		after := killed%2 == 1
		killed++
		others.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			err := l.turn(t, n, after)
			if err == nil {
				err = l.rest(t)
			}
			all := aftermath.Of(l.sim, from).Against(end)
			if err != nil {
				all = append(all, err.Error())
			}
			if len(all) > 0 {
				t.Errorf("%s, killed at request %d (carried out %t):\n%s\nits writes:\n%s", c.name, n, after, strings.Join(all, "\n"), listed(written(l.sim, from)))
			}
		})
	}
	others.Wait()
	t.Logf("%s: killed at %d of %d requests", c.name, killed, requests)
	return requests
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func written(c *pvesim.Cluster, from int) []pvesim.Request {
	var all []pvesim.Request
	for _, r := range c.Requests()[from:] {
		if r.Write() {
			all = append(all, r)
		}
	}
	return all
}
