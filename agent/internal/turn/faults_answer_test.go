package turn_test

import (
	"strings"
	"time"

	"berth/applyers/proxmox/pvesim"
)

// login is a page of somebody who stands in between.
const login = "<html><title>Sign in to the guest network</title></html>"

// answerFaults are answers that are none, and connections that break. Less than a
// whole list is no list, and a write without an answer may have been carried out.
func answerFaults() map[string]fault {
	edited := without(with(larger(web), ct("new", 4004, "node: pve2\n")), "third")
	on := func(f pvesim.Fault) func(*stricken) { return func(l *stricken) { l.sim.Inject(f) } }
	return map[string]fault{
		"596-on-a-creation-that-succeeds": {
			what:    "The proxy gives up on a creation after 30 s with 596, and the guest is made all the same.",
			asked:   with(ct("new", 4004, "")),
			options: taking(40 * time.Second),
			strike:  on(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Status: 596, AfterWork: true, Delay: 30 * time.Second}),
		},
		"596-on-an-edit-that-succeeds": {
			what:   "The proxy gives up on an edit with 596, and the edit is made all the same.",
			asked:  with(tagged(web)),
			turns:  2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu/4001/config", Status: 596, AfterWork: true, Delay: 30 * time.Second}),
		},
		"596-on-a-resize-that-succeeds": {
			what:   "The proxy gives up on the growing of a disk with 596, and it grows all the same.",
			asked:  with(strings.Replace(web, "size: 8GiB", "size: 10GiB", 1)),
			turns:  2,
			strike: on(pvesim.Fault{Method: "PUT", Path: "/nodes/*/qemu/4001/resize", Status: 596, AfterWork: true, Delay: 30 * time.Second}),
		},
		"596-on-a-creation-that-fails": {
			what:   "The proxy gives up on a creation, and nothing has come of it.",
			asked:  with(ct("new", 4004, "")),
			turns:  2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Status: 596}),
		},
		"596-on-reading": {
			what:  "The proxy gives up on the list of all guests, each time.",
			asked: edited, all: true,
			strike: on(pvesim.Fault{Path: "/cluster/resources", Status: 596, Count: -1}),
		},
		"cut-list": {
			what:  "The connection breaks in the middle of the list of all guests, each time.",
			asked: edited, all: true,
			strike: on(pvesim.Fault{Path: "/cluster/resources", Cut: 700, Count: -1}),
		},
		"cut-node-list": {
			what:  "The connection breaks in the middle of one node's list of containers, each time.",
			asked: edited, spared: []int{4002, 4004},
			strike: on(pvesim.Fault{Path: "/nodes/pve2/lxc", Method: "GET", Cut: 40, Count: -1}),
		},
		"cut-guest": {
			what:  "The connection breaks in the middle of one guest's configuration, each time.",
			asked: edited, spared: []int{4001},
			strike: on(pvesim.Fault{Path: "/nodes/*/qemu/4001/pending", Cut: 40, Count: -1}),
		},
		"cut-answer-of-a-creation": {
			what:   "The connection breaks in the middle of the answer to a creation.",
			asked:  with(ct("new", 4004, "")),
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Cut: 5}),
		},
		"dropped-before-a-creation": {
			what:   "The connection breaks before a creation has arrived.",
			asked:  with(ct("new", 4004, "")),
			turns:  2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Drop: true}),
		},
		"no-connection": {
			what:  "Every connection breaks.",
			asked: edited, all: true,
			strike: on(pvesim.Fault{Drop: true, Count: -1}),
		},
		"html-everywhere": {
			what:  "Somebody in between answers every request with a page and 200.",
			asked: edited, all: true,
			strike: on(pvesim.Fault{Status: 200, Body: login, Count: -1}),
		},
		"html-guest": {
			what:  "What is asked of one guest is answered with a page and 200.",
			asked: edited, spared: []int{4001},
			strike: on(pvesim.Fault{Method: "GET", Path: "/nodes/*/qemu/4001/**", Status: 200, Body: login, Count: -1}),
		},
		"html-on-a-write": {
			what:   "Somebody in between answers a creation with a page and 200; it never arrives.",
			asked:  with(ct("new", 4004, "")),
			turns:  2,
			strike: on(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Status: 200, Body: login}),
		},
		"html-502": {
			what:  "A proxy in between answers every request with 502 and a page.",
			asked: edited, all: true,
			strike: on(pvesim.Fault{Status: 502, Body: "<html>Bad Gateway</html>", Count: -1}),
		},
	}
}
