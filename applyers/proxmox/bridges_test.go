package proxmox

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
)

func TestANetworkWhoseBridgeIsNotThereHoldsTheCreation(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{"vm": webYAML, "ct": cacheYAML} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := benchOn(t, pvesim.New(pvesim.Options{Bridges: []string{"vmbr1", "vmbr2"}}), doc)
				b.mark()
				out := told(b.turn())
				if !strings.Contains(out, `create: held: node pve1 has no bridge "vmbr0" that the token may use: it has vmbr1, vmbr2 (network lan of site home, fleet.yaml:`) {
					t.Errorf("outcome %s", out)
				}
				for _, w := range b.writes() {
					if !strings.HasSuffix(w, "/download-url") {
						t.Errorf("written: %s", w)
					}
				}
				b.sim.AddBridge("vmbr0")
				b.apply()
				b.settled()
			})
		})
	}
}

func TestBridgesThatCannotBeReadHoldNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]pvesim.Fault{
		"no answer": {Method: http.MethodGet, Path: "/nodes/pve1/network", Status: 500, Count: -1},
		"none seen": {Method: http.MethodGet, Path: "/nodes/pve1/network", Status: 200, Body: `{"data":[]}`, Count: -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, cacheYAML)
				b.sim.Inject(fault)
				b.apply()
			})
		})
	}
}
