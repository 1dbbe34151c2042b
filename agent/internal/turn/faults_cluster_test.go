package turn_test

import (
	"time"

	"berth/applyers/proxmox/pvesim"
)

// clusterFaults are nodes that are off, a cluster that is torn, and lists that are
// old.
func clusterFaults() map[string]fault {
	edited := without(with(larger(web), tagged(cache), ct("new", 4004, "node: pve2\n")), "third")
	return map[string]fault{
		"595-node-down": {
			what:  "A node is off the network.",
			asked: edited, spared: []int{4002, 4004}, turns: 2,
			strike: func(l *stricken) { l.sim.SetOnline("pve2", false) },
			heal:   func(l *stricken) { l.sim.SetOnline("pve2", true) },
			does:   []string{"POST /nodes/pve1/qemu/4001/config"},
		},
		"595-node-down-and-not-noticed": {
			what:  "A node does not answer, and the cluster has not noticed yet.",
			asked: edited, spared: []int{4002, 4004},
			strike: func(l *stricken) {
				l.sim.Inject(pvesim.Fault{Path: "/nodes/pve2/**", Status: 595, Reason: "No route to host", Count: -1})
			},
		},
		"595-node-down-amid-a-turn": {
			what:  "A node goes off the network two seconds after a turn's first tasks have begun, each of which takes five.",
			asked: edited, turns: 2,
			options: taking(5 * time.Second),
			strike:  func(l *stricken) { time.AfterFunc(2*time.Second, func() { l.sim.SetOnline("pve2", false) }) },
			heal:    func(l *stricken) { l.sim.SetOnline("pve2", true) },
		},
		"quorum-lost": {
			what:  "The cluster has lost its quorum.",
			asked: edited, all: true, turns: 2,
			strike: func(l *stricken) { l.sim.SetQuorum(false) },
			heal:   func(l *stricken) { l.sim.SetQuorum(true) },
		},
		"quorum-lost-amid-a-turn": {
			what:  "The cluster loses its quorum two seconds after a turn's first tasks have begun, each of which takes five.",
			asked: edited, turns: 2,
			options: taking(5 * time.Second),
			strike:  func(l *stricken) { time.AfterFunc(2*time.Second, func() { l.sim.SetQuorum(false) }) },
			heal:    func(l *stricken) { l.sim.SetQuorum(true) },
		},
		"stale-resources-after-a-creation": {
			what:  "The list of all guests goes on to leave out a guest that has been made.",
			asked: with(ct("new", 4004, "node: pve2\n")), turns: 3,
			strike: func(l *stricken) { l.sim.SetStale(true) },
			heal:   func(l *stricken) { l.sim.SetStale(false) },
		},
		"stale-resources-after-a-deletion": {
			what: "The list of all guests goes on to hold a guest that was deleted by hand.", turns: 3,
			strike: func(l *stricken) {
				l.sim.SetStale(true)
				l.sim.Remove(4002)
			},
			heal: func(l *stricken) { l.sim.SetStale(false) },
		},
		"stale-resources-after-our-deletion": {
			what:   "The list of all guests goes on to hold a guest that Berth has deleted.",
			stands: with(ct("third", 4003, "lifecycle: {remove: destroy}\n")),
			asked:  without(fleet, "third"), turns: 3,
			strike: func(l *stricken) { l.sim.SetStale(true) },
			heal:   func(l *stricken) { l.sim.SetStale(false) },
		},
		"stale-resources-after-a-migration": {
			what:  "The list of all guests goes on to hold a guest where it no longer is.",
			asked: with(tagged(web)), turns: 2,
			strike: func(l *stricken) {
				l.sim.SetStale(true)
				l.sim.Migrate(4001, "pve2")
			},
			heal: func(l *stricken) { l.sim.SetStale(false) },
		},
	}
}
