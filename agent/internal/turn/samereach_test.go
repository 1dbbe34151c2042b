package turn

import (
	"testing"

	"berth/desired"
)

// An edge on a guest is asked for a proposal only as long as nothing in it says which
// machine that is, and how that one is reached.
func TestSameMachine(t *testing.T) {
	fleet := func(change func(*desired.VM)) *desired.Fleet {
		vm := &desired.VM{Guest: desired.Guest{
			Name: "proxy", VMID: 105, SSH: desired.SSH{User: "root"},
			Networks: map[string]desired.NIC{"net0": {Network: "lan", Address: "10.1.1.5/24"}},
		}}
		change(vm)
		f := &desired.Fleet{Sites: map[string]*desired.Site{"home": {Name: "home"}}}
		return f.Of([]*desired.Resource{{ID: "vm/proxy", Site: "home", Spec: vm}})
	}
	base := fleet(func(*desired.VM) {})
	for name, row := range map[string]struct {
		change func(*desired.VM)
		same   bool
	}{
		"nothing":        {func(*desired.VM) {}, true},
		"its memory":     {func(vm *desired.VM) { vm.Memory.Size = 1 << 30 }, true},
		"its VMID":       {func(vm *desired.VM) { vm.VMID = 106 }, false},
		"its address":    {func(vm *desired.VM) { vm.Networks = map[string]desired.NIC{"net0": {Address: "10.1.1.6/24"}} }, false},
		"its key":        {func(vm *desired.VM) { vm.SSH.Key.Secret = "other" }, false},
		"its name":       {func(vm *desired.VM) { vm.RenamedFrom = "other" }, false},
		"a stranger":     {func(vm *desired.VM) { vm.Adopt.MAC = "bc:24:11:00:00:01" }, false},
		"what it claims": {func(vm *desired.VM) { vm.Agent.Enabled = true }, false},
	} {
		if got := sameMachine(base, fleet(row.change), "vm/proxy"); got != row.same {
			t.Errorf("%s: same is %t", name, got)
		}
	}
}
