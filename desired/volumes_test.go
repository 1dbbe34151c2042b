package desired

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const holder = `kind: DataVM
name: certs
tags: [b, a]
disks:
  scsi0: {name: letsencrypt, storage: ssd, size: 10GiB, label: certs, filesystem: xfs, mount: /etc/letsencrypt, options: [noatime], readOnly: true, backup: true}
  scsi1: {name: spare, storage: ssd, size: 1GiB}
---
{kind: VM, name: b, disks: {scsi1: {volume: certs/letsencrypt}}, cloudInit: {packages: [git]}}
---
{kind: VM, name: a, state: stopped, disks: {scsi1: {volume: certs/letsencrypt}}}
---
{kind: VM, name: c, state: absent, disks: {scsi1: {volume: certs/letsencrypt}}}
`

func TestVolume(t *testing.T) {
	f := load(t, files("a.yaml", holder))
	data, slot, disk, ok := f.Volume("certs/letsencrypt")
	if !ok || data.ID != "data/certs" || slot != "scsi0" || disk.Size != 10*GiB {
		t.Errorf("%v %s %+v %v", data, slot, disk, ok)
	}
	for _, ref := range []string{"certs/none", "certs", "", "none/spare", "b/scsi1"} {
		if _, _, _, ok := f.Volume(ref); ok {
			t.Errorf("%q is a volume", ref)
		}
	}
	if users := f.VolumeUsers("certs/letsencrypt"); !slices.Equal(users, []ID{"vm/a", "vm/b"}) {
		t.Errorf("users %v", users)
	}
	if users := f.VolumeUsers("certs/spare"); len(users) != 0 {
		t.Errorf("users %v", users)
	}
	disk = f.Guest("vm/b").Disks["scsi1"]
	got := fmt.Sprintln(disk.Mount, disk.Label, disk.Filesystem, disk.MountOptions, disk.ReadOnly, disk.Size, disk.SSD, disk.Storage)
	if got != "/etc/letsencrypt certs xfs noatime true 0MiB true \n" {
		t.Errorf("what flowed from the holder: %q", got)
	}
	if g := f.Guest("vm/a"); g.Disks["scsi1"].Mount != "" {
		t.Errorf("without a seed nothing is mounted: %+v", g.Disks)
	}
}

// TestDataMachine holds that a data VM is a virtual machine that never runs, to
// those who know machines only.
func TestDataMachine(t *testing.T) {
	f := load(t, files("a.yaml", holder))
	m := f.Machine("data/certs")
	if m == nil || m.VMID == 0 || m.State != Stopped || m.Startup != "never" || m.Hostname != "certs" || m.Site != "home" {
		t.Errorf("%+v", m)
	}
	if f.Guest("data/certs") != nil || f.Machine("vm/b") != f.Guest("vm/b") || f.Machine("data/none") != nil {
		t.Error("guests and machines")
	}
	if ID("data/certs").Guest() || !ID("data/certs").Machine() {
		t.Error("ids")
	}
	bare := &DataVM{Name: "x"}
	if vm := bare.VM(); vm.State != Stopped || vm.Startup != "never" || vm.Hostname != "x" {
		t.Errorf("one made by hand: %+v", vm)
	}
}

// TestDataLeaves holds what of a data VM is compared with live: all that Proxmox
// keeps, and nothing that only those who attach its disks do.
func TestDataLeaves(t *testing.T) {
	f := load(t, files("a.yaml", holder))
	r := f.Resource("data/certs")
	var compared []string
	for _, leaf := range Leaves(KindData, r.Spec) {
		if r.Set.Has(leaf.Path) {
			compared = append(compared, fmt.Sprintf("%s=%s %s %s", leaf.Path, Text(leaf.Value), leaf.Effect, leaf.Privilege))
		}
	}
	want := []string{
		"disks.scsi0.backup=true online VM.Config.Disk",
		"disks.scsi0.size=10GiB online VM.Config.Disk",
		"disks.scsi0.ssd=true online VM.Config.Disk",
		"disks.scsi0.storage=ssd recreate VM.Config.Disk",
		"disks.scsi1.size=1GiB online VM.Config.Disk",
		"disks.scsi1.ssd=true online VM.Config.Disk",
		"disks.scsi1.storage=ssd recreate VM.Config.Disk",
		"hostname=certs online VM.Config.Options",
		"startup=never online VM.Config.Options",
		"state=stopped online VM.PowerMgmt",
		"tags=a b online VM.Config.Options",
	}
	if !slices.Equal(compared, want) {
		t.Errorf("compared:\n%s", strings.Join(compared, "\n"))
	}
}
