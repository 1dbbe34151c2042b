package ansible

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestInventory(t *testing.T) {
	b := newBench(t, "")
	b.fleet.Spec.SSH = desired.SSH{User: "root", Port: 22}
	b.guest("web-1", func(g *desired.Guest) {
		g.Project, g.Environment, g.Startup = "shop", "lab", "infra-first"
		g.Tags, g.Groups = desired.Words{"public.net", "web"}, desired.Words{"app-all", "kube_node"}
		g.SSH = desired.SSH{User: "deploy", Port: 2222}
		g.Vars = map[string]any{
			"text": "yes", "number": 7, "none": nil, "list": []any{"=", "<a&b>", "{{ jinja }}", "\u2028🚢"},
			"map": map[string]any{"b": true}, "berth_name": "not this", "ansible_port": 2200,
		}
	})
	b.guest("plain", func(g *desired.Guest) { g.Startup = "never" })
	b.guest("absent", func(g *desired.Guest) { g.State = desired.Absent })
	b.guest("stopped", func(g *desired.Guest) { g.State = desired.Stopped })
	delete(b.lives[3].Facts, desired.FactAddress)
	b.want(&desired.Resource{
		ID: "ct/cache", Site: "home", Spec: &desired.Container{Guest: desired.Guest{
			Name: "cache", Site: "home", State: desired.Running, Networks: map[string]desired.NIC{"net0": {Address: "10.1.1.7/24"}},
		}},
	})
	b.fleet.Hosts["nas"] = &desired.Host{Name: "nas", Address: "10.1.1.9", Groups: desired.Words{"storage"}, Vars: map[string]any{"disks": 4}}
	have, err := MakeInventory(b.fleet, drift.NewWorld(b.fleet, b.lives).Fact).JSON()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/inventory.json"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, have, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(have)); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
}
