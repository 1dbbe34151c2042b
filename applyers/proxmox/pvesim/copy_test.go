package pvesim

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func TestCopy(t *testing.T) {
	clock := newHandClock()
	c := New(Options{Now: clock.now})
	c.download = nil // No two functions are equal.
	api := rootClient(t, c)
	c.SetPool(100, "shop")
	c.AddGuest(Guest{
		VMID: 100, Running: true, Snapshots: []string{"before"}, Pending: map[string]string{"cores": "2"},
		Config: map[string]string{"name": "web", "scsi0": "local-lvm:vm-100-disk-0,size=4G"},
	})
	c.SetGuestAgent(100, Interface{Name: "eth0", MAC: "BC:24:11:00:00:01"})
	c.SetGuestFile(100, "/etc/hostname", "web")
	c.AddVolume(Volume{ID: "local:iso/a.iso", Data: []byte("bytes")})
	for _, write := range [][]string{
		{"/cluster/ha/resources", "sid", "vm:100"},
		{"/nodes/pve1/qemu/100/firewall/rules", "type", "in", "action", "ACCEPT"},
		{"/access/groups", "groupid", "people"},
		{vm100 + "/status/stop"},
	} {
		if r := api.do("POST", write[0], form(write[1:]...)); r.status != 200 {
			t.Fatalf("%s: %d %s", write[0], r.status, r.reason)
		}
	}
	c.opts.TaskTime = func(string) time.Duration { return time.Second }
	c.SetStale(true)
	api.do("POST", vm100+"/status/start", nil)
	if _, err := c.Copy(); err == nil {
		t.Error("it is copied while a task runs")
	}
	clock.turn(time.Minute)
	c.opts.TaskTime = nil
	other, err := c.Copy()
	if err != nil {
		t.Fatal(err)
	}
	now := c.opts.Now
	c.rng, other.rng = (*rand.Rand)(nil), (*rand.Rand)(nil)
	c.opts.Now, other.opts.Now = nil, nil
	if !reflect.DeepEqual(c, other) {
		t.Errorf("the copy is another cluster:\n%+v\n%+v", c, other)
	}
	// What happens to the copy does not happen here.
	c.opts.Now, other.opts.Now = now, now
	other.Edit("root@pam", 100, map[string]string{"name": "other"})
	other.Grow("root@pam", 100, "scsi0", 8<<30)
	other.SetPool(100, "")
	other.SetGuestFile(100, "/etc/hostname", "other")
	if g, _ := c.Guest(100); g.Config["name"] != "web" || g.Pool != "shop" || g.Config["scsi0"] != "local-lvm:vm-100-disk-0,size=4G" || c.guests[100].agent.files["/etc/hostname"] != "web" {
		t.Errorf("a change of the copy is seen: %+v", g)
	}
	for _, v := range c.Volumes() {
		if v.ID == "local-lvm:vm-100-disk-0" && v.Size != 4<<30 {
			t.Errorf("a change of the copy is seen: %+v", v)
		}
	}
}
