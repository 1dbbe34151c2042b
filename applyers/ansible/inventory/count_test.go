package inventory

import (
	"testing"
	"testing/fstest"

	"berth/desired"
)

// TestInventoryOfCount holds that guests which count makes know their number, and
// others have none.
func TestInventoryOfCount(t *testing.T) {
	fleet, err := desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte(base + `---
kind: VM
name: node-{n:02}
count: 2
networks: {net0: {address: 10.1.1.7}}
---
kind: VM
name: alone
networks: {net0: {address: 10.1.1.9}}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	inv := Make(fleet, func(id desired.ID, _ string) (string, bool) { return fleet.Address(id) })
	for name, want := range map[string]any{"node-01": 1, "node-02": 2, "alone": nil} {
		if host, ok := inv.Hosts[name]; !ok || host["berth_n"] != want {
			t.Errorf("%s: berth_n is %v, want %v", name, host["berth_n"], want)
		}
	}
}
