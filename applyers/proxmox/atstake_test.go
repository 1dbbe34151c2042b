package proxmox

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
	"berth/drift"
)

// slotsWith are the slots in which a guest has the data VM's first disk, sorted.
func (b *bench) slotsWith(vmid int) string { //nolint:unparam // It reads better named.
	var all []string
	config := b.guest(vmid).Config
	for _, key := range sortedKeys(config) {
		if key != "description" && strings.Contains(config[key], "vm-9501-disk-0") {
			all = append(all, key)
		}
	}
	return strings.Join(all, " ")
}

// A guest that has a volume in two slots writes over its own data.
func TestNoGuestHasAVolumeTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, certsYAML, lab1YAML)
	b.apply()
	// The slot that it leaves is not mentioned any more: it stays there.
	b.manifests(certsYAML, edited(lab1YAML, "scsi1: {volume", "scsi2: {volume"))
	b.nothing("vm/web-1 attach HELD the guest has it as scsi1 already, and none has a volume twice: write disks.scsi1: absent")
	// It can't leave it while the guest runs.
	moved := edited(lab1YAML, "scsi1: {volume", "scsi1: absent\n  scsi2: {volume")
	b.manifests(certsYAML, edited(moved, "lifecycle: {reboot: now}", ""))
	b.nothing("vm/web-1 detach HELD it may be mounted", "HELD the guest has it as scsi1 until that is empty: it may be mounted")
	if got := b.slotsWith(4001); got != "scsi1" {
		t.Errorf("it has it as %s", got)
	}
	b.manifests(certsYAML, moved)
	b.apply()
	b.settled()
	if got := b.slotsWith(4001); got != "scsi2" {
		t.Errorf("it has it as %s", got)
	}
}

// What somebody attaches by hand between the plan and its step counts as well.
func TestAVolumeAttachedByHandIsNotAttachedAgain(t *testing.T) {
	t.Parallel()
	without := edited(lab1YAML, "  scsi1: {volume: certs/letsencrypt}\n", "")
	b := newBench(t, certsYAML, without)
	b.apply()
	b.manifests(certsYAML, lab1YAML)
	p, w := b.planned(t.Context())
	b.sim.Edit("root@pam", 4001, map[string]string{"scsi5": notation.Parse("file", b.guest(9501).Config["scsi0"]).Value("file")})
	b.mark()
	if got := told(b.execute(t.Context(), p, w, &events{})); !strings.Contains(got, "vm/web-1 attach: held: it has volume certs/letsencrypt as scsi5 already") {
		t.Errorf("told:\n%s", got)
	}
	if got := b.writes(); len(got) > 0 {
		t.Errorf("writes: %q", got)
	}
	b.nothing("vm/web-1 attach HELD the guest has it as scsi5 already")
}

// Two volumes may change places: both slots are emptied first. Where one can't be,
// neither is.
func TestTwoVolumesChangePlaces(t *testing.T) {
	t.Parallel()
	two := edited(certsYAML, "disks: {", "disks: {scsi1: {name: more, storage: hdd, size: 1GiB}, ")
	both := edited(lab1YAML, "scsi1: {volume: certs/letsencrypt}", "scsi1: {volume: certs/letsencrypt}\n  scsi2: {volume: certs/more}")
	swapped := edited(lab1YAML, "scsi1: {volume: certs/letsencrypt}", "scsi1: {volume: certs/more}\n  scsi2: {volume: certs/letsencrypt}")
	b := newBench(t, two, both)
	b.apply()
	was := b.slotsWith(4001)
	b.manifests(two, edited(swapped, "lifecycle: {reboot: now}", ""))
	b.nothing("vm/web-1 detach HELD", "vm/web-1 attach HELD")
	b.manifests(two, swapped)
	b.apply()
	b.settled()
	if is := b.slotsWith(4001); is == was || strings.Contains(is, " ") {
		t.Errorf("%s was %s", is, was)
	}
}

// A creation that never came to its end, of a guest that runs all the same: once it
// is in the archive, it stays there as long as any other.
func TestAGuestThatWasNeverWholeIsArchivedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, certsYAML, lab1YAML)
		b.apply()
		for _, vmid := range []int{4001, 9501} {
			b.sim.Edit("root@pam", vmid, map[string]string{"description": strings.TrimSpace(b.guest(vmid).Config["description"]) + " state=making"})
			b.sim.SetRunning(vmid, true)
		}
		b.manifests()
		b.turn()
		b.turn()
		b.nothing()
		for _, vmid := range []int{4001, 9501} {
			if g := b.guest(vmid); g.Running || !strings.Contains(g.Config["tags"], stamp.ArchivedTag) {
				t.Errorf("%+v", g)
			}
		}
		<-time.After(8 * 24 * time.Hour)
		if got := show(b.plan()); !strings.Contains(got, "data/certs delete HELD data is never destroyed") || !strings.Contains(got, "vm/web-1 delete") {
			t.Errorf("the plan:\n%s", got)
		}
		b.turn()
		if len(b.volumesOfGuest(9501)) != 1 {
			t.Error("the data is gone")
		}
	})
}

// A right that is not passed on to the paths below tells nothing of the guests, and
// a role at a guest's own path takes the place of what is passed on.
func TestAVolumeIsNotTakenWhereGuestsMayBeOutOfSight(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		acl  []pvesim.ACL
		says string
	}{
		"not passed on": {[]pvesim.ACL{{Path: "/vms", Role: "Administrator"}}, "pveum acl modify /vms "},
		"taken away": {[]pvesim.ACL{
			{Path: "/vms", Role: "Administrator", Propagate: true}, {Path: "/vms/777", Privs: []string{"VM.PowerMgmt"}},
		}, "pveum acl modify /vms/777 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, certsYAML)
			b.apply()
			b.stranger(false, notation.Parse("file", b.guest(9501).Config["scsi0"]).Value("file"))
			acl := append(c.acl, pvesim.ACL{Path: "/", Role: "Administrator"})
			for _, path := range []string{"/vms/9501", "/vms/4001", "/storage", "/nodes", "/sdn"} {
				acl = append(acl, pvesim.ACL{Path: path, Role: "Administrator", Propagate: true})
			}
			b.token = b.sim.AddToken("narrow@pve", "agent", true, acl...)
			b.restart()
			b.manifests(certsYAML, lab1YAML)
			if got := told(b.turn()); !strings.Contains(got, "vm/web-1 create: held: the token may not look at every guest") || !strings.Contains(got, c.says) {
				t.Errorf("told:\n%s", got)
			}
		})
	}
}

// stranger is a guest of nobody's that has a disk.
func (b *bench) stranger(running bool, disk string) {
	b.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindVM, VMID: 777, Node: "pve1", Running: running, Config: map[string]string{"name": "rescue", "scsi3": disk}})
}

// Root may attach a volume as the file or device that it is.
func TestAVolumeAttachedByItsPathIsInUse(t *testing.T) {
	t.Parallel()
	b := newBench(t, certsYAML)
	b.apply()
	b.stranger(true, "/var/lib/vz/images/9501/vm-9501-disk-0.qcow2,size=2G")
	b.manifests(certsYAML, lab1YAML)
	if got := told(b.turn()); !strings.Contains(got, `vm/web-1 create: held: vm 777 "rescue" on pve1 has volume certs/letsencrypt as scsi3`) {
		t.Errorf("told:\n%s", got)
	}
	b.manifests()
	if got := told(b.turn()); !strings.Contains(got, `data/certs archive: held: vm 777 "rescue" on pve1 uses /var/lib/vz/images/9501/vm-9501-disk-0.qcow2 as scsi3`) {
		t.Errorf("told:\n%s", got)
	}
}

// A disk does not change its size under a stranger that runs with it.
func TestADataVMsDiskDoesNotGrowUnderAStranger(t *testing.T) {
	t.Parallel()
	b := newBench(t, certsYAML)
	b.apply()
	b.stranger(true, notation.Parse("file", b.guest(9501).Config["scsi0"]).Value("file"))
	b.manifests(edited(certsYAML, "2GiB", "3GiB"))
	b.mark()
	if got := told(b.turn()); !strings.Contains(got, `data/certs online: held: vm 777 "rescue" on pve1 runs with local:9501/vm-9501-disk-0`) {
		t.Errorf("told:\n%s", got)
	}
	if got := b.writes(); len(got) > 0 {
		t.Errorf("writes: %q", got)
	}
	b.sim.SetRunning(777, false)
	b.apply()
	b.settled()
}

// Where names are swapped, each manifest is meant for the other guest.
func TestSwappedNamesChangeNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML, dbYAML)
	b.apply()
	web := edited(webYAML, "name: web-1", "name: db")
	for _, db := range []string{
		edited(dbYAML, "name: db", "name: web-1", "size: 8GiB}", "size: 9GiB}, scsi1: {storage: ssd, size: 1GiB}"),
		edited(dbYAML, "name: db", "name: web-1") + "state: absent\n",
	} {
		b.manifests(web, db)
		b.nothing("its manifest is written for VMID 4003, where vm/db stands, and it stands on 4001 itself")
	}
}

// What was detached and kept is told of once more before it goes with its guest.
func TestADeletionTellsOfWhatIsInNoSlot(t *testing.T) {
	t.Parallel()
	own := edited(lab1YAML, "{volume: certs/letsencrypt}", "{storage: ssd, size: 1GiB}")
	absent := edited(lab1YAML, "{volume: certs/letsencrypt}", "absent")
	b := newBench(t, own)
	b.apply()
	b.manifests(absent)
	b.apply()
	b.manifests(absent + "state: absent\n")
	c := b.plan().Change(key("vm/web-1", drift.Delete))
	if want := "; with it goes what it keeps in no slot: unused0 (local-lvm:vm-4001-disk-1)"; c == nil || !strings.HasSuffix(c.Reason, want) {
		t.Errorf("%+v, want %q", c, want)
	}
}

// A clone that is not set up yet bears its template's name, addresses and keys: it
// does not start, neither with its host nor by the agent.
func TestACloneIsNotStartedBeforeItIsSetUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.template(9000, map[string]string{"onboot": "1"})
	b.manifests(templateYAML, cloneYAML+"clone: debian-12\nstartup: early\n")
	writes := 0
	b.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/pve1/qemu/4001/config", Nth: 2, Status: 500, Count: 2, Then: func() { writes++ }})
	if got := told(b.turn()); !strings.Contains(got, "vm/web-1 create: failed: set up the clone vm/web-1") {
		t.Errorf("told:\n%s", got)
	}
	if g := b.guest(4001); g.Config["onboot"] != "0" || g.Running || writes == 0 {
		t.Errorf("%+v", g)
	}
	b.sim.Heal()
	b.sim.SetRunning(4001, true)
	b.mark()
	if got := told(b.turn()); !strings.Contains(got, "vm/web-1 create: held: it runs, and has not been set up") {
		t.Errorf("told:\n%s", got)
	}
	if got := b.writes(); len(got) > 0 {
		t.Errorf("writes: %q", got)
	}
	b.sim.SetRunning(4001, false)
	b.apply()
	b.settled()
	if g := b.guest(4001); !g.Running || g.Config["onboot"] != "1" {
		t.Errorf("%+v", g)
	}
}

// While a guest was off, somebody took its volume elsewhere: two would write.
func TestAGuestIsNotStartedWhileAnotherRunsWithItsVolume(t *testing.T) {
	t.Parallel()
	b := newBench(t, certsYAML, lab1YAML)
	b.apply()
	b.sim.SetRunning(4001, false)
	volid := notation.Parse("file", b.guest(9501).Config["scsi0"]).Value("file")
	b.stranger(true, volid+",ro=1")
	b.mark()
	want := "vm/web-1 start: held: scsi1 is " + volid + `, and vm 777 "rescue" on pve1 runs with that as scsi3: stop that one`
	if got := told(b.turn()); !strings.Contains(got, want) {
		t.Errorf("told:\n%s", got)
	}
	if got := b.writes(); len(got) > 0 {
		t.Errorf("writes: %q", got)
	}
	b.sim.SetRunning(777, false)
	b.apply()
	b.settled()
}

// What somebody takes out of its slot by hand is not replaced by an empty disk, and
// who uses it keeps it.
func TestADiskTakenOutByHandIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, certsYAML, lab1YAML)
	b.apply()
	line := b.guest(9501).Config["scsi0"]
	volid := notation.Lookup("file", line, "file")
	b.sim.Edit("root@pam", 9501, map[string]string{"scsi0": "", "unused0": volid})
	b.nothing(`HELD scsi0 was "letsencrypt", and somebody has taken it out; no empty disk is made in its place: put it back there on Proxmox (it may be unused0 (`+volid+"))",
		"vm/web-1 attach HELD scsi1 holds "+volid+", which no data VM has in a slot")
	b.sim.Edit("root@pam", 9501, map[string]string{"scsi0": line, "unused0": ""})
	b.settled()
	// A guest's own disk, likewise.
	own := edited(lab1YAML, "{volume: certs/letsencrypt}", "{storage: ssd, size: 1GiB}", "web-1", "own", "4001", "4009", "10.1.1.4", "10.1.1.9")
	b.manifests(certsYAML, lab1YAML, own)
	b.apply()
	mine := notation.Parse("file", b.guest(4009).Config["scsi1"]).Value("file")
	b.sim.SetRunning(4009, false)
	b.sim.Edit("root@pam", 4009, map[string]string{"scsi1": "", "unused0": mine})
	in := b.input(b.observe())
	in.Previous = b.fleet
	p, err := drift.Make(in)
	if want := "somebody has taken scsi1 out, and no empty disk is made in its place while it may be unused0 (" + mine + ")"; err != nil || !strings.Contains(show(p), want) {
		t.Errorf("%v\n%s", err, show(p))
	}
}
