package pvesim

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// handClock is a clock that the test turns.
type handClock struct {
	mu sync.Mutex
	at time.Time
}

func newHandClock() *handClock { return &handClock{at: time.Unix(1_800_000_000, 0)} }

func (h *handClock) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *handClock) turn(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func TestTasksTakeTheirTime(t *testing.T) {
	clock := newHandClock()
	c, api := withVM(t, Options{Now: clock.now, TaskTime: func(kind string) time.Duration {
		if kind == "qmclone" {
			return time.Minute
		}
		return 0
	}})
	upid, _ := api.ok("POST", vm100+"/clone", form("newid", "101", "full", "1")).(string)
	status := func() map[string]any {
		m, _ := api.ok("GET", "/nodes/pve1/tasks/"+upid+"/status", nil).(map[string]any)
		return m
	}
	if s := status(); s["status"] != "running" || s["exitstatus"] != nil {
		t.Errorf("status = %v", s)
	}
	stub := api.config("/nodes/pve1/qemu/101/config")
	if stub["lock"] != "clone" || stub["scsi0"] != nil {
		t.Errorf("stub = %v", stub)
	}
	api.fails("PUT", vm100+"/config", form("cores", "2"), 500, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout")
	api.fails("POST", vm100+"/clone", form("newid", "101"), 500, "config file already exists")
	if id := api.ok("GET", "/cluster/nextid", nil); id != "102" {
		t.Errorf("nextid = %v", id)
	}
	running, _ := api.ok("GET", "/nodes/pve1/tasks?source=active", nil).([]any)
	if row, _ := running[0].(map[string]any); row["status"] != "RUNNING" || row["user"] != "root@pam!lab" {
		t.Errorf("active = %v", running)
	}
	clock.turn(time.Minute)
	if s := status(); s["status"] != "stopped" || s["exitstatus"] != "OK" {
		t.Errorf("status = %v", s)
	}
	if g, _ := c.Guest(101); g.Lock != "" || g.Config["scsi0"] != "local-lvm:vm-101-disk-0,size=8G" {
		t.Errorf("clone = %v", g.Config)
	}
	// Stopping a task takes back what it had begun.
	upid, _ = api.ok("POST", vm100+"/clone", form("newid", "102")).(string)
	api.ok("DELETE", "/nodes/pve1/tasks/"+upid, nil)
	if s := status(); !strings.Contains(fmt.Sprint(s["exitstatus"]), "interrupted by signal") {
		t.Errorf("status = %v", s)
	}
	if _, ok := c.Guest(102); ok {
		t.Error("the stub is left")
	}
}

// A write waits for the file lock of a task, up to the patience of the server.
func TestWritesQueueForTheFileLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := 4 * time.Second
		_, api := withVM(t, Options{LockWait: 10 * time.Second, TaskTime: func(string) time.Duration { return task }})
		api.ok("PUT", vm100+"/resize", form("disk", "scsi0", "size", "+1G"))
		began := time.Now()
		api.ok("PUT", vm100+"/config", form("cores", "2"))
		if d := time.Since(began); d != 4*time.Second {
			t.Errorf("waited %s", d)
		}
		task = time.Minute
		api.ok("PUT", vm100+"/resize", form("disk", "scsi0", "size", "+1G"))
		began = time.Now()
		api.fails("PUT", vm100+"/config", form("cores", "3"), 500, "got timeout")
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("gave up after %s", d)
		}
		// Reads never wait.
		if got := api.config(vm100 + "/config")["cores"]; got != 2.0 {
			t.Errorf("cores = %v", got)
		}
	})
}

func TestStatusOfResourcesLags(t *testing.T) {
	clock := newHandClock()
	_, api := withVM(t, Options{Now: clock.now, Lag: 10 * time.Second})
	row := func() map[string]any {
		rows, _ := api.ok("GET", "/cluster/resources?type=vm", nil).([]any)
		m, _ := rows[0].(map[string]any)
		return m
	}
	clock.turn(time.Minute)
	api.task("POST", vm100+"/status/start", nil)
	api.ok("PUT", vm100+"/config", form("name", "new", "tags", "a"))
	if r := row(); r["status"] != "stopped" || r["name"] != "new" || r["tags"] != "a" {
		t.Errorf("at once: %v", r)
	}
	live, _ := api.ok("GET", "/nodes/pve1/qemu", nil).([]any)
	if m, _ := live[0].(map[string]any); m["status"] != "running" {
		t.Errorf("the node's list is not live: %v", m)
	}
	clock.turn(11 * time.Second)
	if r := row(); r["status"] != "running" {
		t.Errorf("later: %v", r)
	}
	api.task("POST", vm100+"/status/stop", nil)
	if r := row(); r["status"] != "running" {
		t.Errorf("after the stop: %v", r)
	}
	api.task("POST", "/nodes/pve1/qemu", form("vmid", "101", "name", "fresh"))
	rows, _ := api.ok("GET", "/cluster/resources?type=vm", nil).([]any)
	if m, _ := rows[1].(map[string]any); m["status"] != "unknown" || m["maxmem"] != nil {
		t.Errorf("a fresh guest: %v", m)
	}
}

// A success of the request says nothing about the task.
func TestTasksFailAfter200(t *testing.T) {
	_, api := withVM(t, Options{})
	api.ok("PUT", vm100+"/config", form("scsi1", "local-lvm:1"))
	for _, tc := range []struct{ method, path, key, value, exit string }{
		{"PUT", vm100 + "/resize", "size", "1G", "shrinking disks is not supported"},
		{"POST", vm100 + "/snapshot", "snapname", "s1", "OK"},
		{"POST", vm100 + "/snapshot", "snapname", "s1", "snapshot name 's1' already used"},
		{"POST", vm100 + "/status/start", "timeout", "1", "OK"},
		{"POST", vm100 + "/status/start", "timeout", "1", "VM 100 already running"},
	} {
		f := form(tc.key, tc.value)
		if tc.key == "size" {
			f.Set("disk", "scsi0")
		}
		if exit := api.task(tc.method, tc.path, f); exit != tc.exit {
			t.Errorf("%s %s: %q, want %q", tc.method, tc.path, exit, tc.exit)
		}
	}
}

func TestBackgroundDelay(t *testing.T) {
	clock := newHandClock()
	_, api := withVM(t, Options{Now: clock.now, TaskTime: func(string) time.Duration { return 5 * time.Second }})
	post := func(pairs ...string) reply { return api.do("POST", vm100+"/config", form(pairs...)) }
	if r := post("cores", "2", "background_delay", "10"); r.status != 200 || r.body["data"] != nil {
		t.Errorf("%d %v", r.status, r.body)
	}
	if r := post("scsi1", "local-lvm:vm-100-disk-9", "background_delay", "10"); r.status != 500 || !strings.HasPrefix(r.reason, "failed to update VM 100: volume 'local-lvm:vm-100-disk-9' does not exist") {
		t.Errorf("%d %s", r.status, r.reason)
	}
	if r := post("cores", "3", "background_delay", "1"); r.status != 200 || !strings.HasPrefix(fmt.Sprint(r.body["data"]), "UPID:") {
		t.Errorf("%d %v", r.status, r.body)
	}
}

// A container's conversion goes on unseen after its answer.
func TestContainerTemplateIsNotThereAtOnce(t *testing.T) {
	c, api := withVM(t, Options{})
	c.AddGuest(Guest{Kind: KindCT, VMID: 200, Config: map[string]string{"hostname": "ct", "rootfs": "local-lvm:vm-200-disk-0,size=1G"}})
	if d := api.ok("POST", "/nodes/pve1/lxc/200/template", nil); d != nil {
		t.Errorf("data = %v", d)
	}
	if api.config("/nodes/pve1/lxc/200/config")["template"] != nil {
		t.Error("a read right after shows the template")
	}
	for range 3 {
		api.ok("GET", "/version", nil)
	}
	if api.config("/nodes/pve1/lxc/200/config")["template"] != 1.0 {
		t.Error("it never becomes a template")
	}
}

// Many clients at once, for the race detector: every change is made, none twice.
func TestManyClients(t *testing.T) {
	c := New(Options{Seed: 9})
	token := c.AddToken("root@pam", "lab", false)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			api := client{t: t, c: c, token: token}
			id := itoa(100 + i)
			r := api.do("POST", "/nodes/pve1/qemu", form("vmid", id, "scsi0", "local-lvm:1", "net0", "virtio,bridge=vmbr0"))
			r2 := api.do("POST", "/nodes/pve1/qemu", form("vmid", "500"))
			if r.status != 200 || r2.status != 200 && r2.status != 500 {
				t.Errorf("%d %s", r.status, r.reason)
			}
			for range 5 {
				api.do("GET", "/cluster/resources", nil)
				api.do("PUT", "/nodes/pve1/qemu/"+id+"/config", form("description", id))
				c.Guests()
				c.Requests()
			}
		})
	}
	wg.Wait()
	if g, v := len(c.Guests()), len(c.Volumes()); g != 9 || v != 8 {
		t.Errorf("%d guests, %d volumes", g, v)
	}
	// The same seed gives the same machine.
	a, b := New(Options{Seed: 4}), New(Options{Seed: 4})
	for _, x := range []*Cluster{a, b} {
		rootClient(t, x).task("POST", "/nodes/pve1/qemu", form("vmid", "100", "net0", "virtio,bridge=vmbr0"))
	}
	ga, _ := a.Guest(100)
	gb, _ := b.Guest(100)
	if ga.Config["net0"] != gb.Config["net0"] || ga.Config["smbios1"] != gb.Config["smbios1"] {
		t.Error("one seed, two results")
	}
}

// The proxy gives up on a call that takes long; its work goes on and succeeds, and
// a retry meets the file lock.
func TestProxyGivesUpOnSlowCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := 40 * time.Second
		c, api := withVM(t, Options{SyncLimit: 30 * time.Second, LockWait: 5 * time.Second, TaskTime: func(string) time.Duration { return d }})
		began := time.Now()
		api.fails("PUT", vm100+"/config", form("scsi1", "local-lvm:1"), 596, "Connection timed out")
		if got := time.Since(began); got != 30*time.Second {
			t.Errorf("gave up after %s", got)
		}
		api.fails("PUT", vm100+"/config", form("scsi1", "local-lvm:1"), 500, "got timeout")
		<-time.After(10 * time.Second)
		if g, _ := c.Guest(100); g.Config["scsi1"] == "" || len(c.Tasks()) != 0 {
			t.Errorf("the work was not done: %v, tasks %v", g.Config, c.Tasks())
		}
		d = 20 * time.Second
		began = time.Now()
		api.ok("PUT", vm100+"/config", form("scsi2", "local-lvm:1"))
		if got := time.Since(began); got != d {
			t.Errorf("took %s", got)
		}
		api.fails("PUT", vm100+"/config", form("scsi3", "local-lvm:vm-100-disk-77", "scsi4", "local-lvm:1"), 500, "does not exist")
		// What allocates nothing takes no time.
		began = time.Now()
		api.ok("PUT", vm100+"/config", form("cores", "2"))
		if got := time.Since(began); got != 0 {
			t.Errorf("took %s", got)
		}
	})
}

// A clock that stands before the cluster's birth must not show.
func TestClockTurnedBack(t *testing.T) {
	clock := newHandClock()
	_, api := withVM(t, Options{Now: clock.now})
	clock.turn(-1000 * time.Hour)
	if exit := api.task("POST", vm100+"/status/start", nil); exit != "OK" {
		t.Errorf("exit = %s", exit)
	}
}

func TestDeafGuests(t *testing.T) {
	c, api := withVM(t, Options{})
	c.AddGuest(Guest{Kind: KindCT, VMID: 200, Running: true, Config: map[string]string{"hostname": "ct"}})
	c.SetRunning(100, true)
	c.SetDeaf(100, true)
	c.SetDeaf(200, true)
	const ct = "/nodes/pve1/lxc/200"
	if exit := api.task("POST", vm100+"/status/shutdown", form("timeout", "3")); exit != "VM quit/powerdown failed - got timeout" {
		t.Errorf("exit = %s", exit)
	}
	if exit := api.task("POST", ct+"/status/shutdown", form("timeout", "3")); exit != "command 'lxc-stop -n 200 --nokill --timeout 3' failed: exit code 1" {
		t.Errorf("exit = %s", exit)
	}
	for _, at := range []string{vm100, ct} {
		if exit := api.task("POST", at+"/status/shutdown", form("forceStop", "1")); exit != "OK" {
			t.Errorf("forced: %s", exit)
		}
	}
	for _, g := range c.Guests() {
		if g.Running {
			t.Errorf("%d still runs", g.VMID)
		}
	}
}
