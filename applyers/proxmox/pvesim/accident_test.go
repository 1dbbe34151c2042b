package pvesim

import (
	"net/url"
	"testing"
)

func TestARemovedTokenIsRefused(t *testing.T) {
	c := New(Options{})
	all := ACL{Path: "/", Role: "Administrator", Propagate: true}
	as := client{t: t, c: c, token: c.AddToken("a@pve", "x", true, all)}
	if r := as.do("GET", "/version", nil); r.status != 200 {
		t.Fatalf("before: %d", r.status)
	}
	c.RemoveToken("a@pve", "x")
	if r := as.do("GET", "/version", nil); r.status != 401 {
		t.Errorf("after: %d %s", r.status, r.reason)
	}
}

func TestRightsThatAreTakenAway(t *testing.T) {
	for _, privsep := range []bool{false, true} {
		c, _ := withVM(t, Options{})
		as := client{t: t, c: c, token: c.AddToken("a@pve", "x", privsep, ACL{Path: "/", Role: "Administrator", Propagate: true})}
		form := url.Values{"memory": {"1024"}}
		if r := as.do("PUT", vm100+"/config", form); r.status != 200 {
			t.Fatalf("before: %d %s", r.status, r.reason)
		}
		c.SetRights("a@pve", "x", ACL{Path: "/", Privs: []string{"VM.Audit", "VM.Config.CPU"}, Propagate: true})
		if r := as.do("PUT", vm100+"/config", form); r.status != 403 {
			t.Errorf("a right that was taken away: %d %s", r.status, r.reason)
		}
		if r := as.do("PUT", vm100+"/config", url.Values{"cores": {"2"}}); r.status != 200 {
			t.Errorf("one that stayed: %d %s", r.status, r.reason)
		}
	}
}

func TestAStaleListOfResources(t *testing.T) {
	c, root := withVM(t, Options{Nodes: []string{"pve1", "pve2"}})
	listed := func() map[float64]any {
		out := make(map[float64]any)
		rows, _ := root.do("GET", "/cluster/resources?type=vm", nil).body["data"].([]any)
		for _, r := range rows {
			row, _ := r.(map[string]any)
			vmid, _ := row["vmid"].(float64)
			out[vmid] = row["node"]
		}
		return out
	}
	c.AddGuest(Guest{VMID: 101, Config: map[string]string{"name": "second"}})
	c.SetStale(true)
	c.Remove(100)
	c.Migrate(101, "pve2")
	c.AddGuest(Guest{VMID: 102, Config: map[string]string{"name": "third"}})
	if l := listed(); len(l) != 2 || l[100] != "pve1" || l[101] != "pve1" {
		t.Errorf("stale: %v", l)
	}
	if r := root.do("GET", vm100+"/config", nil); r.status != 500 {
		t.Errorf("the guest itself: %d", r.status)
	}
	c.SetStale(false)
	if l := listed(); len(l) != 2 || l[101] != "pve2" || l[102] != "pve1" {
		t.Errorf("afterwards: %v", l)
	}
}
