package proxmox

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

const dbYAML = `
kind: VM
name: db
id: 4003
disks: {scsi0: {image: debian-12, storage: ssd, size: 8GiB}}
networks: {net0: {network: lan, address: 10.1.1.6}}
`

// amend changes what the manifests ask.
func (b *bench) amend(changes ...func(*desired.Fleet)) {
	b.t.Helper()
	for _, change := range changes {
		change(b.fleet)
	}
	slices.SortFunc(b.fleet.Resources, func(x, y *desired.Resource) int { return strings.Compare(string(x.ID), string(y.ID)) })
}

// data adds a data VM with one disk of the name letsencrypt.
func data(edit ...func(*desired.DataVM)) func(*desired.Fleet) {
	return func(f *desired.Fleet) {
		d := &desired.DataVM{
			Name: "certs", Site: "home", Node: "pve1", VMID: 9501, State: desired.Stopped, Startup: "never", Tags: desired.Words{"prod"},
			Disks: map[string]desired.Disk{"scsi0": {Name: "letsencrypt", Storage: "hdd", Size: 10 * desired.GiB, Mount: "/etc/letsencrypt", Label: "certs"}},
		}
		for _, e := range edit {
			e(d)
		}
		r := &desired.Resource{ID: desired.MakeID(desired.KindData, d.Name), Site: "home", Spec: d}
		for _, leaf := range desired.Leaves(desired.KindData, d) {
			if !desired.Zero(leaf.Value) && leaf.Path != "id" && leaf.Path != "node" {
				r.Set.Put(leaf.Path, desired.Source{File: "certs.yaml", Line: 1})
			}
		}
		f.Resources = append(f.Resources, r)
	}
}

// disk gives a guest a disk as scsi1, with all that it says set.
func disk(id desired.ID, d desired.Disk) func(*desired.Fleet) {
	const slot = "scsi1"
	return func(f *desired.Fleet) {
		r := f.Resource(id)
		g := guestOf(r)
		if g.Disks == nil {
			g.Disks = make(map[string]desired.Disk)
		}
		g.Disks[slot] = d
		for path := range r.Set.Paths() {
			if path.Within(desired.Path("disks").Sub(slot)) {
				r.Set = r.Set.Without(path)
			}
		}
		for _, leaf := range desired.Leaves(id.Kind(), &desired.VM{Guest: desired.Guest{Disks: map[string]desired.Disk{slot: d}}}) {
			if leaf.Path.Within("disks") && !desired.Zero(leaf.Value) {
				r.Set.Put(leaf.Path, r.Source)
			}
		}
	}
}

// withVolume gives a guest the data VM's disk as scsi1.
func withVolume(id desired.ID) func(*desired.Fleet) {
	return disk(id, desired.Disk{Volume: "certs/letsencrypt", Mount: "/etc/letsencrypt"})
}

// now is the bench with other manifests than those it had.

func (b *bench) now(docs []string, changes ...func(*desired.Fleet)) {
	b.t.Helper()
	b.manifests(docs...)
	b.amend(changes...)
}

// nothing asserts that a turn plans what is expected, all of it held, and writes
// nothing.
func (b *bench) nothing(want ...string) {
	b.t.Helper()
	p := b.plan()
	got := show(p)
	for _, w := range want {
		if !strings.Contains(got, w) {
			b.t.Errorf("the plan lacks %q:\n%s", w, got)
		}
	}
	if p.Go() {
		b.t.Errorf("something goes:\n%s", got)
	}
	b.mark()
	b.turn()
	if w := b.writes(); len(w) > 0 {
		b.t.Errorf("writes: %q", w)
	}
}

func TestADataVMHoldsDataAndIsNeverStarted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.amend(data())
	b.apply()
	b.settled()
	g := b.guest(9501)
	for option, want := range map[string]string{"onboot": "0", "cores": "1", "memory": "16", "boot": "", "name": "certs", "tags": "berth.pegasus;prod"} {
		if g.Config[option] != want {
			t.Errorf("%s is %q, want %q", option, g.Config[option], want)
		}
	}
	if g.Running || !strings.Contains(g.Config["description"], "berth: pegasus/data/certs home#9501 uid=5b1f0c2e") ||
		!strings.Contains(g.Config["description"], " disks=scsi0:letsencrypt") {
		t.Errorf("%+v", g)
	}
	live := b.observe().Lives[0]
	if spec, ok := live.Spec.(*desired.DataVM); !ok || spec.Disks["scsi0"].Name != "letsencrypt" || spec.Startup != "never" {
		t.Errorf("observed %+v", live.Spec)
	}
	// It grows, gets another disk, another name for one, and is mended.
	b.manifests()
	b.amend(data(func(d *desired.DataVM) {
		d.Disks["scsi0"] = desired.Disk{Name: "letsencrypt", Storage: "hdd", Size: 11 * desired.GiB}
		d.Disks["scsi2"] = desired.Disk{Name: "more", Storage: "ssd", Size: desired.GiB, Discard: true}
	}))
	b.sim.Edit("root@pam", 9501, map[string]string{"onboot": "1"})
	b.sim.SetRunning(9501, true)
	b.apply()
	b.settled()
	g = b.guest(9501)
	if g.Running || g.Config["onboot"] != "0" || !strings.Contains(g.Config["scsi0"], "size=11G") || !strings.Contains(g.Config["scsi2"], "discard=on") ||
		!strings.Contains(g.Config["description"], "disks=scsi0:letsencrypt,scsi2:more") {
		t.Errorf("after the edit: %+v", g)
	}
}

// consumer is a bench in which web-1 has the volume.
func consumer(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, webYAML)
	b.amend(data(), withVolume("vm/web-1"))
	b.apply()
	b.settled()
	return b
}

func holds(g pvesim.Guest) bool {
	return strings.Contains(g.Config["scsi1"], "vm-9501-disk-0")
}

func TestAVolumeIsAttachedAndNeverAllocated(t *testing.T) {
	t.Parallel()
	b := consumer(t)
	if g := b.guest(4001); !holds(g) || !g.Running {
		t.Errorf("%+v", g)
	}
	if got := b.volumesOfGuest(9501); len(got) != 1 {
		t.Errorf("volumes: %q", got)
	}
	seeded := false
	for _, v := range b.sim.Volumes() {
		if v.Owner == 4001 && strings.Contains(string(v.Data), "mount_disk 'scsi1' 'berth-scsi1' '/etc/letsencrypt'") {
			seeded = strings.Contains(b.guest(4001).Config["scsi1"], "serial=berth-scsi1")
		}
	}
	if !seeded {
		t.Error("the seed does not mount it")
	}
	// To a guest that runs already it is hotplugged.
	b.now([]string{webYAML, dbYAML}, data(), withVolume("vm/web-1"))
	b.apply()
	b.now([]string{webYAML, dbYAML}, data(), disk("vm/web-1", desired.Disk{State: "absent"}), withVolume("vm/db"))
	b.sim.SetRunning(4001, false)
	b.now([]string{webYAML + "state: stopped\n", dbYAML}, data(), disk("vm/web-1", desired.Disk{State: "absent"}), withVolume("vm/db"))
	b.apply()
	b.settled()
	if g := b.guest(4003); !holds(g) || !g.Running || holds(b.guest(4001)) {
		t.Errorf("%+v", g)
	}
}

func TestAVolumeIsHandedOverOnlyAfterTheOldOneHasStopped(t *testing.T) {
	t.Parallel()
	absent := disk("vm/web-1", desired.Disk{State: "absent"})
	b := consumer(t)
	// One that runs and may not be stopped keeps it, and the new one waits.
	b.now([]string{webYAML, dbYAML}, data(), absent, withVolume("vm/db"))
	b.nothing("vm/web-1 detach", "it may be mounted in a guest that runs", "vm/db create HELD waits for vm/web-1 detach of disks.scsi1.state, which is held")
	// Its manifest leaves the slot out: it keeps it for good.
	b.now([]string{webYAML, dbYAML}, data(), withVolume("vm/db"))
	b.nothing("vm/db create HELD vm/web-1 has volume certs/letsencrypt as scsi1 and does not let go of it: write disks.scsi1: absent at vm/web-1")
	// With leave to be stopped, it lets go, and goes on without.
	b.now([]string{webYAML + "lifecycle: {reboot: now}\n", dbYAML}, data(), absent, withVolume("vm/db"))
	b.mark()
	b.apply()
	b.settled()
	if web, db := b.guest(4001), b.guest(4003); web.Config["scsi1"] != "" || !web.Running || !holds(db) || !db.Running {
		t.Errorf("%+v\n%+v", web.Config, db.Config)
	}
	b.neverTwo()
}

// neverTwo asserts on the request log that the volume was never attached to one
// guest before another had let go of it, and that nobody ran meanwhile.
func (b *bench) neverTwo() {
	b.t.Helper()
	holder := map[int]bool{}
	for _, r := range b.sim.Requests() {
		if !r.Write() || r.Status >= 300 {
			continue
		}
		for _, vmid := range []int{4001, 4003} {
			mine := strings.HasSuffix(r.Path, "/"+strconv.Itoa(vmid)+"/config") || strings.HasSuffix(r.Path, "/qemu") && r.Form.Get("vmid") == strconv.Itoa(vmid)
			if !mine {
				continue
			}
			if strings.Contains(r.Form.Get("scsi1"), "vm-9501-disk-0") {
				holder[vmid] = true
			}
			if r.Form.Get("delete") == "scsi1" {
				delete(holder, vmid)
			}
		}
		if len(holder) > 1 {
			b.t.Errorf("two have it after %s %s", r.Method, r.Path)
		}
	}
}

func TestAnArchivedGuestLetsGo(t *testing.T) {
	t.Parallel()
	b := consumer(t)
	b.now([]string{dbYAML}, data(), withVolume("vm/db"))
	if got := show(b.plan()); !strings.HasPrefix(got, "vm/web-1 stop\nvm/web-1 detach\n") {
		t.Errorf("the plan:\n%s", got)
	}
	b.apply()
	b.settled()
	b.neverTwo()
	if web := b.guest(4001); web.Config["scsi1"] != "" || web.Running || !strings.Contains(web.Config["tags"], stamp.ArchivedTag) {
		t.Errorf("%+v", web.Config)
	}
	// Back in Git, it waits for the volume, and gets it when the other lets go.
	b.now([]string{webYAML, dbYAML}, data(), withVolume("vm/web-1"), withVolume("vm/db"))
	b.nothing("vm/web-1 restore HELD vm/db has volume certs/letsencrypt as scsi1")
	b.now([]string{webYAML}, data(), withVolume("vm/web-1"))
	b.apply()
	b.settled()
	if web := b.guest(4001); !holds(web) || !web.Running {
		t.Errorf("%+v", web.Config)
	}
}

func TestAStrangerKeepsAVolumeFromBeingTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.amend(data())
	b.apply()
	volid := notation.Parse("file", b.guest(9501).Config["scsi0"]).Value("file")
	b.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindVM, VMID: 777, Node: "pve1", Config: map[string]string{"name": "rescue", "scsi3": volid}})
	b.now([]string{webYAML}, data())
	b.apply()
	b.now([]string{webYAML, dbYAML}, data(), withVolume("vm/db"))
	b.mark()
	if got := told(b.turn()); !strings.Contains(got, `vm/db create: held: vm 777 "rescue" on pve1 has volume certs/letsencrypt as scsi3`) {
		t.Errorf("told:\n%s", got)
	}
	if w := b.writes(); len(w) > 0 {
		t.Errorf("writes: %q", w)
	}
	// Nor does the data VM leave while a stranger uses its data.
	b.now([]string{webYAML})
	if got := told(b.turn()); !strings.Contains(got, `data/certs archive: held: vm 777 "rescue" on pve1 uses`) {
		t.Errorf("told:\n%s", got)
	}
	if w := b.writes(); len(w) > 0 {
		t.Errorf("writes: %q", w)
	}
}

func TestDataIsNeverDestroyedByLeavingItOut(t *testing.T) {
	t.Parallel()
	b := consumer(t)
	b.now([]string{webYAML})
	b.nothing("data/certs archive HELD its disks are in use: vm/web-1 (certs/letsencrypt as scsi1)")
	b.now(nil)
	b.fleet.Spec.ArchiveFor = 0
	p := b.plan()
	if got := show(p); !strings.Contains(got, "data/certs archive") || strings.Contains(got, "data/certs delete") {
		t.Errorf("the plan:\n%s", got)
	}
	if c := p.Change(drift.Key{ID: "data/certs", Step: drift.Archive}); c.Held != "" || len(c.WaitFields) != 1 {
		t.Errorf("the archive: %+v", c)
	}
}
