package turn_test

import (
	"strings"
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
		"stale-resources-and-a-migration-amid-a-turn": {
			what:  "A guest is migrated between plan and apply, and the list of all guests goes on to hold it where it was.",
			asked: with(tagged(web)),
			strike: func(l *stricken) {
				l.sim.SetStale(true)
				l.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/qemu/4001/pending", Nth: 2, Then: func() { l.sim.Migrate(4001, "pve2") }})
			},
			heal: func(l *stricken) { l.sim.SetStale(false) },
		},
		"stale-resources-and-a-migration-amid-a-deletion": {
			what:   "A guest that is to be destroyed is migrated between plan and apply, and the list of all guests goes on to hold it where it was.",
			stands: with(strings.Replace(web, "\ncloudInit", "\nlifecycle: {remove: destroy}\ncloudInit", 1)),
			asked:  without(fleet, "web"), spared: []int{4001},
			strike: func(l *stricken) {
				l.sim.SetStale(true)
				l.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/qemu/4001/pending", Nth: 2, Then: func() { l.sim.Migrate(4001, "pve2") }})
			},
			heal: func(l *stricken) { l.sim.SetStale(false) },
		},
		"lists-empty": {
			what:  "All lists of guests are answered with nothing, and with 200.",
			asked: without(with(larger(web), ct("new", 4004, "node: pve2\n")), "third"), spared: []int{4001, 4002, 4003},
			strike: func(l *stricken) {
				for _, path := range []string{"/cluster/resources", "/nodes/*/qemu", "/nodes/*/lxc"} {
					l.sim.Inject(pvesim.Fault{Method: "GET", Path: path, Status: 200, Type: "application/json", Body: `{"data":[]}`, Count: -1})
				}
			},
		},
	}
}
