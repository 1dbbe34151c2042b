package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"

	"berth/desired"
)

func TestFirstTurnMakesAllAndSecondNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		vm := b.guest(4001)
		if !vm.Running || vm.Config["memory"] != "1024" || vm.Config["balloon"] != "0" || vm.Config["cpu"] != "host" {
			t.Errorf("vm is %v %v", vm.Running, vm.Config)
		}
		if !strings.HasPrefix(vm.Config["scsi30"], "local-lvm:vm-4001-disk-") {
			t.Errorf("the seed is not a disk of the guest beside its boot disk: %q", vm.Config["scsi30"])
		}
		if !strings.Contains(vm.Config["scsi0"], "size=8G") {
			t.Errorf("the disk did not grow: %q", vm.Config["scsi0"])
		}
		ct := b.guest(4002)
		if !ct.Running || !strings.Contains(ct.Config["net0"], "ip=10.1.1.5/24") || ct.Config["features"] != "nesting=1" {
			t.Errorf("container is %v %v", ct.Running, ct.Config)
		}
		for _, v := range b.volumesOfGuest(4001) {
			if strings.Contains(v, "import/") {
				t.Errorf("the uploaded seed is still there: %s", v)
			}
		}
		b.settled()
		b.restart()
		b.settled()
		if seen := b.observe(); seen.Counts["home"].Ours != 2 {
			t.Errorf("counts are %+v", seen.Counts)
		}
		_ = desired.KindVM
	})
}
