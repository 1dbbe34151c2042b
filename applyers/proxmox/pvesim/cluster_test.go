package pvesim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// client talks to a cluster as one token.
type client struct {
	t     *testing.T
	c     *Cluster
	token string
}

func rootClient(t *testing.T, c *Cluster) client {
	t.Helper()
	return client{t: t, c: c, token: c.AddToken("root@pam", "lab", false)}
}

type reply struct {
	status int
	reason string
	body   map[string]any
	header http.Header
	err    error
}

// request makes one without parameters.
func (c client) request(method, path string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, "https://pve.test/api2/json"+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "PVEAPIToken="+c.token)
	return r
}

func (c client) do(method, path string, form url.Values) reply {
	c.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, "https://pve.test/api2/json"+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "PVEAPIToken="+c.token)
	}
	return c.send(r)
}

func (c client) send(r *http.Request) reply {
	c.t.Helper()
	resp, err := c.c.Transport().RoundTrip(r)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	out := reply{status: resp.StatusCode, header: resp.Header}
	_, out.reason, _ = strings.Cut(resp.Status, " ")
	raw, err := io.ReadAll(resp.Body)
	out.err = err
	_ = json.Unmarshal(raw, &out.body)
	return out
}

// form makes parameters from pairs.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// ok sends a request that must succeed and returns its data.
func (c client) ok(method, path string, f url.Values) any {
	c.t.Helper()
	r := c.do(method, path, f)
	if r.err != nil || r.status != 200 {
		c.t.Fatalf("%s %s: %d %s %v %v", method, path, r.status, r.reason, r.body["errors"], r.err)
	}
	return r.body["data"]
}

// task sends a request that starts a task and returns how the task ended.
func (c client) task(method, path string, f url.Values) string {
	c.t.Helper()
	upid, _ := c.ok(method, path, f).(string)
	if upid == "" {
		c.t.Fatalf("%s %s: no UPID", method, path)
	}
	st, _ := c.ok("GET", "/nodes/"+strings.Split(upid, ":")[1]+"/tasks/"+url.PathEscape(upid)+"/status", nil).(map[string]any)
	exit, _ := st["exitstatus"].(string)
	return exit
}

// fails sends a request that must fail with this status and text.
func (c client) fails(method, path string, f url.Values, status int, text string) {
	c.t.Helper()
	r := c.do(method, path, f)
	if r.status != status || !strings.Contains(r.reason, text) {
		c.t.Errorf("%s %s: got %d %q, want %d %q", method, path, r.status, r.reason, status, text)
	}
}

func (c client) config(path string) map[string]any {
	c.t.Helper()
	m, _ := c.ok("GET", path, nil).(map[string]any)
	return m
}

func TestCreateConfigStartStopDestroy(t *testing.T) {
	c := New(Options{Seed: 1})
	api := rootClient(t, c)
	var power []bool
	c.OnPower(func(g Guest, running bool) {
		if _, ok := c.Guest(g.VMID); !ok {
			t.Error("OnPower is called with the cluster locked or the guest gone")
		}
		power = append(power, running)
	})
	if exit := api.task("POST", "/nodes/pve1/qemu", form("vmid", "100", "name", "web-1", "scsi0", "local-lvm:8,discard=on", "net0", "virtio,bridge=vmbr0", "agent", "1")); exit != "OK" {
		t.Fatalf("create: %s", exit)
	}
	conf := api.config("/nodes/pve1/qemu/100/config")
	if got := conf["scsi0"]; got != "local-lvm:vm-100-disk-0,discard=on,size=8G" {
		t.Errorf("scsi0 = %v", got)
	}
	if got := conf["boot"]; got != "order=scsi0;net0" {
		t.Errorf("boot = %v", got)
	}
	if exit := api.task("POST", "/nodes/pve1/qemu/100/status/start", nil); exit != "OK" {
		t.Errorf("start: %s", exit)
	}
	api.ok("PUT", "/nodes/pve1/qemu/100/config", form("cores", "2", "tags", "b;a"))
	g, _ := c.Guest(100)
	if !g.Running || g.Pending["cores"] != "2" || g.Config["tags"] != "a;b" {
		t.Errorf("after hotplug: %+v", g)
	}
	if exit := api.task("POST", "/nodes/pve1/qemu/100/status/shutdown", nil); exit != "OK" {
		t.Errorf("shutdown: %s", exit)
	}
	if g, _ = c.Guest(100); g.Running || g.Config["cores"] != "2" || len(g.Pending) != 0 {
		t.Errorf("pending is not applied at stop: %+v", g)
	}
	if exit := api.task("DELETE", "/nodes/pve1/qemu/100?purge=1&destroy-unreferenced-disks=1", nil); exit != "OK" {
		t.Errorf("destroy: %s", exit)
	}
	if v := c.Volumes(); len(v) != 0 {
		t.Errorf("volumes left: %+v", v)
	}
	if len(power) != 2 || !power[0] || power[1] {
		t.Errorf("OnPower saw %v", power)
	}
	writes := 0
	for _, r := range c.Requests() {
		if r.Write() {
			writes++
		}
	}
	if writes != 5 {
		t.Errorf("%d writes in the log, want 5", writes)
	}
}

func TestContainerLifeCycle(t *testing.T) {
	c := New(Options{Seed: 1})
	api := rootClient(t, c)
	c.AddVolume(Volume{ID: "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst", Size: 100 << 20})
	if exit := api.task("POST", "/nodes/pve1/lxc", form("vmid", "200", "hostname", "ct1", "ostemplate", "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst", "rootfs", "local-lvm:4", "net0", "name=eth0,bridge=vmbr0,ip=192.0.2.7/24", "unprivileged", "1", "features", "nesting=1")); exit != "OK" {
		t.Fatalf("create: %s", exit)
	}
	if exit := api.task("POST", "/nodes/pve1/lxc/200/status/start", nil); exit != "OK" {
		t.Errorf("start: %s", exit)
	}
	ifs, _ := api.ok("GET", "/nodes/pve1/lxc/200/interfaces", nil).([]any)
	eth, _ := ifs[1].(map[string]any)
	if eth["inet"] != "192.0.2.7/24" {
		t.Errorf("interfaces = %v", ifs)
	}
	if exit := api.task("DELETE", "/nodes/pve1/lxc/200?force=1", nil); exit != "OK" {
		t.Errorf("destroy: %s", exit)
	}
	if len(c.Guests()) != 0 || len(c.Volumes()) != 1 {
		t.Errorf("left: %v %v", c.Guests(), c.Volumes())
	}
}

func TestHomelab(t *testing.T) {
	c := Homelab(Options{Seed: 3})
	api := rootClient(t, c)
	rows, _ := api.ok("GET", "/nodes/proxmox-1/qemu", nil).([]any)
	if len(rows) < 12 {
		t.Errorf("%d guests", len(rows))
	}
	for _, g := range c.Guests() {
		if g.Config["template"] == "1" {
			continue
		}
		if !g.Running {
			if exit := api.task("POST", "/nodes/proxmox-1/qemu/"+itoa(g.VMID)+"/status/start", nil); exit != "OK" {
				t.Errorf("start %d: %s", g.VMID, exit)
			}
		}
	}
}
