package turn_test

import (
	"slices"
	"strings"
	"time"

	"berth/applyers/proxmox/pvesim"
)

var everything = pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true}

// renew makes the agents' token anew.
func renew(l *stricken) {
	l.token = l.sim.AddToken("berth@pve", "agent", false)
}

// entitle gives the agents' token all rights again.
func entitle(l *stricken) { l.sim.SetRights("berth@pve", "agent", everything) }

// less is everything but some privileges.
func less(without ...string) pvesim.ACL {
	all := strings.Fields(`Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit
		Pool.Allocate Pool.Audit SDN.Audit SDN.Use Sys.AccessNetwork Sys.Audit Sys.Modify Sys.Syslog
		VM.Allocate VM.Audit VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk
		VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.Migrate VM.Monitor VM.PowerMgmt`)
	return pvesim.ACL{Path: "/", Propagate: true, Privs: slices.DeleteFunc(all, func(p string) bool { return slices.Contains(without, p) })}
}

// refused is the 401 of a real server, which comes late.
func refused(path string) pvesim.Fault {
	return pvesim.Fault{Path: path, Status: 401, Reason: "Authentication failed!", Delay: 3 * time.Second, Count: -1}
}

// tokenFaults are what a token can meet with. Whatever it no longer sees looks as if
// it were gone, and is not.
func tokenFaults() map[string]fault {
	fewer := without(with(larger(web), ct("new", 4004, "node: pve2\n")), "third")
	return map[string]fault{
		"401-all": {
			what:  "The token is gone: every request gets 401 after three seconds.",
			asked: fewer, all: true, turns: 2,
			strike: func(l *stricken) { l.sim.RemoveToken("berth@pve", "agent") },
			heal:   renew,
		},
		"401-one-guest": {
			what:  "Whatever is asked of one guest gets 401.",
			asked: fewer, all: true,
			strike: func(l *stricken) { l.sim.Inject(refused("/nodes/*/qemu/4001/**")) },
		},
		"401-one-node": {
			what:  "Whatever is asked of one node gets 401.",
			asked: fewer, all: true,
			strike: func(l *stricken) { l.sim.Inject(refused("/nodes/pve2/**")) },
		},
		"401-amid-a-turn": {
			what:  "The token is gone two seconds after a turn's first tasks have begun, each of which takes five.",
			asked: fewer, turns: 2,
			options: taking(5 * time.Second),
			strike:  func(l *stricken) { time.AfterFunc(2*time.Second, func() { l.sim.RemoveToken("berth@pve", "agent") }) },
			heal:    renew,
		},
		"403-one-guest": {
			what:  "The token may no longer look at one guest.",
			asked: fewer, spared: []int{4001},
			strike: func(l *stricken) {
				l.sim.SetRights("berth@pve", "agent", everything, pvesim.ACL{Path: "/vms/4001", Role: "NoAccess"})
			},
			heal: entitle,
		},
		"403-one-node": {
			what:  "Whatever is asked of one node gets 403.",
			asked: fewer, spared: []int{4002, 4004},
			strike: func(l *stricken) {
				l.sim.Inject(pvesim.Fault{Path: "/nodes/pve2/**", Status: 403, Reason: "Permission check failed (/nodes/pve2, Sys.Audit)", Count: -1})
			},
		},
		"403-all": {
			what:  "The token has no rights left: lists are empty, and the rest gets 403.",
			asked: fewer, all: true, turns: 2,
			strike: func(l *stricken) { l.sim.SetRights("berth@pve", "agent") },
			heal:   entitle,
		},
		"403-no-guest": {
			what:  "The token may look at everything but guests, which lists then leave out.",
			asked: fewer, all: true,
			strike: func(l *stricken) {
				l.sim.SetRights("berth@pve", "agent", everything, pvesim.ACL{Path: "/vms", Role: "NoAccess", Propagate: true})
			},
			heal: entitle,
		},
		"privilege-lost-amid-a-turn": {
			what:  "The token loses VM.Config.Memory once the plan is made.",
			asked: with(larger(web), tagged(third)), turns: 2,
			strike: func(l *stricken) {
				l.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu/4001/config", Then: func() { l.sim.SetRights("berth@pve", "agent", less("VM.Config.Memory")) }})
			},
			does: []string{"PUT /nodes/pve1/lxc/4003/config"},
			heal: entitle,
		},
		"privilege-lost-amid-a-creation": {
			what:  "The token loses VM.PowerMgmt once a guest is being made.",
			asked: with(ct("new", 4004, "")), turns: 2,
			strike: func(l *stricken) {
				l.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Then: func() { l.sim.SetRights("berth@pve", "agent", less("VM.PowerMgmt")) }})
			},
			heal: entitle,
		},
	}
}
