package pvesim

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// withVM makes a cluster with VM 100 and a client with all rights.
func withVM(t *testing.T, o Options) (*Cluster, client) {
	t.Helper()
	c := New(o)
	c.AddGuest(Guest{VMID: 100, Config: map[string]string{
		"name": "web", "cores": "1", "memory": "512", "boot": "order=scsi0",
		"scsi0": "local-lvm:vm-100-disk-0,size=8G", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
	}})
	return c, rootClient(t, c)
}

const vm100 = "/nodes/pve1/qemu/100"

func TestFaults(t *testing.T) {
	cores := func(c *Cluster) string { g, _ := c.Guest(100); return g.Config["cores"] }
	for _, tc := range []struct {
		name  string
		fault Fault
		check func(t *testing.T, c *Cluster, r reply)
	}{
		{"dropped before the work", Fault{Method: "PUT", Drop: true}, func(t *testing.T, c *Cluster, r reply) {
			if r.err == nil || cores(c) != "1" {
				t.Errorf("err %v, cores %s", r.err, cores(c))
			}
			if last := c.Requests()[len(c.Requests())-1]; last.Status != 0 || last.Path != vm100+"/config" {
				t.Errorf("log: %+v", last)
			}
		}},
		{"dropped after the work", Fault{Method: "write", Path: "/nodes/*/qemu/*/config", Drop: true, AfterWork: true}, func(t *testing.T, c *Cluster, r reply) {
			if r.err == nil || cores(c) != "2" {
				t.Errorf("err %v, cores %s", r.err, cores(c))
			}
		}},
		{"given up by the proxy", Fault{Path: "/nodes/pve1/**", Status: 596, AfterWork: true}, func(t *testing.T, c *Cluster, r reply) {
			if r.status != 596 || r.reason != "Connection timed out" || cores(c) != "2" {
				t.Errorf("%d %s, cores %s", r.status, r.reason, cores(c))
			}
		}},
		{"HTML", Fault{Status: 502, Body: "<html>bad gateway</html>"}, func(t *testing.T, c *Cluster, r reply) {
			if r.status != 502 || r.body != nil || r.header.Get("Content-Type") != "text/html" || cores(c) != "1" {
				t.Errorf("%d %v", r.status, r.body)
			}
		}},
		{"cut", Fault{Cut: 3}, func(t *testing.T, c *Cluster, r reply) {
			if r.err == nil || cores(c) != "2" {
				t.Errorf("err %v, cores %s", r.err, cores(c))
			}
		}},
		{"a lock", Fault{Lock: "backup"}, func(t *testing.T, c *Cluster, r reply) {
			if r.status != 500 || r.reason != "VM is locked (backup)" || cores(c) != "1" {
				t.Errorf("%d %s", r.status, r.reason)
			}
		}},
		{"other path", Fault{Path: "/nodes/*/lxc/**", Drop: true}, func(t *testing.T, c *Cluster, r reply) {
			if r.status != 200 || cores(c) != "2" {
				t.Errorf("%d %s", r.status, r.reason)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, api := withVM(t, Options{})
			c.Inject(tc.fault)
			tc.check(t, c, api.do("PUT", vm100+"/config", form("cores", "2")))
		})
	}
}

func TestFaultNthAndCount(t *testing.T) {
	c, api := withVM(t, Options{})
	c.Inject(Fault{Nth: 2, Count: 2, Status: 500, Reason: "boom"})
	var got []int
	for range 5 {
		got = append(got, api.do("GET", "/version", nil).status)
	}
	for i, want := range []int{200, 500, 500, 200, 200} {
		if got[i] != want {
			t.Errorf("request %d: %d, want %d", i+1, got[i], want)
		}
	}
	c.Inject(Fault{Count: -1, Status: 500})
	for range 2 {
		if api.do("GET", "/version", nil).status != 500 {
			t.Error("a fault without end ended")
		}
	}
	c.Heal()
	if api.do("GET", "/version", nil).status != 200 {
		t.Error("the fault did not heal")
	}
}

func TestTaskFaults(t *testing.T) {
	c, api := withVM(t, Options{})
	c.Inject(Fault{Path: "/nodes/*/qemu", TaskError: "unable to create VM 101 - out of luck"})
	if exit := api.task("POST", "/nodes/pve1/qemu", form("vmid", "101")); exit != "unable to create VM 101 - out of luck" {
		t.Errorf("exit = %q", exit)
	}
	if _, ok := c.Guest(101); ok {
		t.Error("a stub is left")
	}
	c.Inject(Fault{Path: "/nodes/*/qemu", Full: true})
	if exit := api.task("POST", "/nodes/pve1/qemu", form("vmid", "101", "scsi0", "local-lvm:1")); !strings.Contains(exit, "No space left on device") {
		t.Errorf("exit = %q", exit)
	}
	if n := len(c.Volumes()); n != 1 {
		t.Errorf("%d volumes, want the one of VM 100", n)
	}
}

func TestHotplugFaultLeavesAllPending(t *testing.T) {
	c, api := withVM(t, Options{})
	c.SetRunning(100, true)
	c.Inject(Fault{Path: vm100 + "/config", Hotplug: map[string]string{"net0": "error on hot-unplugging device 'net0'"}})
	r := api.do("PUT", vm100+"/config", form("net0", "e1000=BC:24:11:00:00:01,bridge=vmbr0", "cores", "2"))
	if r.status != 400 {
		t.Fatalf("%d %s", r.status, r.reason)
	}
	g, _ := c.Guest(100)
	if g.Pending["net0"] == "" || g.Pending["cores"] != "2" {
		t.Errorf("pending = %v", g.Pending)
	}
	api.ok("PUT", vm100+"/config", form("revert", "net0,cores"))
	if g, _ = c.Guest(100); len(g.Pending) != 0 {
		t.Errorf("pending after revert = %v", g.Pending)
	}
}

func TestDelayHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, api := withVM(t, Options{})
		c.Inject(Fault{Delay: time.Minute, Count: -1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://pve.test/api2/json/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		resp, err := c.Transport().RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
			t.Error("no error")
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("took %s", d)
		}
		began = time.Now()
		if r := api.do("GET", "/version", nil); r.status != 200 || time.Since(began) != time.Minute {
			t.Errorf("%d after %s", r.status, time.Since(began))
		}
	})
}

func TestFaultThenSeesTheRequestFirst(t *testing.T) {
	c, api := withVM(t, Options{})
	c.Inject(Fault{Method: "PUT", Then: func() { c.Edit("mallory@pam", 100, map[string]string{"cores": "8"}) }})
	digest := api.config(vm100 + "/config")["digest"].(string)
	api.fails("PUT", vm100+"/config", form("memory", "1024", "digest", digest), 500, "checksum mismatch (file change by other user?)")
}

func TestTaskWithWarnings(t *testing.T) {
	c, api := withVM(t, Options{})
	c.Inject(Fault{TaskWarnings: 2})
	if exit := api.task("POST", vm100+"/status/start", nil); exit != "WARNINGS: 2" {
		t.Errorf("exit = %s", exit)
	}
	if g, _ := c.Guest(100); !g.Running {
		t.Error("warnings kept the task from its work")
	}
}
