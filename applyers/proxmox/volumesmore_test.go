package proxmox

import (
	"strings"
	"testing"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// readers gives two guests the volume to read.
func readers() []func(*desired.Fleet) {
	reading := desired.Disk{Volume: "certs/letsencrypt", ReadOnly: true}
	return []func(*desired.Fleet){data(), disk("vm/web-1", reading), disk("vm/db", reading)}
}

func TestManyMayReadAndOneMayWrite(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML, dbYAML)
	b.amend(readers()...)
	b.apply()
	b.settled()
	for _, vmid := range []int{4001, 4003} {
		if g := b.guest(vmid); !holds(g) || !strings.Contains(g.Config["scsi1"], "ro=1") {
			t.Errorf("%+v", g.Config)
		}
	}
	// Nobody becomes a writer while another reads.
	b.now([]string{webYAML, dbYAML}, append(readers(), func(f *desired.Fleet) {
		r := f.Resource("vm/web-1")
		d := guestOf(r).Disks["scsi1"]
		d.ReadOnly = false
		guestOf(r).Disks["scsi1"] = d
	})...)
	b.nothing(`disks.scsi1.readOnly "true" → "false" HELD vm/db has volume certs/letsencrypt as scsi1 and does not let go of it`)
	// What was planned while nobody read is refused if somebody does meanwhile.
	b.now([]string{webYAML, dbYAML}, data(), disk("vm/web-1", desired.Disk{Volume: "certs/letsencrypt"}))
	b.fleet.Resource("vm/web-1").Set.Put("disks.scsi1.readOnly", desired.Source{})
	j := &job{Job: applyers.Job{Fleet: b.fleet, Want: b.fleet.Resource("vm/web-1")}, applyer: b.a, kind: desired.KindVM, node: "pve1", vmid: 4001, p: silent{}}
	j.cluster, j.ID = b.a.clusters["home"], "vm/web-1"
	b.mark()
	if err := j.becomesWriter(t.Context(), []drift.Field{{Path: "disks.scsi1.readOnly"}}); err == nil || !strings.Contains(err.Error(), `vm 4003 "db" on pve1 has volume certs/letsencrypt as scsi1`) {
		t.Error(err)
	}
}

// A guest that is destroyed lets go of what is not its own first, and what it
// leaves is whole.
func TestWhatIsDestroyedLeavesTheDataBehind(t *testing.T) {
	t.Parallel()
	b := consumer(t)
	b.now([]string{webYAML + "state: absent\n"}, data(), withVolume("vm/web-1"))
	if got := show(b.plan()); !strings.HasPrefix(got, "vm/web-1 stop\nvm/web-1 detach\n") || !strings.HasSuffix(got, "vm/web-1 delete") {
		t.Errorf("the plan:\n%s", got)
	}
	b.apply()
	b.settled()
	if _, there := b.sim.Guest(4001); there || len(b.volumesOfGuest(4001)) != 0 || len(b.volumesOfGuest(9501)) != 1 {
		t.Errorf("left: %q and %q", b.volumesOfGuest(4001), b.volumesOfGuest(9501))
	}
}

// A look at one guest names its volumes, too, after a restart as well, and tells
// of nothing else.
func TestANarrowLookKnowsVolumes(t *testing.T) {
	t.Parallel()
	b := consumer(t)
	for range 2 {
		seen, err := b.a.Observe(t.Context(), b.fleet, applyers.Scope{IDs: []desired.ID{"vm/web-1"}})
		if err != nil || len(seen.Lives) != 1 || seen.Lives[0].ID != "vm/web-1" {
			t.Fatalf("%+v %v", seen, err)
		}
		if got := guestIn(seen.Lives[0].Spec).Disks["scsi1"].Volume; got != "certs/letsencrypt" {
			t.Errorf("scsi1 is %q", got)
		}
		b.restart()
	}
}

// A guest whose VMID follows from a plan keeps the one that it was made with, and
// what would now get that number is held.
func TestAKeptVMIDIsNobodyElses(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML)
	b.apply()
	b.now([]string{strings.ReplaceAll(webYAML, "id: 4001", "id: 4005"), strings.ReplaceAll(dbYAML, "id: 4003", "id: 4001")}, func(f *desired.Fleet) {
		r := f.Resource("vm/web-1")
		r.Set = r.Set.Without("id")
	})
	b.nothing(`vm/db create HELD vm 4001 "web-1" on pve1: it is vm/web-1 of this fleet and keeps the VMID that it was made with; give vm/db an id of its own, or write id: 4001 at vm/web-1`)
}

func TestADiskOfItsOwnIsDetachedAndKept(t *testing.T) {
	t.Parallel()
	more := strings.ReplaceAll(webYAML, "disks: {", "disks: {scsi1: {size: 2GiB, storage: hdd}, ")
	b := newBench(t, more)
	b.apply()
	absent := strings.ReplaceAll(webYAML, "disks: {", "disks: {scsi1: absent, ")
	b.manifests(absent)
	b.nothing("vm/web-1 detach HELD it may be mounted in a guest that runs")
	b.manifests(absent + "lifecycle: {reboot: now}\n")
	b.apply()
	b.settled()
	g := b.guest(4001)
	if g.Config["scsi1"] != "" || !strings.Contains(g.Config["unused0"], "local:4001/vm-4001-disk-") || !g.Running || len(b.volumesOfGuest(4001)) != 3 {
		t.Errorf("%+v", g.Config)
	}
	var notes strings.Builder
	for _, n := range b.plan().Notes {
		notes.WriteString(n.Text + "\n")
	}
	told := notes.String()
	if !strings.Contains(told, "unused0 is "+g.Config["unused0"]) || !strings.Contains(told, "qm set 4001 --delete unused0") {
		t.Errorf("notes:\n%s", told)
	}
	// What the guest boots from stays.
	b.manifests(strings.ReplaceAll(webYAML, "scsi0: {image: debian-12, storage: ssd, size: 8GiB}", "scsi0: absent, scsi2: {size: 1GiB, storage: hdd}") + "lifecycle: {reboot: now}\n")
	if got := show(b.plan()); !strings.Contains(got, "HELD scsi0 was made from image debian-12: the guest's own system is not detached") {
		t.Errorf("the plan:\n%s", got)
	}
}
