package turn_test

import (
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestRebootedOnce(t *testing.T) {
	scenario(t, pvesim.Options{TaskTime: slowly}, func(l *land) {
		l.push("aaaa", vm("web", 4001, "lifecycle: {reboot: now}\n"))
		l.apply()
		l.push("bbbb", strings.Replace(vm("web", 4001, "lifecycle: {reboot: now}\n"), "1GiB", "2GiB", 1))
		l.broken(unheard, 2) // The second write is the reboot.
		n := 0
		for _, task := range l.sim.Tasks() {
			if task.Type == "qmreboot" {
				n++
			}
		}
		if n != 1 {
			l.t.Errorf("rebooted %d times", n)
		}
	})
}
