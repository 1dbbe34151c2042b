package proxmox

import (
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// Of a guest that is as its manifest says no words are kept but the manifest's, and
// what is asked of all guests is known of it all the same.
func TestWordsAreKeptOfWhatDiffers(t *testing.T) {
	b := newBench(t)
	b.now([]string{webYAML, cacheYAML, dbYAML}, data(), withVolume("vm/db"))
	b.apply()
	look := func(kept map[desired.ID]bool) {
		t.Helper()
		world := drift.NewWorld(b.fleet, b.observe().Lives)
		for id, want := range kept {
			live := world.Live(id)
			if got := live.Spec != b.fleet.Resource(id).Spec; got != want {
				t.Errorf("%s has words of its own: %t", id, got)
			}
			if id.Guest() && (!live.Running || len(live.MACs) != 1) {
				t.Errorf("%s: running %t, MACs %v", id, live.Running, live.MACs)
			}
		}
		h, _ := handleOf(world.Live("vm/db"))
		if got := h.volumes["scsi1"].ref; got != "certs/letsencrypt" {
			t.Errorf("vm/db has %q, by its name at the data VM that is read after it", got)
		}
	}
	if p := b.plan(); len(p.Changes) > 0 {
		t.Fatalf("it differs from the start:\n%s", show(p))
	}
	look(map[desired.ID]bool{"vm/web-1": false, "ct/cache": false, "vm/db": false, "data/certs": true})
	b.sim.Edit("root@pam", 4001, map[string]string{"cores": "4"})
	look(map[desired.ID]bool{"vm/web-1": true, "ct/cache": false, "vm/db": false, "data/certs": true})
	if got := show(b.plan()); !strings.Contains(got, "cpu.cores") {
		t.Errorf("the plan lacks what differs:\n%s", got)
	}
}
