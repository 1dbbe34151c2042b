package pvesim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowRuntime takes a second for everything, and notes what it was asked for.
type slowRuntime struct {
	mu    sync.Mutex
	said  []string
	fault map[string]string // by the first word of what is asked for
	ended map[int]func()
	last  Container
}

func (r *slowRuntime) do(ctx context.Context, what string, args ...any) error {
	r.mu.Lock()
	fault := r.fault[what]
	r.said = append(r.said, strings.TrimSpace(what+" "+fmt.Sprintln(args...)))
	r.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	if fault != "" {
		return errors.New(fault)
	}
	return nil
}

func (r *slowRuntime) Create(ctx context.Context, c Container, from Origin) error {
	return r.do(ctx, "create", c.VMID, c.Hostname, from.Template, from.Keys, from.Password)
}

func (r *slowRuntime) Start(ctx context.Context, c Container, ended func()) error {
	err := r.do(ctx, "start", c.VMID, c.Memory>>20, c.Cores)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = c
	if err == nil {
		r.ended[c.VMID] = ended
	}
	return err
}

func (r *slowRuntime) Change(ctx context.Context, c Container) error {
	return r.do(ctx, "change", c.VMID, c.Memory>>20, c.Cores)
}

func (r *slowRuntime) Stop(ctx context.Context, vmid int, within time.Duration) error {
	err := r.do(ctx, "stop", vmid, within)
	if err == nil {
		r.off(vmid)
	}
	return err
}

// off lets a container end.
func (r *slowRuntime) off(vmid int) {
	r.mu.Lock()
	ended := r.ended[vmid]
	delete(r.ended, vmid)
	r.mu.Unlock()
	if ended != nil {
		ended()
	}
}

func (r *slowRuntime) Destroy(ctx context.Context, vmid int) error { return r.do(ctx, "destroy", vmid) }

func (r *slowRuntime) State(vmid int) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended[vmid] == nil {
		return State{}
	}
	return State{PID: 4711, Since: time.Now().Add(-time.Minute), Memory: 5 << 20, Interfaces: []Interface{{Name: "eth0", MAC: "BC:24:11:00:00:01", Addresses: []string{"10.1.1.7/24"}}}}
}

// asked is what was asked for since the last call.
func (r *slowRuntime) asked() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := strings.Join(r.said, "; ")
	r.said = nil
	return said
}

const newCT = "vmid=300&ostemplate=local:vztmpl/debian-12.tar.zst&rootfs=local-lvm:1&hostname=ct&memory=256&cores=2&net0=name=eth0,bridge=vmbr0,ip=10.1.1.7/24,gw=10.1.1.1&password=secret"

// What a runtime does takes its time, in which others are answered; what it cannot
// do is what the task fails with.
func TestRuntimeDoesTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &slowRuntime{fault: map[string]string{}, ended: map[int]func(){}}
		c := New(Options{Runtime: r, LockWait: 10 * time.Second})
		c.AddVolume(Volume{ID: "local:vztmpl/debian-12.tar.zst", Data: []byte("x")})
		api := rootClient(t, c)
		// task tells how a task has ended that lasts so many seconds.
		task := func(method, path, args string, seconds int) string {
			t.Helper()
			began := time.Now()
			var f []string
			for p := range strings.SplitSeq(args, "&") {
				if k, v, ok := strings.Cut(p, "="); ok {
					f = append(f, k, v)
				}
			}
			upid, _ := api.ok(method, "/nodes/pve1"+path, form(f...)).(string)
			for {
				s, _ := api.ok("GET", "/nodes/pve1/tasks/"+upid+"/status", nil).(map[string]any)
				if s["status"] == "stopped" {
					if took := int(time.Since(began).Seconds()); took != seconds {
						t.Errorf("%s %s takes %d s, not %d", method, path, took, seconds)
					}
					return fmt.Sprint(s["exitstatus"])
				}
				<-time.After(10 * time.Millisecond)
			}
		}
		want := func(exit, wanted, asked string) {
			t.Helper()
			if exit != wanted {
				t.Errorf("the task ends with %q, not %q", exit, wanted)
			}
			if got := r.asked(); got != asked {
				t.Errorf("asked for %q, not for %q", got, asked)
			}
		}
		row := func() map[string]any {
			t.Helper()
			return api.config("/nodes/pve1/lxc/300/status/current")
		}

		r.fault["create"] = "no space left"
		want(task("POST", "/lxc", newCT, 1), "unable to create CT 300 - no space left", "create 300 ct debian-12.tar.zst  secret")
		if _, there := c.Guest(300); there || len(c.Volumes()) > 1 {
			t.Errorf("something is left of a container that could not be made: %v", c.Volumes())
		}
		clear(r.fault)
		want(task("POST", "/lxc", newCT, 1), "OK", "create 300 ct debian-12.tar.zst  secret")

		r.fault["start"] = "the bridge is gone"
		want(task("POST", "/lxc/300/status/start", "", 1), "the bridge is gone", "start 300 256 2")
		if row()["status"] != "stopped" {
			t.Error("it runs, though it did not start")
		}
		clear(r.fault)
		want(task("POST", "/lxc/300/status/start", "", 1), "OK", "start 300 256 2")
		if now := row(); now["status"] != "running" || now["pid"] != float64(4711) || now["mem"] != float64(5<<20) || now["uptime"] != float64(60) {
			t.Errorf("status/current: %v", now)
		}
		if text := fmt.Sprint(api.ok("GET", "/nodes/pve1/lxc/300/interfaces", nil)); !strings.Contains(text, "10.1.1.7") {
			t.Errorf("interfaces: %v", text)
		}
		if n := r.last.Networks; len(n) != 1 || n[0].Name != "eth0" || n[0].Bridge != "vmbr0" || n[0].Address != "10.1.1.7/24" || n[0].Gateway.String() != "10.1.1.1" || n[0].MAC == "" {
			t.Errorf("networks: %+v", n)
		}

		// What it takes live is there when the call is answered; what it refuses is told, and not so.
		api.ok("PUT", "/nodes/pve1/lxc/300/config", form("memory", "512"))
		want("", "", "change 300 512 2")
		r.fault["change"] = "too much"
		api.fails("PUT", "/nodes/pve1/lxc/300/config", form("memory", "1024"), 400, "Parameter verification failed.")
		clear(r.fault)
		r.asked()
		if g, _ := c.Guest(300); g.Config["memory"] != "512" {
			t.Errorf("what was refused is there: %v", g.Config)
		}

		// While a task is at work a writer waits for it, and a reader does not.
		api.ok("POST", "/nodes/pve1/lxc/300/status/reboot", nil)
		began := time.Now()
		if row()["status"] != "running" || time.Since(began) > 0 {
			t.Errorf("to read takes %s", time.Since(began))
		}
		api.ok("PUT", "/nodes/pve1/lxc/300/config", form("cores", "1"))
		want("", "", "stop 300 1m0s; start 300 512 2; change 300 512 1")
		if took := time.Since(began).Round(time.Second); took != 3*time.Second {
			t.Errorf("to write takes %s", took)
		}

		r.off(300) // Somebody shuts it down from within.
		synctest.Wait()
		if now := row(); now["status"] != "stopped" {
			t.Errorf("status/current: %v", now)
		}
		want(task("POST", "/lxc/300/status/start", "", 1), "OK", "start 300 512 1")

		r.fault["stop"] = "it is deaf"
		want(task("POST", "/lxc/300/status/shutdown", "timeout=5", 1), "command 'lxc-stop -n 300 --nokill --timeout 5' failed: exit code 1", "stop 300 5s")
		clear(r.fault)
		want(task("POST", "/lxc/300/snapshot", "snapname=before", 0), "snapshot feature is not available", "")
		want(task("POST", "/lxc/300/status/shutdown", "timeout=5&forceStop=1", 1), "OK", "stop 300 5s")
		want(task("POST", "/lxc/300/clone", "newid=301&hostname=copy&full=1", 1), "OK", "create 301 copy")
		want(task("DELETE", "/lxc/300", "", 1), "OK", "destroy 300")

		// A task that somebody stops takes back what it had begun.
		upid, _ := api.ok("POST", "/nodes/pve1/lxc/301/status/start", nil).(string)
		api.ok("DELETE", "/nodes/pve1/tasks/"+upid, nil)
		synctest.Wait()
		s, _ := api.ok("GET", "/nodes/pve1/tasks/"+upid+"/status", nil).(map[string]any)
		if s["exitstatus"] != "interrupted by signal" || c.Guests()[0].Running {
			t.Errorf("the task ends with %v", s)
		}
	})
}

// By hand a real container is started, stopped and taken away as by a task.
func TestRuntimeByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &slowRuntime{fault: map[string]string{}, ended: map[int]func(){}}
		c := New(Options{Runtime: r})
		c.AddVolume(Volume{ID: "local:vztmpl/debian-12.tar.zst", Data: []byte("x")})
		c.AddGuest(Guest{Kind: KindCT, VMID: 200, Config: map[string]string{"hostname": "made-up", "rootfs": "local-lvm:vm-200-disk-0"}})
		c.SetRunning(200, true)
		c.Remove(200)
		if asked := r.asked(); asked != "" {
			t.Errorf("for a container that is made up it was asked for %s", asked)
		}
		api := rootClient(t, c)
		api.ok("POST", "/nodes/pve1/lxc", form("vmid", "300", "ostemplate", "local:vztmpl/debian-12.tar.zst", "rootfs", "local-lvm:1"))
		<-time.After(2 * time.Second)
		c.SetRunning(300, true)
		c.SetRunning(300, false)
		c.Remove(300)
		if asked := r.asked(); !strings.HasSuffix(asked, "start 300 512 0; stop 300 0s; destroy 300") {
			t.Errorf("asked for %s", asked)
		}
		if len(c.Guests()) > 0 {
			t.Error("it is still there")
		}
	})
}
