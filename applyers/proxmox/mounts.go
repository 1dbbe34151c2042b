package proxmox

import (
	"cmp"

	"berth/applyers/proxmox/seed"
	"berth/desired"
)

// mountSerial is the serial number by which a seed finds a disk that it mounts.
// Only a SCSI disk has one of its own, and not in every version of QEMU.
func mountSerial(slot string, d desired.Disk) string { return cmp.Or(d.Serial, "berth-"+slot) }

// mounts are the disks that a virtual machine's seed mounts.
func mounts(vm *desired.VM) []seed.Mount {
	var all []seed.Mount
	for _, slot := range slotsOf(&vm.Guest) {
		d := vm.Disks[slot]
		if d.Mount == "" || d.State != "" {
			continue
		}
		all = append(all, seed.Mount{
			Slot: slot, Serial: mountSerial(slot, d), Directory: d.Mount, Filesystem: d.Filesystem, Label: d.Label,
			Options: d.MountOptions, ReadOnly: d.ReadOnly,
		})
	}
	return all
}
