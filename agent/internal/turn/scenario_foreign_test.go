package turn_test

import (
	"maps"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

func TestForeignGuestsAreLeftAloneToTheByte(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("first", 4001, ""))
		l.apply()
		foreign := map[int]map[string]string{
			4002: {"name": "stranger"},                                                   // on a wanted VMID
			777:  {"name": "named"},                                                      // with a wanted name
			778:  {"name": "tagged", "tags": "berth.pegasus"},                            // with our tag
			779:  {"name": "copied", "tags": "berth.pegasus", "onboot": "1"},             // a copy of ours, by hand
			780:  {"name": "old", "tags": "berth.pegasus;berth-archived", "onboot": "1"}, // a copy of an archived one
		}
		stamp := l.guest(4001).Config["description"]
		foreign[779]["description"] = strings.ReplaceAll(stamp, "ct/first", "vm/first")
		foreign[780]["description"] = strings.ReplaceAll(stamp, "ct/first", "vm/first") + " archived=1999-01-01T00:00:00Z"
		before := make(map[int]pvesim.Guest)
		for vmid, config := range foreign {
			config["scsi0"] = "local-lvm:vm-" + itoa(vmid) + "-disk-0,size=4G"
			l.sim.AddGuest(pvesim.Guest{VMID: vmid, Running: true, Config: config})
			before[vmid] = l.guest(vmid)
		}
		all := []string{ct("first", 4001, ""), vm("second", 4002, expose("second.example.net")), ct("named", 4003, expose("named.example.net"))}
		from := len(l.sim.Requests())
		l.push("bbbb", all...)
		rep := l.turn()
		if len(rep.Plan.Foreign) != len(foreign) {
			l.t.Errorf("reported are:\n%s", told(rep))
		}
		for _, key := range []drift.Key{{ID: "vm/second", Step: drift.Create}, {ID: "ct/named", Step: drift.Create}, {ID: "edge/main", Step: drift.Route}} {
			if c := rep.Plan.Change(key); c == nil || c.Held == "" {
				l.t.Errorf("%s is not held: %+v", key, c)
			}
		}
		l.push("cccc", all[0])
		l.turn()
		l.push("dddd", all...)
		l.turn()
		l.push("eeee", all[0], all[1])
		l.turn()
		for vmid, was := range before {
			if now := l.guest(vmid); now.Digest != was.Digest || now.Running != was.Running || !maps.Equal(now.Config, was.Config) {
				l.t.Errorf("guest %d was touched: %+v", vmid, now)
			}
		}
		for _, r := range l.sim.Requests()[from:] {
			if r.Write() && !strings.Contains(r.Path, "/storage/") {
				l.t.Errorf("written: %s %s", r.Method, r.Path)
			}
		}
		if len(l.routes()) > 0 {
			l.t.Errorf("a name leads to what is not ours: %v", l.routes())
		}
	})
}

func TestTokenThatSeesLess(t *testing.T) {
	all := pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true}
	for name, c := range map[string]struct {
		acl  []pvesim.ACL
		dark int // how many guests are unknown
	}{
		"not one guest of ours": {[]pvesim.ACL{all, {Path: "/vms/4001", Role: "NoAccess"}}, 1},
		"no guest":              {[]pvesim.ACL{all, {Path: "/vms", Role: "NoAccess", Propagate: true}}, 3},
		"the nodes alone":       {[]pvesim.ACL{{Path: "/nodes", Role: "PVEAuditor", Propagate: true}}, 3},
		"nothing":               {nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, pvesim.Options{}, func(l *land) {
				docs := []string{vm("web", 4001, expose("web.example.net")), ct("cache", 4002, expose("cache.example.net")), ct("third", 4003, "")}
				l.push("aaaa", docs...)
				l.apply()
				whole, routes := l.token, l.routes()
				before := l.sim.Guests()
				l.token = l.sim.AddToken("weak@pve", "agent", true, c.acl...)
				l.mark()
				rep := l.turn()
				unknown := 0
				for _, b := range rep.Plan.Blind {
					if b.ID.Guest() {
						unknown++
					}
				}
				if unknown != c.dark || len(rep.Plan.Changes) > 0 && c.dark == 3 {
					l.t.Errorf("unknown are %d:\n%s", unknown, told(rep))
				}
				// What is not seen is not taken away either.
				l.push("bbbb", docs[1], docs[2])
				l.turn()
				l.push("aaaa", docs...)
				l.turn()
				for _, w := range l.written() {
					if !strings.HasPrefix(w, "edge ") {
						l.t.Errorf("written: %s", w)
					}
				}
				for i, was := range before {
					if now := l.sim.Guests(); len(now) != len(before) || now[i].Digest != was.Digest || now[i].Running != was.Running {
						l.t.Errorf("guests are %+v", now)
						break
					}
				}
				l.token = whole
				l.turn()
				if !maps.Equal(routes, l.routes()) {
					l.t.Errorf("routes %v, before %v", l.routes(), routes)
				}
				l.settled()
			})
		})
	}
}
