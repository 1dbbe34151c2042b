package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
)

// TestAGuestThatCannotBeReadIsNotMadeAgain holds that a guest which has another
// name in Git now is not taken for absent while it can't be read: its stamp alone
// tells that it is the one.
func TestAGuestThatCannotBeReadIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	site := strings.Replace(siteYAML, "foreign: [150]", "foreign: [150]\nids: {pool: {range: 20000-29999}}", 1)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ranged := strings.Replace(webYAML, "id: 4001", "id: pool", 1)
		b.fleet = load(t, fleetYAML, site, imagesYAML, ranged)
		b.apply()
		b.fleet = load(t, fleetYAML, site, imagesYAML, strings.Replace(ranged, "name: web-1", "name: shop\nrenamedFrom: web-1", 1))
		b.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/qemu/*/pending", Status: 500, Reason: "no luck", Count: -1})
		b.mark()
		p := b.plan()
		if len(p.Changes) > 0 || len(p.Blind) != 1 || p.Blind[0].ID != "vm/shop" || !strings.Contains(p.Blind[0].Reason, "it may be vm/shop") {
			t.Errorf("unknown %+v, planned:\n%s", p.Blind, show(p))
		}
		b.turn()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("writes %q", w)
		}
		b.sim.Heal()
		if got := show(b.plan()); !strings.Contains(got, "vm/shop adopt") || strings.Contains(got, "create") {
			t.Errorf("once it can be read:\n%s", got)
		}
	})
}
