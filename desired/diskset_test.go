package desired

import (
	"reflect"
	"strconv"
	"testing"
)

// TestDisksAreShared holds that guests with the same disks have one map of them, and
// that the least difference keeps them apart.
func TestDisksAreShared(t *testing.T) {
	disks := func(edit func(*Disk)) map[string]Disk {
		d := Disk{Size: GiB, Storage: "ssd", MountOptions: Words{"noatime"}}
		edit(&d)
		return map[string]Disk{"scsi0": d, "scsi1": {Size: GiB}}
	}
	var sets diskSets
	first := sets.shared(disks(func(*Disk) {}))
	if same := sets.shared(disks(func(*Disk) {})); reflect.ValueOf(same).Pointer() != reflect.ValueOf(first).Pointer() {
		t.Error("the same disks are kept twice")
	}
	for name, edit := range map[string]func(*Disk){
		"another storage":      func(d *Disk) { d.Storage = "hdd" },
		"an option more":       func(d *Disk) { d.MountOptions = Words{"noatime", "ro"} },
		"a limit":              func(d *Disk) { d.Limits.ReadOps = 1 },
		"options that are [] ": func(d *Disk) { d.MountOptions = Words{} },
	} {
		want := disks(edit)
		if got := sets.shared(disks(edit)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for i := range 3 * mostAlike {
		want := disks(func(d *Disk) { d.Serial = strconv.Itoa(i) })
		if got := sets.shared(want); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// TestLoadersGuestsShareDisks holds that a Loader's guests have the same disks once.
func TestLoadersGuestsShareDisks(t *testing.T) {
	var l Loader
	fleet, err := l.Load(crowded(20))
	if err != nil {
		t.Fatal(err)
	}
	disks := func(id ID) uintptr { return reflect.ValueOf(fleet.Guest(id).Disks).Pointer() }
	if disks("vm/web-3") != disks("vm/web-14") {
		t.Error("two guests with the same disks have each a map of its own")
	}
}
