package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

// edited is a manifest with some of its text replaced.
func edited(yaml string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(yaml)
}

func TestMemoryWaitsForARebootAndIsNotPlannedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 1GiB", "size: 512MiB"))
		if got := show(b.plan()); got != "vm/web-1 pending\n  memory.size \"1GiB\" → \"512MiB\"" {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		g := b.guest(4001)
		if g.Config["memory"] != "1024" || g.Pending["memory"] != "512" {
			t.Errorf("memory is %s, pending %s", g.Config["memory"], g.Pending["memory"])
		}
		b.settled()
		p := b.plan()
		if len(p.Notes) != 1 || p.Notes[0].Text != "memory.size 1GiB → 512MiB waits for a reboot" {
			t.Errorf("notes: %+v", p.Notes)
		}
		// Somebody reboots it.
		b.sim.SetRunning(4001, false)
		b.sim.SetRunning(4001, true)
		if p := b.plan(); len(p.Notes) > 0 || b.guest(4001).Config["memory"] != "512" {
			t.Errorf("notes: %+v", p.Notes)
		}
		b.settled()
	})
}

func TestRebootNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := webYAML + "lifecycle: {reboot: now}\n"
		b := newBench(t, now)
		b.apply()
		b.manifests(edited(now, "size: 1GiB", "size: 512MiB"))
		if got := show(b.plan()); !strings.Contains(got, "vm/web-1 pending") || !strings.Contains(got, "vm/web-1 reboot\nvm/web-1 ready") {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		if g := b.guest(4001); g.Config["memory"] != "512" || !g.Running {
			t.Errorf("memory is %s, running %v", g.Config["memory"], g.Running)
		}
		b.settled()
	})
}

func TestRebootThatWasInterruptedIsMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 1GiB", "size: 512MiB"))
		b.apply()
		b.manifests(edited(webYAML, "size: 1GiB", "size: 512MiB") + "lifecycle: {reboot: now}\n")
		if got := show(b.plan()); got != "vm/web-1 reboot\nvm/web-1 ready" {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		b.settled()
	})
}

func TestHandEditsGoBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  map[string]string
		want string
	}{
		"description": {map[string]string{"description": "other words\n\n" + ourStamp}, "description \"other words\" → \"The web server.\\n\""},
		"onboot":      {map[string]string{"onboot": "0"}, "startup \"never\" → \"early\""},
		"startup":     {map[string]string{"startup": "order=7"}, "startup \"order=7\" → \"early\""},
		"tag more":    {map[string]string{"tags": "berth.pegasus;prod;web;extra"}, "tags \"extra prod web\" → \"prod web\""},
		"name":        {map[string]string{"name": "other"}, "hostname \"other\" → \"web-1\""},
		"cores":       {map[string]string{"cores": "8"}, "cpu.cores \"8\" → \"2\""},
		"no cores":    {map[string]string{"cores": ""}, "cpu.cores \"1\" → \"2\""},
		"vga":         {map[string]string{"vga": "qxl"}, "vga \"qxl\" → \"serial0\""},
		"ssd flag":    {map[string]string{"scsi0": "local-lvm:vm-4001-disk-0,discard=on,size=8G"}, "disks.scsi0.ssd \"false\" → \"true\""},
		"vlan":        {map[string]string{"net0": "virtio=BC:24:11:3B:A2:CA,bridge=vmbr0,tag=30"}, "networks.net0.network \"dmz\" → \"lan\""},
		"protection":  {map[string]string{"protection": "1"}, ""},
		"unmanaged":   {map[string]string{"keyboard": "de"}, ""},
		"MAC's case":  {map[string]string{"net0": "virtio=bc:24:11:3b:a2:ca,bridge=vmbr0"}, ""},
		"said at length": {map[string]string{
			"memory": "current=1024", "agent": "enabled=1,type=virtio", "cpu": "cputype=host", "vga": "type=serial0",
			"net0": "bridge=vmbr0,firewall=0,virtio=BC:24:11:3B:A2:CA", "startup": "up=30,order=100,down=60",
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML)
				b.apply()
				mac := b.guest(4001).Config["net0"]
				if d, ok := c.set["description"]; ok {
					real := b.guest(4001).Config["description"]
					c.set["description"] = strings.Replace(d, ourStamp, real[strings.LastIndex(real, "\n")+1:], 1)
				}
				b.sim.Edit("anna@pam", 4001, c.set)
				got := show(b.plan())
				if c.want == "" && got != "" || !strings.Contains(got, c.want) {
					t.Fatalf("plan:\n%s\nwant %s", got, c.want)
				}
				if c.want == "" {
					return
				}
				for _, change := range b.plan().Changes {
					for _, f := range change.Fields {
						if f.By != "anna@pam" {
							t.Errorf("%s was changed by %q", f.Path, f.By)
						}
					}
				}
				b.apply()
				if p := b.plan(); len(p.Changes) > 0 {
					t.Errorf("then:\n%s", show(p))
				}
				if now := b.guest(4001); c.set["net0"] == "" && now.Config["net0"] != mac {
					t.Errorf("net0 became %q", now.Config["net0"])
				}
			})
		})
	}
}

func TestAlienWordsInALineAreCarriedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Edit("anna@pam", 4001, map[string]string{
			"net0":  "virtio=AA:24:11:3B:A2:CA,bridge=vmbr0,trunks=5;6,firewall=0",
			"scsi0": "local-lvm:vm-4001-disk-0,size=8G,mbps_rd=100,wwn=0x5000c50015ea71aa",
		})
		b.manifests(edited(webYAML, "address: 10.1.1.4}", "address: 10.1.1.4, rate: 5MiB/s}"))
		b.apply()
		g := b.guest(4001)
		net, disk := g.Config["net0"], notation.Parse("file", g.Config["scsi0"])
		for _, part := range []string{"virtio=AA:24:11:3B:A2:CA", "trunks=5;6", "rate=5"} {
			if !strings.Contains(net, part) {
				t.Errorf("net0 is %q", net)
			}
		}
		for key, value := range g.Pending {
			if key == "scsi0" {
				disk = notation.Parse("file", value)
			}
		}
		if disk.Value("mbps_rd") != "100" || disk.Value("wwn") == "" || disk.Value("ssd") != "1" || disk.Value("file") != "local-lvm:vm-4001-disk-0" {
			t.Errorf("scsi0 is %v", disk)
		}
		if vols := b.volumesOfGuest(4001); len(vols) != 2 {
			t.Errorf("volumes: %q", vols)
		}
		b.settled()
	})
}

func TestDisksGrowAndNeverShrink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB", "size: 12GiB"), edited(cacheYAML, "size: 4GiB", "size: 6GiB"))
		b.apply()
		if g := b.guest(4001); !strings.Contains(g.Config["scsi0"], "size=12G") {
			t.Errorf("scsi0 is %q", g.Config["scsi0"])
		}
		if g := b.guest(4002); !strings.Contains(g.Config["rootfs"], "size=6G") {
			t.Errorf("rootfs is %q", g.Config["rootfs"])
		}
		b.settled()
		b.manifests(webYAML, edited(cacheYAML, "size: 4GiB", "size: 6GiB", "[prod]", "[lab]"))
		b.mark()
		got := show(b.plan())
		if !strings.Contains(got, "HELD scsi0 is 12GiB; disks never shrink: write 12GiB") || strings.Contains(got, "re-creation") {
			t.Errorf("plan:\n%s", got)
		}
		b.turn()
		if g := b.guest(4002); g.Config["tags"] != "berth.pegasus;lab" {
			t.Errorf("what is not held did not go on: %q", g.Config["tags"])
		}
		for _, w := range b.writes() {
			if strings.Contains(w, "4001") {
				t.Errorf("written: %s", w)
			}
		}
	})
}

func TestGrowingADriveWhoseOptionsWaitKeepsItsNewSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB", "cache: writeback, size: 8GiB"))
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB", "cache: writeback, size: 12GiB"))
		b.apply()
		b.settled()
		b.sim.SetRunning(4001, false)
		b.sim.SetRunning(4001, true)
		if got := b.guest(4001).Config["scsi0"]; !strings.Contains(got, "size=12G") || !strings.Contains(got, "cache=writeback") {
			t.Errorf("scsi0 is %q", got)
		}
		b.settled()
	})
}

func TestStorageAndIDNeedRecreationAndAreHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "storage: ssd", "storage: hdd", "id: 4001", "id: 4005", "[prod, web]", "[prod]"))
		got := show(b.plan())
		for _, want := range []string{"disks.scsi0.storage \"ssd\" → \"hdd\" HELD", "id \"4001\" → \"4005\" HELD the VMID is 4001"} {
			if !strings.Contains(got, want) {
				t.Errorf("plan:\n%s\nwant %s", got, want)
			}
		}
		b.turn()
		g := b.guest(4001)
		if g.Config["tags"] != "berth.pegasus;prod" || len(b.sim.Guests()) != 1 {
			t.Errorf("tags %q, %d guests", g.Config["tags"], len(b.sim.Guests()))
		}
	})
}

func TestNewDiskAndNICAreMadeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB}}", "size: 8GiB}, scsi1: {size: 3GiB, storage: hdd}}", "10.1.1.4}}", "10.1.1.4}, net1: {network: dmz}}"))
		b.apply()
		g := b.guest(4001)
		if !strings.Contains(g.Config["scsi1"], "size=3G") || !strings.Contains(g.Config["net1"], "tag=30") {
			t.Errorf("scsi1 %q net1 %q", g.Config["scsi1"], g.Config["net1"])
		}
		if vols := b.volumesOfGuest(4001); len(vols) != 3 {
			t.Errorf("volumes: %q", vols)
		}
		b.settled()
		b.manifests(webYAML)
		b.settled()
	})
}

func TestStateFollowsGit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		b.manifests(webYAML+"state: stopped\n", cacheYAML+"state: stopped\n")
		b.apply()
		if b.guest(4001).Running || b.guest(4002).Running {
			t.Error("they still run")
		}
		b.settled()
		// What waits for a reboot on a running guest is made at once on a stopped one.
		b.manifests(edited(webYAML, "size: 1GiB", "size: 2GiB"), cacheYAML)
		b.apply()
		if g := b.guest(4001); !g.Running || g.Config["memory"] != "2048" || len(g.Pending) > 0 || !b.guest(4002).Running {
			t.Errorf("%v %v", g.Running, g.Config)
		}
		b.settled()
		b.sim.SetRunning(4001, false)
		b.apply()
		if !b.guest(4001).Running {
			t.Error("it was not started again")
		}
	})
}

func TestContainerChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML)
		b.apply()
		mac := notation.Parse("", b.guest(4002).Config["net0"]).Value("hwaddr")
		b.manifests(edited(cacheYAML, "memory: 512MiB", "memory: 1GiB\ndescription: The cache.\ndns: [9.9.9.9]", "10.1.1.5", "10.1.1.6"))
		b.apply()
		g := b.guest(4002)
		p := notation.Parse("", g.Config["net0"])
		if p.Value("ip") != "10.1.1.6/24" || p.Value("hwaddr") != mac || g.Config["memory"] != "1024" || g.Pending["nameserver"] != "9.9.9.9" {
			t.Errorf("config %v", g.Config)
		}
		b.settled()
	})
}

func TestRefusedHotplugIsTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu/4001/config", Hotplug: map[string]string{"net0": "no such device"}})
		b.manifests(edited(webYAML, "10.1.1.4}", "10.1.1.4, linkDown: true}", "[prod, web]", "[prod]"))
		out := b.turn()
		if len(out) != 1 || out[0].Status != drift.Failed || !strings.Contains(out[0].Reason, "taken back, since it would have taken effect at the next stop: net0") {
			t.Errorf("outcome %s", told(out))
		}
		if g := b.guest(4001); len(g.Pending) > 0 || len(g.PendingDelete) > 0 {
			t.Errorf("left pending: %v %v", g.Pending, g.PendingDelete)
		}
		b.apply()
		b.settled()
	})
}

func TestALostRaceIsPlannedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		b.apply()
		b.manifests(edited(webYAML, "[prod, web]", "[prod]"), edited(cacheYAML, "[prod]", "[lab]"))
		for _, f := range []pvesim.Fault{
			{Method: "POST", Path: "/nodes/*/qemu/4001/config", Then: func() { b.sim.Edit("anna@pam", 4001, map[string]string{"numa": "1"}) }},
			{Method: "PUT", Path: "/nodes/*/lxc/4002/config", Then: func() { b.sim.Edit("anna@pam", 4002, map[string]string{"cpuunits": "50"}) }},
		} {
			b.sim.Inject(f)
		}
		for _, o := range b.turn() {
			if o.Status != drift.Failed || !strings.Contains(o.Reason, "planned again in the next turn") {
				t.Errorf("outcome %s", told([]drift.Outcome{o}))
			}
		}
		b.apply()
		b.settled()
	})
}

func TestALiveValueThatMovedSinceThePlanIsNotOverwritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "cores: 2", "cores: 4"))
		seen := b.observe()
		p, err := drift.Make(b.input(seen))
		if err != nil {
			t.Fatal(err)
		}
		b.sim.Edit("anna@pam", 4001, map[string]string{"cores": "8"})
		out := b.execute(t.Context(), p, drift.NewWorld(b.fleet, seen.Lives), &events{})
		if len(out) != 1 || out[0].Status != drift.Failed || b.guest(4001).Config["cores"] != "8" {
			t.Errorf("outcome %s", told(out))
		}
	})
}

func TestLockedGuestsAreWaitedForThenReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "[prod, web]", "[prod]"))
		b.sim.Edit("root@pam", 4001, map[string]string{"lock": "backup"})
		begin := time.Now()
		out := b.turn()
		if out[0].Status != drift.Failed || !strings.Contains(out[0].Reason, "is locked (backup)") || time.Since(begin) < lockWait {
			t.Errorf("outcome %s after %s", told(out), time.Since(begin))
		}
		time.AfterFunc(10*time.Second, func() { b.sim.Edit("root@pam", 4001, map[string]string{"lock": ""}) })
		b.apply()
		b.settled()
	})
}

func TestATaskThatFailsAfterASuccessfulAnswerIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu", Full: true})
		var got string
		for _, o := range b.turn() {
			if o.Step == drift.Create {
				got = string(o.Status) + " " + o.Reason
			}
		}
		if !strings.Contains(got, "failed create vm/web-1: unable to create VM 4001") {
			t.Errorf("outcome %s", got)
		}
		if vols := b.volumesOfGuest(4001); len(vols) > 0 {
			t.Errorf("left: %q", vols)
		}
		b.apply()
		b.settled()
	})
}

func TestAMACOfTheManifest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, edited(webYAML, "10.1.1.4}", "10.1.1.4, mac: 'aa:28:91:f5:3d:16'}"))
		b.apply()
		if got := nicMAC(b.guest(4001)); got != "AA:28:91:F5:3D:16" {
			t.Errorf("it is %s", got)
		}
		b.settled()
		b.sim.Edit("root@pam", 4001, map[string]string{"net0": "virtio=aa:28:91:f5:3D:16,bridge=vmbr0"})
		b.settled()
		b.sim.Edit("root@pam", 4001, map[string]string{"net0": "virtio=AA:00:00:00:00:01,bridge=vmbr0"})
		b.apply()
		b.settled()
		if got := nicMAC(b.guest(4001)); got != "AA:28:91:F5:3D:16" {
			t.Errorf("it became %s", got)
		}
	})
}

func TestWhatIsHeldStopsNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"state: stopped\n")
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB", "size: 4GiB"))
		out := told(b.turn())
		if !b.guest(4001).Running || !strings.Contains(out, "vm/web-1 online: held: scsi0 is 8GiB") {
			t.Errorf("outcome %s", out)
		}
		b.manifests(edited(webYAML, "size: 8GiB", "size: 4GiB", "size: 1GiB", "size: 2GiB"))
		if out := told(b.turn()); out != "vm/web-1 pending: done:" {
			t.Errorf("outcome %s", out)
		}
	})
}

func TestNoRebootForWhatTheManifestDoesNotSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"lifecycle: {reboot: now}\n")
		b.apply()
		if err := b.a.clusters["home"].Write(t.Context(), "PUT", "/nodes/pve1/qemu/4001/config", pve.Params{"keyboard": "de"}, nil); err != nil {
			t.Fatal(err)
		}
		p := b.plan()
		if len(p.Changes) > 0 || len(p.Notes) != 1 || !strings.Contains(p.Notes[0].Text, "keyboard") {
			t.Errorf("notes %+v, plan:\n%s", p.Notes, show(p))
		}
	})
}

func TestTagsOfBerthStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Edit("root@pam", 4001, map[string]string{"tags": "berth-keep;berth.pegasus;odd"})
		b.apply()
		if got := b.guest(4001).Config["tags"]; got != "berth-keep;berth.pegasus;prod;web" {
			t.Errorf("tags are %q", got)
		}
		b.settled()
	})
}
