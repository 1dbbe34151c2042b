package turn_test

import (
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestVMIDChangesWhileTheGuestCannotBeSeen(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.token = l.sim.AddToken("weak@pve", "agent", true,
			pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true}, pvesim.ACL{Path: "/vms/4001", Role: "NoAccess"})
		l.push("bbbb", strings.Replace(vm("web", 4001, ""), "id: 4001", "id: 4009", 1), ct("cache", 4002, ""))
		l.turn()
		if _, there := l.sim.Guest(4009); there {
			l.t.Error("vm/web runs twice, with one address")
		}
	})
}
