package proxmox

import (
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pve"
)

// TestTakenBackByHandWaitsForNothing lets a hand change of what Proxmox writes at
// length be put right: "1024" then waits beside "current=1024", which is no news.
func TestTakenBackByHandWaitsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.SetRunning(4001, false)
		b.sim.Edit("root@pam", 4001, map[string]string{"memory": "current=1024"})
		b.sim.SetRunning(4001, true)
		if err := b.a.clusters["home"].Write(t.Context(), "PUT", "/nodes/pve1/qemu/4001/config", pve.Params{"memory": "512"}, nil); err != nil {
			t.Fatal(err)
		}
		if p := b.plan(); len(p.Changes) == 0 {
			t.Fatalf("a hand change of memory is no difference: pending %v", b.guest(4001).Pending)
		}
		b.apply()
		if g := b.guest(4001); g.Config["memory"] != "current=1024" || g.Pending["memory"] != "1024" {
			t.Fatalf("memory is %s, pending %s", g.Config["memory"], g.Pending["memory"])
		}
		if p := b.plan(); len(p.Changes) > 0 || len(p.Notes) > 0 {
			t.Errorf("changes %+v, notes %+v", p.Changes, p.Notes)
		}
	})
}
