package turn_test

import (
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
)

func TestVolumeUsedByAGuestThatIsNotSeenIsKept(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.apply()
		l.sim.AddGuest(pvesim.Guest{VMID: 777, Running: true, Config: map[string]string{"name": "theirs", "scsi0": "local-lvm:vm-777-disk-0,size=4G"}})
		l.sim.Edit("root@pam", 777, map[string]string{"scsi1": l.guest(4001).Config["scsi0"]})
		// Rights on our own guests alone, as least privilege has it.
		acl := []pvesim.ACL{{Path: "/nodes", Role: "PVEAuditor", Propagate: true}, {Path: "/storage", Role: "PVEDatastoreAdmin", Propagate: true}}
		for _, path := range []string{"/vms/4001", "/vms/4002"} {
			acl = append(acl, pvesim.ACL{Path: path, Role: "PVEVMAdmin", Propagate: true})
		}
		l.token = l.sim.AddToken("weak@pve", "agent", true, acl...)
		pass(8 * 24 * time.Hour)
		rep := l.turn()
		if _, there := l.sim.Guest(4001); !there {
			l.t.Errorf("destroyed, with the disk of a running guest\n%s", told(rep))
		}
	})
}
