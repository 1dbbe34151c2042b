package proxmox

import (
	"context"
	"maps"
	"slices"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// newVM fills in what only virtual machines have, and uploads the seed.
func (j *job) newVM(ctx context.Context, vm *desired.VM, options pve.Params, s *stamp.Stamp) error {
	l := j.lines()
	for slot, d := range vm.Disks {
		if d.State != "" || j.clones() {
			continue
		}
		line, err := l.newDrive(slot, d)
		if err != nil {
			return err
		}
		options[slot] = line
	}
	for _, path := range []desired.Path{
		"hostname", "cpu.cores", "cpu.sockets", "cpu.type", "cpu.flags", "cpu.units", "cpu.limit", "cpu.numa", "memory.size", "memory.min", "memory.balloon", "agent",
		"bios", "machine", "vga", "serial0", "tablet", "keyboard", "hotplug", "scsihw", "ostype",
	} {
		if !j.setsWithin(path) && path != "hostname" {
			continue
		}
		if option, value := j.option(path, &found{conf: &pve.Config{}}); value != "" {
			options[option] = value
		}
	}
	if !j.clones() {
		for option, usual := range map[string]string{"scsihw": "virtio-scsi-single", "ostype": "l26"} {
			if options[option] == "" {
				options[option] = usual
			}
		}
	}
	if !j.clones() || len(vm.Boot) > 0 {
		options["boot"] = "order=" + strings.Join(bootOrder(vm), ";")
	}
	switch {
	case vm.CloudInit == nil:
		return nil
	case j.furnished != nil && j.furnished.conf.Values[seedSlot(vm)] != "" && !vm.CloudInit.Native:
		if j.furnished.stamp.Seed == "" {
			return heldf("%s holds %s, which came with the template: choose another cloudInit.slot, or take it out of the template",
				seedSlot(vm), j.furnished.volume(seedSlot(vm)))
		}
		// An earlier attempt has given it its seed.
		return nil
	case vm.CloudInit.Native:
		j.newNative(vm, options)
		if j.furnished != nil && native(j.furnished) {
			// The template's drive has become its own.
			maps.DeleteFunc(options, func(key, value string) bool { return driveSlot(desired.KindVM, key) && nativeDrive(value) })
		}
		return nil
	}
	s.Seed, s.Making, s.Address = shortDigest(vm.Seed), true, written(&vm.Guest)
	return j.seedDrive(ctx, vm, options, s.Instance)
}

// written is the static address that a seed gives a virtual machine; "" where a
// DHCP server has to tell.
func written(g *desired.Guest) string {
	for _, slot := range slices.Sorted(maps.Keys(g.Networks)) {
		if addr, _, static := strings.Cut(g.Networks[slot].Address, "/"); static {
			return addr
		}
	}
	return ""
}

// shortDigest is as much of a digest as a stamp, which people read, holds.
func shortDigest(digest string) string { return digest[:min(len(digest), 16)] }

// bootOrder is what the manifest asks for, else the disks that are made from an
// image, else all drives and then the interfaces. What the firmware keeps is not booted from.
func bootOrder(vm *desired.VM) []string {
	if len(vm.Boot) > 0 {
		return vm.Boot
	}
	slots := slices.DeleteFunc(slices.Sorted(maps.Keys(vm.Disks)), func(slot string) bool {
		return firmware(slot) || vm.Disks[slot].State != ""
	})
	imaged := slices.DeleteFunc(slices.Clone(slots), func(slot string) bool { return vm.Disks[slot].Image == "" })
	if len(imaged) > 0 {
		return imaged
	}
	return append(slots, slices.Sorted(maps.Keys(vm.Networks))...)
}
