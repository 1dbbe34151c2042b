package turn_test

import (
	"strings"

	"berth/applyers/proxmox/pvesim"
)

// guestFaults are people at work while Berth is. before lets something happen between
// the plan and the step's last look, amid between that look and the write.
func guestFaults() map[string]fault {
	before := func(then func(l *stricken)) func(*stricken) {
		return func(l *stricken) {
			l.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/qemu/4001/pending", Nth: 2, Then: func() { then(l) }})
		}
	}
	amid := func(method, path string, then func(l *stricken)) func(*stricken) {
		return func(l *stricken) {
			l.sim.Inject(pvesim.Fault{Method: method, Path: path, Then: func() { then(l) }})
		}
	}
	const conf = "/nodes/*/qemu/4001/config"
	edit := func(l *stricken) { l.sim.Edit("anna@pve", 4001, map[string]string{"vga": "serial0"}) }
	gone := func(l *stricken) { l.sim.Remove(4001) }
	moved := func(l *stricken) { l.sim.Migrate(4001, "pve2") }
	kept := func(l *stricken) {
		if v := l.guest(4001).Config["vga"]; v != "serial0" {
			l.t.Errorf("the edit by hand is lost: vga %q", v)
		}
	}
	return map[string]fault{
		"digest-lost": {
			what:   "Somebody edits another value between the last look and the write.",
			asked:  with(tagged(web)),
			strike: amid("POST", conf, edit), ends: kept,
		},
		"digest-lost-to-the-same-value": {
			what:  "Somebody edits the same value between plan and apply.",
			asked: with(larger(web)),
			strike: before(func(l *stricken) {
				l.sim.Edit("anna@pve", 4001, map[string]string{"memory": "4096"})
			}),
		},
		"digest-lost-in-a-resize": {
			what:   "Somebody edits a guest right before its disk grows.",
			asked:  with(strings.Replace(web, "size: 8GiB", "size: 10GiB", 1)),
			strike: amid("PUT", "/nodes/*/qemu/4001/resize", edit), ends: kept,
		},
		"container-edited-meanwhile": {
			what:  "Somebody edits a container between the last look and the write.",
			asked: with(tagged(third)),
			strike: amid("PUT", "/nodes/*/lxc/4003/config", func(l *stricken) {
				l.sim.Edit("anna@pve", 4003, map[string]string{"description": l.guest(4003).Config["description"], "cores": "2"})
			}),
		},
		"migrated-between-plan-and-apply": {
			what:   "A guest is migrated between plan and apply.",
			asked:  with(tagged(web)),
			strike: before(moved),
			does:   []string{"POST /nodes/pve2/qemu/4001/config"},
		},
		"migrated-between-look-and-write": {
			what:   "A guest is migrated between the last look and the write.",
			asked:  with(tagged(web)),
			strike: amid("POST", conf, moved),
		},
		"migrated-while-it-is-archived": {
			what:   "A guest that is gone from Git is migrated between its shutdown and its archiving.",
			asked:  without(fleet, "web"),
			strike: amid("POST", conf, moved),
		},
		"deleted-between-plan-and-apply": {
			what:   "A guest is deleted by hand between plan and apply.",
			asked:  with(tagged(web)),
			strike: before(gone),
		},
		"deleted-between-look-and-write": {
			what:   "A guest is deleted by hand between the last look and the write.",
			asked:  with(tagged(web)),
			strike: amid("POST", conf, gone),
		},
		"deleted-while-it-is-archived": {
			what:   "A guest that is gone from Git is deleted by hand between its shutdown and its archiving.",
			asked:  without(fleet, "web"),
			strike: amid("POST", conf, gone),
		},
		"replaced-between-plan-and-apply": {
			what:  "A guest is deleted by hand between plan and apply, and somebody else's has its VMID.",
			asked: with(tagged(web)), turns: 2,
			strike: before(func(l *stricken) {
				l.sim.Remove(4001)
				l.sim.AddGuest(pvesim.Guest{VMID: 4001, Node: "pve1", Running: true, Config: map[string]string{"name": "mine"}})
			}),
			heal: func(l *stricken) {
				if g := l.guest(4001); g.Config["name"] != "mine" || !g.Running {
					l.t.Errorf("somebody else's guest was touched: %+v", g)
				}
				l.sim.Remove(4001)
			},
		},
		"taken-between-plan-and-creation": {
			what:  "Somebody makes a guest on the VMID of one that is about to be made.",
			asked: with(vm("new", 4004, "")), turns: 2,
			strike: amid("POST", "/nodes/*/qemu", func(l *stricken) {
				l.sim.AddGuest(pvesim.Guest{VMID: 4004, Node: "pve1", Running: true, Config: map[string]string{"name": "mine"}})
			}),
			heal: func(l *stricken) {
				if g := l.guest(4004); g.Config["name"] != "mine" || !g.Running {
					l.t.Errorf("somebody else's guest was touched: %+v", g)
				}
				l.sim.Remove(4004)
			},
		},
	}
}
