package inventory

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

var update = flag.Bool("update", false, "rewrite golden files")

// base is what each fleet of the tests begins with.
const base = `
kind: Fleet
name: demo
uid: 5b1f0c2e
---
kind: Site
name: home
endpoints: [https://10.1.1.11:8006]
token: {secret: pve}
node: pve1
storage: {ssd: {store: local}}
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24}}
ids: {default: {range: 1000-1999}}
---
kind: VM
name: web-1
groups: [web]
disks: {scsi0: {size: 1GiB, storage: ssd}}
networks: {net0: {network: lan, address: 10.1.1.5}}
`

// guest is a virtual machine as the loader would make it.
func guest(name string, set func(*desired.Guest)) *desired.Resource {
	g := desired.Guest{Name: name, Site: "home", State: desired.Running}
	if set != nil {
		set(&g)
	}
	return &desired.Resource{ID: desired.MakeID(desired.KindVM, name), Site: "home", Spec: &desired.VM{Guest: g}}
}

func TestInventory(t *testing.T) {
	fleet := &desired.Fleet{Hosts: map[string]*desired.Host{
		"nas": {Name: "nas", Address: "10.1.1.9", Groups: desired.Words{"storage"}, Vars: map[string]any{"disks": 4}},
	}}
	fleet.Spec.SSH = desired.SSH{User: "root", Port: 22}
	fleet.Resources = []*desired.Resource{
		{ID: "ct/cache", Site: "home", Spec: &desired.Container{Guest: desired.Guest{
			Name: "cache", Site: "home", State: desired.Running, Networks: map[string]desired.NIC{"net0": {Address: "10.1.1.7/24"}},
		}}},
		guest("absent", func(g *desired.Guest) { g.State = desired.Absent }),
		guest("plain", func(g *desired.Guest) { g.Startup = "never" }),
		guest("stopped", func(g *desired.Guest) { g.State = desired.Stopped }),
		guest("web-1", func(g *desired.Guest) {
			g.Project, g.Environment, g.Startup = "shop", "lab", "infra-first"
			g.Tags, g.Groups = desired.Words{"public.net", "web"}, desired.Words{"app-all", "kube_node"}
			g.SSH = desired.SSH{User: "deploy", Port: 2222}
			g.Vars = map[string]any{
				"text": "yes", "number": 7, "none": nil, "list": []any{"=", "<a&b>", "{{ jinja }}", "\u2028🚢"},
				"map": map[string]any{"b": true}, "berth_name": "not this", "ansible_port": 2200,
			}
		}),
	}
	known := map[desired.ID]string{"vm/plain": "127.0.0.1", "vm/web-1": "127.0.0.1", "vm/absent": "127.0.0.1"}
	have, err := Make(fleet, func(id desired.ID, fact string) (string, bool) {
		if addr, ok := known[id]; ok && fact == desired.FactAddress {
			return addr, true
		}
		return fleet.Address(id)
	}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/inventory.json", have)
}

// golden compares with a file that -update rewrites.
func golden(t *testing.T, name string, have []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, have, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(have)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
