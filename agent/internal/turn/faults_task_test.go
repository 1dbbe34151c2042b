package turn_test

import (
	"strings"
	"time"

	"berth/applyers/proxmox/pvesim"
)

// taskFaults are writes that were accepted and came to a bad end, and locks.
func taskFaults() map[string]fault {
	on := func(f pvesim.Fault) func(*stricken) { return func(l *stricken) { l.sim.Inject(f) } }
	locked := func(l *stricken) { l.sim.Edit("root@pam", 4001, map[string]string{"lock": "backup"}) }
	free := func(l *stricken) { l.sim.Edit("root@pam", 4001, map[string]string{"lock": ""}) }
	return map[string]fault{
		"task-of-a-creation-fails": {
			what:   "A creation is accepted, and its task fails.",
			asked:  with(ct("new", 4004, "")),
			turns:  2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", TaskError: "unable to create CT 4004 - command 'mkfs.ext4 -O mmp /dev/pve/vm-4004-disk-0' failed: exit code 1"}),
		},
		"task-of-an-edit-fails": {
			what:   "An edit is accepted, and its task fails.",
			asked:  with(tagged(web)),
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu/4001/config", TaskError: "unable to open file '/etc/pve/nodes/pve1/qemu-server/4001.conf.tmp.812' - Input/output error"}),
		},
		"task-of-a-resize-fails": {
			what:   "The growing of a disk is accepted, and its task fails.",
			asked:  with(strings.Replace(web, "size: 8GiB", "size: 10GiB", 1)),
			strike: on(pvesim.Fault{Method: "PUT", Path: "/nodes/*/qemu/4001/resize", TaskError: "command '/sbin/lvextend -L 10G /dev/pve/vm-4001-disk-0' failed: exit code 5"}),
		},
		"task-of-an-archive-fails": {
			what:   "A guest that goes does not shut down.",
			asked:  without(fleet, "third"),
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc/4003/status/shutdown", TaskError: "command 'lxc-stop -n 4003 --nokill --timeout 180' failed: exit code 1"}),
		},
		"start-after-a-creation-fails": {
			what:  "A creation ends well, and the start of the new guest fails twice.",
			asked: with(vm("new", 4004, "")), turns: 2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu/4004/status/start", TaskError: "start failed: QEMU exited with code 1", Count: 2}),
		},
		"new-guest-dies-at-once": {
			what:  "A creation ends well, and the new guest stops a moment after its start.",
			asked: with(vm("new", 4004, "")), turns: 2,
			strike: func(l *stricken) {
				dies := 2
				l.sim.OnPower(func(g pvesim.Guest, running bool) {
					if running && g.VMID == 4004 && dies > 0 {
						dies--
						l.sim.SetRunning(4004, false)
					}
				})
			},
		},
		"lock-released": {
			what:  "A backup holds a guest's lock for ten seconds.",
			asked: with(tagged(web)),
			strike: func(l *stricken) {
				locked(l)
				time.AfterFunc(10*time.Second, func() { free(l) })
			},
			does: []string{"POST /nodes/pve1/qemu/4001/config"},
		},
		"lock-for-good": {
			what:  "A backup that was killed has left a guest locked.",
			asked: with(tagged(web), tagged(third)), turns: 2, spared: []int{4001},
			strike: locked, heal: free,
			does: []string{"PUT /nodes/pve1/lxc/4003/config"},
		},
		"lock-for-good-on-what-goes": {
			what:  "A backup that was killed has left a guest locked that is gone from Git.",
			asked: without(fleet, "web"), turns: 2, spared: []int{4001},
			strike: locked, heal: free,
		},
		"file-lock-held": {
			what:  "Somebody else's task holds the lock on a guest's file for good.",
			asked: with(tagged(third)), turns: 2,
			strike: on(pvesim.Fault{
				Method: "PUT", Path: "/nodes/*/lxc/4003/config", Count: -1, Status: 500, Delay: 10 * time.Second, Type: "application/json",
				Reason: "can't lock file '/run/lock/lxc/pve-config-4003.lock' - got timeout",
				Body:   `{"data":null,"message":"can't lock file '/run/lock/lxc/pve-config-4003.lock' - got timeout\n"}`,
			}),
		},
		"storage-full-amid-a-creation": {
			what:   "The storage is full when a guest's disk is allocated.",
			asked:  with(vm("new", 4004, "")),
			turns:  2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu", Full: true, Count: -1}),
		},
		"storage-full-amid-a-creation-of-a-container": {
			what:   "The storage is full when a container's disk is allocated.",
			asked:  with(ct("new", 4004, "")),
			turns:  2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Full: true, Count: -1}),
		},
		"storage-full-amid-a-resize": {
			what:   "The storage is full when a disk grows.",
			asked:  with(strings.Replace(web, "size: 8GiB", "size: 10GiB", 1)),
			turns:  2,
			strike: on(pvesim.Fault{Method: "PUT", Path: "/nodes/*/qemu/4001/resize", Full: true, Count: -1}),
		},
		"storage-full-for-a-new-disk": {
			what:   "The storage is full when a running guest gets a second disk, together with a tag.",
			asked:  with(strings.Replace(tagged(web), "disks: {", "disks: {scsi1: {storage: ssd, size: 4GiB}, ", 1)),
			turns:  2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu/4001/config", Full: true, Count: -1}),
		},
	}
}
