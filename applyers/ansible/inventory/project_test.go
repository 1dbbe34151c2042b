package inventory

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// TestInventoryOfProject holds that the guests that a Project makes are hosts
// like all others, which know their project and environment; a data VM is none.
func TestInventoryOfProject(t *testing.T) {
	fleet, err := desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte(base + `---
kind: Project
name: my-shop
guests: {app: {kind: VM, groups: ["app_{project}_{env}"], vars: {env_file: "{{ berth_environment }}"}, disks: {scsi1: {volume: d/x}}}}
environments: {prod: {networks: {net0: {address: 10.1.1.7}}}}
---
kind: DataVM
name: d
disks: {scsi0: {name: x, size: 1GiB}}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	inv := Make(fleet, func(id desired.ID, _ string) (string, bool) { return fleet.Address(id) })
	want := map[string]any{
		"ansible_host": "10.1.1.7", "ansible_user": "root", "ansible_port": 22, "env_file": "{{ berth_environment }}",
		"berth_name": "my-shop-prod-app", "berth_id": "vm/my-shop-prod-app", "berth_site": "home", "berth_project": "my-shop", "berth_environment": "prod",
	}
	if diff := cmp.Diff(want, inv.Hosts["my-shop-prod-app"]); diff != "" {
		t.Error(diff)
	}
	for _, group := range []string{"project_my_shop", "env_prod", "app_my_shop_prod"} {
		if diff := cmp.Diff([]string{"my-shop-prod-app"}, inv.Groups[group]); diff != "" {
			t.Errorf("%s: %s", group, diff)
		}
	}
	if len(inv.Hosts) != 2 {
		t.Errorf("hosts %v", inv.Hosts)
	}
}
