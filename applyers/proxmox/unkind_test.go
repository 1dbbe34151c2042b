package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
)

// Where Proxmox is unkind, and no other test would notice if we forgot it:
// testdata/rules names each of these tests beside the rule that it watches.

func TestADeletionThatWaitsIsNotPlannedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		named := edited(cacheYAML, "memory: 512MiB", "memory: 512MiB\ndns: [9.9.9.9]")
		b := newBench(t, named)
		b.apply()
		b.manifests(edited(named, "[9.9.9.9]", "[]"))
		b.apply()
		if g := b.guest(4002); g.Config["nameserver"] != "9.9.9.9" || len(g.PendingDelete) != 1 {
			t.Fatalf("the deletion does not wait: %v, pending %v", g.Config, g.PendingDelete)
		}
		b.settled()
	})
}

// TestAGuestMadeAnewHasTheSameMACs: a DHCP server knows a guest by its MAC.
func TestAGuestMadeAnewHasTheSameMACs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML)
		macs := func() string {
			return nicMAC(b.guest(4001)) + " " + notation.Parse("", b.guest(4002).Config["net0"]).Value("hwaddr")
		}
		b.apply()
		was := macs()
		b.manifests(webYAML+"state: absent\n", cacheYAML+"state: absent\n")
		b.apply()
		b.manifests(webYAML, cacheYAML)
		b.apply()
		if now := macs(); now != was {
			t.Errorf("MACs were %s and are %s", was, now)
		}
	})
}

// TestAStateThatTheClusterDoesNotKnowYet: the cluster's list still says that a guest
// runs which somebody has just stopped.
func TestAStateThatTheClusterDoesNotKnowYet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{Lag: 10 * time.Second}), webYAML)
		b.apply()
		<-time.After(time.Minute)
		b.sim.SetRunning(4001, false)
		if got := show(b.plan()); !strings.HasPrefix(got, "vm/web-1 start") {
			t.Errorf("plan:\n%s", got)
		}
		b.apply()
		// And that one is off which was just started.
		b.settled()
	})
}

func TestSurveyLeavesAContainersOSTypeOut(t *testing.T) {
	t.Parallel()
	sim := pvesim.New(pvesim.Options{})
	sim.AddGuest(pvesim.Guest{Kind: pvesim.KindCT, VMID: 104, Config: map[string]string{
		"hostname": "ct", "ostype": "debian", "rootfs": "local-lvm:vm-104-disk-0,size=1G", "tty": "3",
	}})
	s, _ := surveyed(t, sim)
	ct, ok := s.Guests[0].Spec.(*desired.Container)
	if !ok || ct.Options["tty"] != "3" {
		t.Fatalf("the other options are not told: %+v", s.Guests[0])
	}
	if ostype, told := ct.Options["ostype"]; told {
		t.Errorf("a manifest would ask for ostype %s", ostype)
	}
}

func TestALinkedCloneNamesNoStorage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.template(9000, nil)
	b.now([]string{cloneYAML}, cloned("vm/web-1", desired.Find{ID: 9000}, true))
	b.apply()
	for _, r := range b.sim.Requests() {
		if strings.HasSuffix(r.Path, "/clone") && r.Form.Has("storage") {
			t.Errorf("the clone was asked for with %v", r.Form)
		}
	}
}

// TestADeletionLeavesWhatNoConfigurationNames: a volume with the guest's number that
// is in no slot of it was put there by somebody.
func TestADeletionLeavesWhatNoConfigurationNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.sim.AddVolume(pvesim.Volume{ID: "local-lvm:vm-4001-disk-9", Node: "pve1", Owner: 4001, Size: 1 << 30, Format: "raw", Content: "images"})
		b.manifests(webYAML + "state: absent\n")
		b.apply()
		if got := b.volumesOfGuest(4001); len(got) != 1 || got[0] != "local-lvm:vm-4001-disk-9" {
			t.Errorf("of its volumes there are %q", got)
		}
	})
}

// TestADeletionOfOneThatIsOffLosesNobodysData: no stop comes before it, which would
// have found out.
func TestADeletionOfOneThatIsOffLosesNobodysData(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		off := webYAML + "state: stopped\n"
		b := newBench(t, off)
		b.apply()
		b.sim.AddGuest(pvesim.Guest{VMID: 900, Running: true, Config: map[string]string{"name": "thief", "scsi3": b.guest(4001).Config["scsi0"]}})
		b.manifests(edited(off, "state: stopped", "state: absent"))
		b.mark()
		if got := told(b.turn()); !strings.Contains(got, `vm/web-1 delete: held: vm 900 "thief" on pve1 uses local-lvm:vm-4001-disk-0 as scsi3`) {
			t.Errorf("told:\n%s", got)
		}
		if got := b.writes(); len(got) > 0 {
			t.Errorf("writes: %q", got)
		}
	})
}

// TestAVolumeThatWaitsToLeaveIsInUse: it was taken out of the configuration, and the
// guest that runs still writes to it.
func TestAVolumeThatWaitsToLeaveIsInUse(t *testing.T) {
	t.Parallel()
	b := newBench(t, certsYAML)
	b.apply()
	b.sim.AddGuest(pvesim.Guest{VMID: 777, Running: true, PendingDelete: []string{"scsi3"}, Config: map[string]string{
		"name": "rescue", "scsi3": notation.Parse("file", b.guest(9501).Config["scsi0"]).Value("file"),
	}})
	b.manifests(certsYAML, lab1YAML)
	if got := told(b.turn()); !strings.Contains(got, `vm/web-1 create: held: vm 777 "rescue" on pve1 has volume certs/letsencrypt as scsi3`) {
		t.Errorf("told:\n%s", got)
	}
}

func TestSurveyLeavesWhatTheServerAddsOut(t *testing.T) {
	t.Parallel()
	sim := pvesim.New(pvesim.Options{})
	sim.AddGuest(pvesim.Guest{VMID: 104, Config: map[string]string{
		"name": "vm", "acpi": "0", "meta": "creation-qemu=9.2.0,ctime=1750000000", "vmgenid": "0c8a1d36-7f2f-4bd8-a9c5-6f7e1c2d3b4a",
	}})
	s, _ := surveyed(t, sim)
	vm, ok := s.Guests[0].Spec.(*desired.VM)
	if !ok || len(vm.Options) != 1 || vm.Options["acpi"] != "0" {
		t.Errorf("options: %v", vm.Options)
	}
}

func TestAContainersRootStaysWhatItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		off := cacheYAML + "state: stopped\n"
		b := newBench(t, off)
		b.apply()
		was := b.guest(4002).Config["rootfs"]
		b.manifests(edited(off, "size: 4GiB}", "size: 4GiB, replicate: false}"))
		b.apply()
		if now := b.guest(4002).Config["rootfs"]; now != was+",replicate=0" && now != strings.Replace(was, ",size", ",replicate=0,size", 1) {
			t.Errorf("rootfs was %s and is %s", was, now)
		}
		b.settled()
	})
}
