package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

// What people complain of where Terraform looks after Proxmox: none of it may
// happen here. The first of them is what is not a difference.
func TestWhatIsNoDifference(t *testing.T) {
	t.Parallel()
	spare := `
kind: VM
name: spare
id: 4010
cpu: {cores: 2, type: host, flags: [+aes, +pcid]}
memory: 2GiB
agent: true
hotplug: "network,disk,usb"
machine: q35
options: {rng0: "source=/dev/urandom,max_bytes=1024", acpi: "1"}
tags: [b, a]
disks:
  scsi0: {storage: hdd, size: 4GiB, backup: true, serial: one, limits: {read: 10MiB/s}}
networks:
  net0: {network: lan, address: dhcp, mac: "bc:24:11:00:bb:01", mtu: 1400}
cloudInit: {native: true, users: [{name: anna, keys: [` + someKey + `]}]}
startup: early
`
	for name, edit := range map[string]map[string]string{
		"tags in another order":         {"tags": "berth.pegasus;a;b"},
		"tags parted by commas":         {"tags": "b,berth.pegasus, a"},
		"tags in capitals":              {"tags": "A;B;Berth.Pegasus"},
		"a drive's options reordered":   {"scsi0": "mbps_rd=10,serial=one,file=local:4010/vm-4010-disk-0.qcow2,size=4G,backup=1"},
		"a size spelled otherwise":      {"scsi0": "local:4010/vm-4010-disk-0.qcow2,size=4096M,serial=one,mbps_rd=10.0"},
		"defaults of a drive":           {"scsi0": "local:4010/vm-4010-disk-0.qcow2,size=4G,serial=one,mbps_rd=10,cache=none,replicate=1,discard=ignore,ssd=0,iothread=0,ro=0"},
		"defaults of an interface":      {"net0": "virtio=BC:24:11:00:BB:01,bridge=vmbr0,mtu=1400,firewall=0,link_down=0"},
		"an interface at length":        {"net0": "model=virtio,bridge=vmbr0,mtu=1400,macaddr=bc:24:11:00:bb:01"},
		"memory at length":              {"memory": "current=2048"},
		"the agent at length":           {"agent": "enabled=1,type=virtio,fstrim_cloned_disks=0"},
		"the processor at length":       {"cpu": "flags=+pcid;+aes,cputype=host"},
		"the machine at length":         {"machine": "type=q35"},
		"hotplug's default by number":   {"hotplug": "1"},
		"a verbatim option reordered":   {"rng0": "max_bytes=1024,source=/dev/urandom"},
		"a verbatim option in short":    {"rng0": "/dev/urandom"},
		"a verbatim option's default":   {"acpi": ""},
		"an address's words reordered":  {"ipconfig0": ""},
		"keys with a line at their end": {"sshkeys": formatKeys(desired.Words{someKey}) + "%0A"},
		"the startup order's words":     {"startup": "down=60,up=30,order=100"},
		"what the manifest leaves out":  {"vga": "type=qxl", "balloon": "1024", "keyboard": "de", "ciupgrade": "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := benchOn(t, pvesim.New(pvesim.Options{Agents: true}), spare)
				b.apply()
				b.settled()
				b.sim.Edit("anna@pam", 4010, edit)
				b.settled()
			})
		})
	}
}

func TestTagsKeepTheirCaseWhereItCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unmanaged := edited(webYAML, "tags: [prod, web]\n", "")
		b := newBench(t, unmanaged)
		c, err := b.a.begin(t.Context(), b.fleet.Sites["home"])
		if err == nil {
			err = c.Write(t.Context(), "PUT", "/cluster/options", pve.Params{"tag-style": "case-sensitive=1"}, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.apply()
		b.sim.Edit("anna@pam", 4001, map[string]string{"tags": "Prod;WEB"})
		// Our own tag is put back, and nobody else's is touched.
		b.apply()
		if got := b.guest(4001).Config["tags"]; got != "Prod;WEB;berth.pegasus" {
			t.Errorf("tags: %q", got)
		}
		b.settled()
		// Those that the manifest names are the same in whatever case.
		b.manifests(edited(webYAML, "[prod, web]", "[prod, web, more]"))
		b.apply()
		if got := b.guest(4001).Config["tags"]; got != "berth.pegasus;more;prod;web" {
			t.Errorf("tags: %q", got)
		}
		b.settled()
	})
}

func TestAMigratedGuestIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}}), webYAML, cacheYAML)
		b.apply()
		b.sim.Migrate(4001, "pve2")
		b.sim.Migrate(4002, "pve2")
		b.settled()
		b.manifests(edited(webYAML, "cores: 2", "cores: 3"), edited(cacheYAML, "memory: 512MiB", "memory: 256MiB"))
		b.apply()
		if g := b.guest(4001); g.Node != "pve2" || g.Pending["cores"] != "3" {
			t.Errorf("%+v", g)
		}
		if g := b.guest(4002); g.Node != "pve2" || g.Config["memory"] != "256" {
			t.Errorf("%+v", g)
		}
		b.settled()
	})
}

func TestAnEditedSeedReplacesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		before := b.guest(4001)
		b.manifests(edited(webYAML, "packages: [git]", "packages: [git, vim]"))
		b.settled()
		if notes := notesOn(b.plan(), "vm/web-1"); !strings.Contains(notes, "cloudInit is settled when the guest is made") {
			t.Errorf("notes:\n%s", notes)
		}
		if after := b.guest(4001); after.Digest != before.Digest || !after.Running {
			t.Errorf("it was touched: %+v", after)
		}
	})
}

func TestABackupIsWaitedForAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes time.Duration
		want  drift.Status
	}{"a short one": {10 * time.Second, drift.Done}, "a long one": {time.Hour, drift.Failed}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML, cacheYAML)
				b.apply()
				b.manifests(edited(webYAML, "startup: early", "startup: never"), edited(cacheYAML, "memory: 512MiB", "memory: 256MiB"))
				b.sim.Edit("root@pam", 4001, map[string]string{"lock": "backup"})
				over := time.AfterFunc(c.takes, func() { b.sim.Edit("root@pam", 4001, map[string]string{"lock": ""}) })
				defer over.Stop()
				began := time.Now()
				for _, o := range b.turn() {
					switch {
					case o.ID == "ct/cache" && o.Status != drift.Done:
						t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
					case o.ID == "vm/web-1" && o.Status != c.want:
						t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
					case o.Status == drift.Failed && !strings.Contains(o.Reason, "is locked (backup): wait until that is over"):
						t.Errorf("%s: %s", o.Key, o.Reason)
					}
				}
				if waited := time.Since(began); waited > 2*time.Minute {
					t.Errorf("it waited %s", waited)
				}
				if b.guest(4002).Config["memory"] != "256" {
					t.Error("the other guest waited")
				}
				for _, r := range b.sim.Requests() {
					if r.Form.Get("skiplock") != "" {
						t.Error("the lock was forced")
					}
				}
			})
		})
	}
}

func TestAResizeMayTakeMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := pvesim.New(pvesim.Options{TaskTime: func(kind string) time.Duration {
			return map[string]time.Duration{"resize": 8 * time.Minute}[kind]
		}})
		b := benchOn(t, sim, webYAML)
		b.apply()
		b.manifests(edited(webYAML, "size: 8GiB", "size: 64GiB"))
		b.mark()
		b.apply()
		if got := b.guest(4001).Config["scsi0"]; !strings.Contains(got, "size=64G") {
			t.Errorf("scsi0 is %q", got)
		}
		resizes := 0
		for _, w := range b.writes() {
			if strings.HasSuffix(w, "/resize") {
				resizes++
			}
		}
		if resizes != 1 {
			t.Errorf("%d resizes", resizes)
		}
		b.settled()
	})
}

func TestADiskGrownByHandIsNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.Grow("anna@pam", 4001, "scsi0", 20<<30)
		p, _ := b.plannedSince(b.fleet)
		if got := show(p); got != "" {
			t.Errorf("plan:\n%s", got)
		}
		if notes := notesOn(p, "vm/web-1"); notes != "disks.scsi0.size: live 20GiB, in Git 8GiB; disks never shrink: write 20GiB" {
			t.Errorf("notes: %s", notes)
		}
		// An edit in Git that asks for less is another matter.
		before := b.fleet
		b.manifests(edited(webYAML, "size: 8GiB", "size: 16GiB"))
		p, w := b.plannedSince(before)
		if got := show(p); !strings.Contains(got, "HELD scsi0 is 20GiB; disks never shrink: write 20GiB") {
			t.Errorf("plan:\n%s", got)
		}
		b.mark()
		b.execute(t.Context(), p, w, &events{})
		if len(b.writes()) > 0 {
			t.Errorf("written: %q", b.writes())
		}
		b.manifests(edited(webYAML, "size: 8GiB", "size: 20GiB"))
		b.settled()
	})
}

func TestAGuestOfSomebodyElseWithTheWantedVMIDStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := pvesim.New(pvesim.Options{})
		sim.AddGuest(pvesim.Guest{VMID: 4001, Running: true, Config: map[string]string{"name": "hers", "scsi0": "local-lvm:vm-4001-disk-0,size=4G"}})
		b := benchOn(t, sim, webYAML, cacheYAML)
		before := b.guest(4001)
		b.mark()
		for _, o := range b.turn() {
			if o.ID == "vm/web-1" && o.Status == drift.Done || o.ID == "ct/cache" && o.Status != drift.Done {
				t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
			}
		}
		for _, w := range b.writes() {
			if strings.Contains(w, "/4001") {
				t.Errorf("written: %s", w)
			}
		}
		if after := b.guest(4001); after.Digest != before.Digest || !after.Running {
			t.Errorf("it was touched: %+v", after)
		}
		p := b.plan()
		if len(p.Foreign) != 1 || p.Foreign[0].ID != "vm/web-1" || !strings.Contains(p.Foreign[0].What, `vm 4001 "hers" on pve1`) || p.Foreign[0].Remedy == "" {
			t.Errorf("foreign: %+v", p.Foreign)
		}
	})
}

// A data VM has no name of its own to change: what somebody calls it by hand goes
// back.
func TestADataVMIsNamedAsInGit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "kind: DataVM\nname: certs\nid: 9501\ndisks: {scsi0: {name: main, storage: hdd, size: 1GiB}}\n")
		b.apply()
		b.sim.Edit("anna@pam", 9501, map[string]string{"name": "other"})
		if got := show(b.plan()); got != "data/certs online\n  hostname \"other\" → \"certs\"" {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		b.settled()
	})
}
