package turn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// The stories of testdata/guards are what each guard says, word for word, as people
// read it, and what to do. Where a turn does nothing, that is asserted.

// guarded runs the story of one guard. The images lie ready, so that a creation that
// is held leaves nothing to write.
func guarded(t *testing.T, name string, o pvesim.Options, test func(l *land, s *story)) {
	t.Helper()
	scenario(t, o, func(l *land) {
		l.sim.AddVolume(pvesim.Volume{ID: "local:import/debian-12.qcow2", Size: 2 << 30})
		l.sim.AddVolume(pvesim.Volume{ID: "local:vztmpl/debian-ct.tar.zst", Size: 100 << 20})
		test(l, l.tells("guards/"+name))
	})
}

// held makes a turn that must write nothing, and tells its report.
func (l *land) held(s *story, what string) {
	l.t.Helper()
	l.mark()
	s.report(what, l.turn())
	l.nothing(what)
}

// goes makes a turn that does something, and tells its report.
func (l *land) goes(s *story, what string) {
	l.t.Helper()
	l.mark()
	s.report(what, l.turn())
	if len(l.written()) == 0 {
		l.t.Errorf("%s: nothing was done", what)
	}
}

// byHand is a virtual machine of somebody else's.
func byHand(vmid int, pairs ...string) pvesim.Guest {
	config := map[string]string{"name": "stranger", "memory": "2048", "scsi0": fmt.Sprintf("local-lvm:vm-%d-disk-0,size=4G", vmid)}
	for i := 0; i < len(pairs); i += 2 {
		config[pairs[i]] = pairs[i+1]
	}
	return pvesim.Guest{VMID: vmid, Running: true, Config: config}
}

func TestGuardOwnership(t *testing.T) {
	guarded(t, "ownership", pvesim.Options{}, func(l *land, s *story) {
		l.push("aaaa", vm("web", 4001, ""))
		l.apply()
		copied := maps.Clone(l.guest(4001).Config)
		delete(copied, "scsi0")
		delete(copied, "scsi30")
		l.sim.AddGuest(pvesim.Guest{VMID: 778, Config: copied})
		l.sim.AddGuest(byHand(4002))
		l.sim.AddGuest(byHand(779, "name", "db"))
		l.sim.AddGuest(byHand(780, "tags", "berth.pegasus"))
		l.sim.AddGuest(byHand(4004, "description", "berth: pegasus/vm/api home#4004 uid=ffff instance=aa image=scsi0:debian-12", "tags", "berth.pegasus"))
		l.sim.AddGuest(pvesim.Guest{VMID: 4005, Lock: "create"})
		l.push("bbbb", vm("web", 4001, ""), vm("taken", 4002, ""), vm("db", 4003, ""), vm("api", 4004, ""), vm("stub", 4005, ""))
		l.held(s, "strangers stand where guests are to be, or bear our signs")
		l.push("cccc", vm("web", 4001, ""))
		l.sim.Edit("root@pam", 4001, map[string]string{"description": ""})
		l.held(s, "the stamp of a guest of ours is lost")
	})
}

func TestGuardProtection(t *testing.T) {
	guarded(t, "protection", pvesim.Options{}, func(l *land, s *story) {
		l.push("aaaa", vm("web", 4001, "protection: true\n"), vm("db", 4002, ""))
		l.apply()
		l.sim.Edit("root@pam", 4002, map[string]string{"protection": "1"})
		l.push("bbbb")
		l.held(s, "gone from Git, and protected by their options")
		l.push("cccc", vm("web", 4001, "protection: true\nstate: absent\n"))
		l.held(s, "state: absent, and protected by the manifest")
	})
}

// crowd are containers of these VMIDs.
func crowd(from, to int) string {
	var all strings.Builder
	for id := from; id <= to; id++ {
		all.WriteString(ct(fmt.Sprintf("c%d", id), id, ""))
	}
	return all.String()
}

func TestGuardAmounts(t *testing.T) {
	guarded(t, "limits", pvesim.Options{}, func(l *land, s *story) {
		l.push("aaaa", crowd(4001, 4009))
		l.apply()
		l.push("bbbb", crowd(4004, 4009))
		l.held(s, "3 of 9 guests are gone from Git: few guests are judged by the absolute limit")
		l.push("cccc", crowd(4003, 4009))
		l.goes(s, "2 of 9")
		l.push("dddd", crowd(4005, 4009))
		l.goes(s, "2 more in another commit")
		l.push("eeee", crowd(4001, 4009))
		l.goes(s, "all 4 come back: a restore is never held by a limit")
		l.push("f2", crowd(4001, 4012))
		l.apply()
		l.push("gggg", crowd(4004, 4012))
		l.repo.push("hhhh", strings.NewReplacer("deletes: 2", "deletes: 9, percent: 20").Replace(l.repo.commits["gggg"]))
		l.held(s, "3 of 12 guests are gone from Git, and guards are {deletes: 9, percent: 20}")
		l.repo.push("iiii", strings.NewReplacer("deletes: 2", "deletes: 9, percent: 25").Replace(l.repo.commits["gggg"]))
		l.goes(s, "with percent: 25")
	})
}

func TestGuardArchive(t *testing.T) {
	guarded(t, "archive", pvesim.Options{}, func(l *land, s *story) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.push("bbbb", ct("cache", 4002, ""))
		l.goes(s, "gone from Git")
		pass(24 * time.Hour)
		l.held(s, "a day later")
		l.push("cccc", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.goes(s, "its manifest comes back")
		l.settled()
		l.push("dddd", ct("cache", 4002, ""))
		l.apply()
		pass(8 * 24 * time.Hour)
		l.sim.SetRunning(4001, true)
		l.held(s, "its time is up, and somebody has started it")
		l.sim.SetRunning(4001, false)
		l.goes(s, "its time is up")
		if _, there := l.sim.Guest(4001); there {
			l.t.Error("it is still there")
		}
	})
}

// approval is a document that allows something for a month.
func approval(allow, why string) string {
	return fmt.Sprintf("---\nkind: Approval\nallow: %s\nuntil: 2000-02-01\nwhy: %s\n", allow, why)
}

func TestGuardApprovals(t *testing.T) {
	guarded(t, "approval-shrink-fleet", pvesim.Options{}, func(l *land, s *story) {
		l.push("aaaa", crowd(4001, 4009))
		l.apply()
		l.push("bbbb", crowd(4005, 4009))
		l.held(s, "4 guests are gone from Git")
		l.push("cccc", crowd(4005, 4009), approval("shrink-fleet", "the cluster moves"))
		l.goes(s, "an Approval comes after them")
		l.held(s, "the next turn")
		l.push("dddd", crowd(4009, 4009), approval("shrink-fleet", "the cluster moves"))
		l.held(s, "4 more are taken out, and the Approval is still there")
		l.held(s, "looked at again")
		l.push("eeee", crowd(4007, 4009), approval("shrink-fleet", "the cluster moves"))
		l.goes(s, "2 of them come back: what the limit lets go needs no Approval")
		l.push("f1", crowd(4009, 4009), crowd(4001, 4003), approval("shrink-fleet", "the cluster moves"))
		l.apply()
		l.push("f2", approval("shrink-fleet", "the cluster moves"))
		l.held(s, "guests that it let go came back, and are taken out again")
		l.push("ffff", approval("shrink-fleet", "the rest of it"))
		l.goes(s, "another Approval, and all go")
		l.push("gggg", approval("shrink-fleet", "the rest of it"))
		pass(40 * 24 * time.Hour)
		for range 5 { // So many turns take the archived ones, two each.
			l.turn()
		}
		l.held(s, "it is over")
	})
	guarded(t, "approval-delete", pvesim.Options{}, func(l *land, s *story) {
		l.fleet = "windows: [{cron: \"0 3 * * *\", for: 1h}]\n"
		web := vm("web", 4001, "")
		l.push("aaaa", web, approval("delete vm/web", "too early"))
		l.apply()
		l.held(s, "an Approval of what is still in Git")
		absent := vm("web", 4001, "state: absent\n")
		l.push("bbbb", absent, approval("delete vm/web", "too early"))
		l.goes(s, "the guest is to be absent: the Approval permits it outside of a window")
		l.push("cccc", web, approval("delete vm/web", "too early"))
		l.apply()
		l.push("dddd", absent, approval("delete vm/web", "too early"))
		l.held(s, "it came back, and shall go again by the same Approval")
		l.push("eeee", absent)
		l.held(s, "without the Approval")
		l.push("ffff", absent, approval("delete vm/web", "once more"))
		l.goes(s, "with another")
		l.held(s, "the next turn")
	})
	guarded(t, "approval-destroy-volume", pvesim.Options{}, func(l *land, s *story) {
		l.push("aaaa", dataVM)
		l.apply()
		l.push("bbbb")
		l.goes(s, "a data VM is gone from Git")
		pass(8 * 24 * time.Hour)
		l.held(s, "its time in the archive is up")
		l.push("cccc", approval("destroy-volume data/certs/letsencrypt", "made anew"))
		l.goes(s, "an Approval for each of its disks")
	})
}

// dataVM holds the volume certs/letsencrypt.
const dataVM = `---
kind: DataVM
name: certs
id: 9501
disks: {scsi0: {name: letsencrypt, storage: hdd, size: 1GiB, mount: /etc/letsencrypt, label: certs}}
`

func TestGuardWindows(t *testing.T) {
	guarded(t, "windows", pvesim.Options{Nodes: []string{"pve1", "pve2"}}, func(l *land, s *story) {
		l.fleet = "windows: [{cron: \"30 2 * * *\", for: 1h, zone: Europe/Berlin}]\n"
		web, cache := vm("web", 4001, "lifecycle: {reboot: window}\n"), ct("cache", 4002, "pin: true\nlifecycle: {reboot: window}\n")
		l.push("aaaa", web, cache, vm("old", 4003, ""))
		l.apply()
		l.push("bbbb", strings.Replace(web, "1GiB", "2GiB", 1), cache+"node: pve2\n", vm("old", 4003, "state: absent\n"))
		l.goes(s, "a value that takes a reboot, a container that is to move, and a guest that is to be absent")
		pass(time.Hour)
		l.held(s, "an hour later, and still outside")
		pass(45 * time.Minute)
		l.goes(s, "in the window")
		l.settled()
		l.push("cccc", strings.Replace(web, "1GiB", "3GiB", 1), cache+"node: pve2\n")
		// In the night to 26 March 2000 there is no 02:30 in Berlin.
		pass(time.Until(time.Date(2000, 3, 25, 12, 0, 0, 0, time.UTC)))
		l.goes(s, "the day before the clocks go forward past the window's hour")
	})
}

func TestGuardVolumesInUse(t *testing.T) {
	for name, user := range map[string]struct {
		make func(l *land)
		docs string
	}{
		"ours":         {docs: strings.Replace(vm("user", 4001, ""), "size: 8GiB}}", "size: 8GiB}, scsi1: {volume: certs/letsencrypt}}", 1)},
		"ours-stopped": {docs: strings.Replace(vm("user", 4001, "state: stopped\n"), "size: 8GiB}}", "size: 8GiB}, scsi1: {volume: certs/letsencrypt}}", 1)},
		"a-stranger": {make: func(l *land) {
			l.sim.AddGuest(byHand(777, "scsi3", strings.Split(l.guest(9501).Config["scsi0"], ",")[0]))
		}},
		"a-stranger-stopped": {make: func(l *land) {
			l.sim.AddGuest(byHand(777, "scsi3", strings.Split(l.guest(9501).Config["scsi0"], ",")[0]))
			l.sim.SetRunning(777, false)
		}},
		"a-stranger-unplugged": {make: func(l *land) {
			l.sim.AddGuest(byHand(777, "unused0", strings.Split(l.guest(9501).Config["scsi0"], ",")[0]))
		}},
		"a-strange-container": {make: func(l *land) {
			g := pihole()
			g.VMID, g.Config["rootfs"], g.Config["mp0"] = 777, "local-lvm:vm-777-disk-0,size=4G", strings.Split(l.guest(9501).Config["scsi0"], ",")[0]+",mp=/data"
			l.sim.AddGuest(g)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			guarded(t, "volumes-in-use-by-"+name, pvesim.Options{Nodes: []string{"pve1", "pve2"}}, func(l *land, s *story) {
				l.push("aaaa", dataVM, user.docs)
				l.apply()
				if user.make != nil {
					user.make(l)
				}
				foreign, there := l.sim.Guest(777)
				// The user stays as the manifests have it, save that nothing asks for the volume.
				l.push("bbbb", strings.Replace(user.docs, ", scsi1: {volume: certs/letsencrypt}", "", 1))
				l.held(s, "the data VM is gone from Git")
				l.push("cccc", strings.Replace(dataVM, "id: 9501", "id: 9502", 1), user.docs)
				l.held(s, "it is to have another VMID")
				l.push("dddd", dataVM+"node: pve2\n", user.docs)
				l.held(s, "it is to move")
				if user.docs != "" {
					l.push("eeee", dataVM)
					l.repo.push("eeee", strings.Replace(l.repo.commits["eeee"], "deletes: 2", "deletes: 0", 1))
					l.held(s, "its user is gone from Git, and held by the limit")
				}
				if user.make != nil {
					l.sim.Remove(777)
					l.push("ffff")
					l.apply()
					user.make(l)
					pass(8 * 24 * time.Hour)
					l.push("gggg", approval("destroy-volume data/certs/letsencrypt", "not needed"))
					l.held(s, "it is in the archive, its time is up, an Approval permits it, and it is in use again")
				}
				if now, _ := l.sim.Guest(777); there && !maps.Equal(now.Config, foreign.Config) {
					l.t.Errorf("the stranger was changed: %v", now.Config)
				}
				if len(l.guest(9501).Config["scsi0"]) == 0 {
					l.t.Error("the data is gone")
				}
			})
		})
	}
}

func TestGuardVital(t *testing.T) {
	guarded(t, "vital", pvesim.Options{Nodes: []string{"pve1", "pve2"}}, func(l *land, s *story) {
		docs := func(self, git, way string) []string {
			return []string{vm("self", 4001, self), ct("git", 4002, git), vm("way", 4003, way)}
		}
		l.push("aaaa", docs("", "", "")...)
		l.apply()
		uuid := regexp.MustCompile(`uuid=([0-9a-f-]+)`).FindStringSubmatch(l.guest(4001).Config["smbios1"])[1]
		s.mask = append(s.mask, uuid, "UUID")
		l.write("product_uuid", uuid+"\n")
		agent, stop := l.agent("other")
		defer stop()
		agent.Surroundings = &turn.Surroundings{
			UUIDFile: l.path("product_uuid"), Repository: "https://git.example.net/fleet.git",
			Resolve: func(_ context.Context, host string) ([]string, error) {
				if host == "git.example.net" {
					return []string{"10.1.1.2"}, nil
				}
				return []string{"10.1.1.3"}, nil
			},
		}
		run := func(what string) {
			l.mark()
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
			if err != nil {
				l.t.Fatal(err)
			}
			s.report(what, rep)
		}
		l.push("bbbb")
		l.repo.push("bbbb", strings.Replace(l.repo.commits["bbbb"], "deletes: 2", "deletes: 3", 1))
		run("all are gone from Git")
		l.nothing("gone")
		l.push("cccc", docs("state: stopped\n", "state: absent\n", "state: stopped\n")...)
		run("they are to be stopped, or absent")
		l.nothing("stopped")
		l.push("dddd", strings.Replace(vm("self", 4001, "lifecycle: {reboot: now}\n"), "1GiB", "2GiB", 1),
			strings.Replace(ct("git", 4002, ""), "10.1.1.2", "10.1.1.22", 1), vm("way", 4003, "pin: true\nnode: pve2\n"))
		run("one is to be rebooted, one to have another address, one to move")
		for _, w := range l.written() {
			if strings.Contains(w, "/status/") || strings.Contains(w, "/migrate") || strings.Contains(w, "/4002") {
				l.t.Errorf("written: %s", w)
			}
		}
	})
}

func TestGuardPreflights(t *testing.T) {
	guest := ct("db", 4030, "")
	machine := vm("db", 4030, "")
	for name, c := range map[string]struct {
		o      pvesim.Options
		docs   []string
		swap   []string // in the manifests
		before func(l *land)
		pings  string
	}{
		"address-answers-ping":   {docs: []string{guest}, pings: "answers to ping"},
		"address-answers-tcp":    {docs: []string{guest}, pings: "answers on TCP port 22"},
		"address-of-a-vm":        {docs: []string{guest}, before: func(l *land) { l.sim.AddGuest(byHand(119, "ipconfig0", "ip=10.1.1.30/24")) }},
		"address-of-a-container": {docs: []string{machine}, pings: "answers to ping", before: func(l *land) { l.sim.AddGuest(pihole()) }},
		"vmid-taken":             {docs: []string{guest}, before: func(l *land) { l.sim.AddGuest(byHand(4030)) }},
		"storage-unknown":        {docs: []string{guest}, swap: []string{"store: local-lvm", "store: data"}},
		"storage-full": {docs: []string{guest}, o: pvesim.Options{Storages: []pvesim.Storage{
			{Name: "local", Type: "dir", Content: []string{"iso", "import", "vztmpl"}},
			{Name: "local-lvm", Type: "lvm", Content: []string{"images", "rootdir"}, Size: 20 << 30, Used: 17 << 30},
		}}},
		"storage-without-content": {docs: []string{guest}, o: pvesim.Options{Storages: []pvesim.Storage{
			{Name: "local", Type: "dir", Content: []string{"iso", "import", "vztmpl"}},
			{Name: "local-lvm", Type: "lvmthin", Content: []string{"images"}},
		}}},
		"bridge-missing": {docs: []string{guest}, o: pvesim.Options{Bridges: []string{"vmbr1"}}},
		"token-without-privilege": {docs: []string{guest}, before: func(l *land) {
			l.token = l.sim.AddToken("narrow@pve", "agent", false, pvesim.ACL{Path: "/", Role: "PVEAuditor", Propagate: true},
				pvesim.ACL{Path: "/storage", Role: "PVEDatastoreAdmin", Propagate: true}, pvesim.ACL{Path: "/sdn", Role: "PVESDNUser", Propagate: true})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			guarded(t, "preflight-"+name, c.o, func(l *land, s *story) {
				l.answers = func(_ context.Context, addrs []netip.Addr) map[netip.Addr]string {
					out := make(map[netip.Addr]string)
					for _, a := range addrs {
						if a.String() == "10.1.1.30" && c.pings != "" {
							out[a] = c.pings
						}
					}
					return out
				}
				l.write("berth/stream.conf", "")
				l.push("0000")
				l.turn()
				if c.before != nil {
					c.before(l)
				}
				l.push("aaaa", c.docs...)
				l.repo.push("aaaa", strings.NewReplacer(c.swap...).Replace(l.repo.commits["aaaa"]))
				from := len(l.sim.Requests())
				l.held(s, "a guest is to be made")
				asked := 0
				for _, r := range l.sim.Requests()[from:] {
					if strings.HasSuffix(r.Path, "/access/permissions") {
						asked++
					}
				}
				if asked != 1 {
					l.t.Errorf("/access/permissions was asked for %d times in a turn", asked)
				}
				if g, there := l.sim.Guest(4030); there && name != "vmid-taken" {
					l.t.Errorf("it was made: %+v", g)
				}
				if strings.HasPrefix(name, "address") {
					l.push("bbbb", c.docs[0]+"allowAddressConflict: true\n")
					l.goes(s, "allowAddressConflict: true")
				}
			})
		})
	}
	for name, spoil := range map[string]func(l *land){
		"image-missing": func(l *land) {
			l.sim.Downloads(func(context.Context, string) (io.ReadCloser, error) { return nil, errors.New("404 Not Found") })
		},
		"image-wrong-checksum": func(l *land) {
			sum := pvesim.Sum("https://images.example.net/debian-ct.tar.zst", "sha256")
			l.repo.push("aaaa", strings.Replace(l.repo.commits["aaaa"], sum, strings.Repeat("0", 64), 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, pvesim.Options{}, func(l *land) {
				s := l.tells("guards/preflight-" + name)
				l.write("berth/stream.conf", "")
				l.push("0000")
				l.turn()
				l.push("aaaa", guest)
				spoil(l)
				s.report("a guest is to be made", l.turn())
				if _, there := l.sim.Guest(4030); there {
					l.t.Error("it was made")
				}
			})
		})
	}
}

// pihole is a container of somebody else's that has an address.
func pihole() pvesim.Guest {
	return pvesim.Guest{Kind: pvesim.KindCT, VMID: 118, Running: true, Config: map[string]string{
		"hostname": "pihole", "memory": "512", "ostype": "debian", "arch": "amd64", "rootfs": "local-lvm:vm-118-disk-0,size=4G",
		"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:09,ip=10.1.1.30/24,type=veth",
	}}
}
