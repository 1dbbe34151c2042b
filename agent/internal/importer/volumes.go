package importer

import (
	"fmt"
	"slices"
	"strings"

	"berth/applyers/proxmox"
	"berth/desired"
)

// ownDisk tells whether a volume is a disk of the guest's own.
func ownDisk(d *doc, v proxmox.Volume) bool {
	return !v.Host && !v.CDROM && !v.Seed && v.Owner == d.live.VMID
}

// seed tells whether a disk is the small one that a guest of ours was seeded by;
// some storages give no less than 4 MiB.
func (d *doc) seed(disk desired.Disk) bool { return d.live.Seeded && disk.Size <= 4*desired.MiB }

// firmware tells the slots whose size is Proxmox's affair.
func firmware(slot string) bool { return slot == "efidisk0" || slot == "tpmstate0" }

// volumes writes the disks.
func (m *maker) volumes(d *doc) {
	disks := d.disks()
	for _, slot := range slots(disks) {
		disk, volume := disks[slot], d.live.Volumes[slot]
		path := desired.Path("disks").Sub(slot)
		switch {
		case volume.CDROM || volume.Seed || volume.Host:
			d.dropWithin(path)
		case d.seed(disk):
			d.dropWithin(path)
			d.leave("cloudInit", "the guest remembers that it was made with one, and not what stood in it")
		case volume.Owner != d.live.VMID:
			m.foreignVolume(d, slot, &disk, volume)
		case firmware(slot):
			m.ownVolume(d, slot, &disk)
			d.choose(path.Sub("size"), false)
			d.choose(path, true)
		case disk.Size == 0:
			d.dropWithin(path)
			d.leave(slot, "how large %s is can't be read", volume.ID)
		default:
			m.ownVolume(d, slot, &disk)
			switch {
			case volume.Base == 0:
			case m.clone(d):
				// It lies where the template does.
				d.choose(path.Sub("storage"), false)
			default:
				d.leave(slot, "it is a linked clone of template %d: made anew, it would need an image", volume.Base)
			}
		}
		disks[slot] = disk
	}
	if _, holder := d.spec.(*desired.DataVM); holder {
		for _, slot := range slots(disks) {
			if d.keep[desired.Path("disks").Sub(slot).Sub("size")] {
				disk := disks[slot]
				disk.Name = d.diskName(slot, disk, len(disks))
				disks[slot] = disk
				d.write(desired.Path("disks").Sub(slot).Sub("name"))
			}
		}
	}
}

// diskName is what references say: what the stamp remembers, the serial number
// that somebody gave the disk, or its slot.
func (d *doc) diskName(slot string, disk desired.Disk, disks int) string {
	if name := d.live.DiskNames[slot]; name != "" {
		return name
	}
	if name := valid(disk.Serial); name != "" {
		return name
	}
	if disks == 1 {
		return "data"
	}
	return slot
}

func (m *maker) ownVolume(d *doc, slot string, disk *desired.Disk) {
	path := desired.Path("disks").Sub(slot)
	store := disk.Storage
	class, known := m.words.classes[store]
	if known {
		disk.Storage = class
	}
	d.write(path.Sub("size"))
	d.choose(path.Sub("storage"), !known || len(m.site.Storage) > 1)
	gives := m.site.Storage[class]
	scsi := strings.HasPrefix(slot, "scsi")
	drive := d.live.Kind == desired.KindVM
	for _, f := range []struct {
		word      string
		has, give bool
		can       bool
	}{
		{"ssd", disk.SSD, gives.SSD, drive && !firmware(slot) && !strings.HasPrefix(slot, "virtio")},
		{"discard", disk.Discard, gives.Discard, drive && !firmware(slot)},
		{"iothread", disk.IOThread, gives.IOThread, drive && (scsi || strings.HasPrefix(slot, "virtio"))},
	} {
		d.choose(path.Sub(f.word), f.can && f.has != f.give)
	}
	if gives.Cache != "" && !firmware(slot) {
		d.choose(path.Sub("cache"), disk.Cache != gives.Cache)
	}
	usual := "raw"
	if slices.Contains([]string{"dir", "nfs", "cifs", "glusterfs", "btrfs"}, m.storeType(store)) && drive {
		usual = "qcow2"
	}
	d.choose(path.Sub("format"), drive && !firmware(slot) && disk.Format != usual && gives.Format == "")
	if gives.Format != "" && drive && !firmware(slot) {
		d.choose(path.Sub("format"), disk.Format != gives.Format)
	}
}

func (m *maker) storeType(name string) string {
	for _, s := range m.survey.Stores {
		if s.Name == name {
			return s.Type
		}
	}
	return ""
}

// foreignVolume writes a reference to a data VM's disk, or leaves the slot out.
func (m *maker) foreignVolume(d *doc, slot string, disk *desired.Disk, volume proxmox.Volume) {
	path := desired.Path("disks").Sub(slot)
	holder, at := m.holderOf(volume)
	if holder == "" {
		d.dropWithin(path)
		d.leave(slot, "%s", m.whose(volume))
		return
	}
	for _, word := range []string{"size", "storage", "format", "image", "backup"} {
		d.choose(path.Sub(word), false)
	}
	disk.Volume = holder + "/" + at
	disk.Size, disk.Storage, disk.Format = 0, "", ""
	d.write(path.Sub("volume"))
}

// holderOf finds the data VM, and the disk's name there, whose volume it is.
func (m *maker) holderOf(volume proxmox.Volume) (holder, disk string) {
	for _, d := range m.docs {
		spec, ok := d.spec.(*desired.DataVM)
		if !ok || d.live.VMID != volume.Owner {
			continue
		}
		for _, slot := range slots(spec.Disks) {
			if d.live.Volumes[slot].ID == volume.ID {
				return d.name, d.diskName(slot, spec.Disks[slot], len(spec.Disks))
			}
		}
	}
	if m.before == nil {
		return "", ""
	}
	for _, r := range m.before.Resources {
		spec, ok := r.Spec.(*desired.DataVM)
		if !ok || spec.VMID != volume.Owner || r.Site != m.site.Name {
			continue
		}
		for _, g := range m.survey.Guests {
			for _, slot := range slots(g.Volumes) {
				if g.VMID == spec.VMID && g.Volumes[slot].ID == volume.ID && spec.Disks[slot].Name != "" {
					return r.ID.Name(), spec.Disks[slot].Name
				}
			}
		}
	}
	return "", ""
}

// whose says why a volume of another guest can't be referred to.
func (m *maker) whose(volume proxmox.Volume) string {
	if volume.Owner == 0 {
		return fmt.Sprintf("whose %s is can't be told: it is kept as it is", volume.ID)
	}
	for _, g := range m.survey.Guests {
		if g.VMID == volume.Owner {
			return fmt.Sprintf("%s is a disk of %s, which is no data VM of the manifests: it is kept as it is", volume.ID, g.What())
		}
	}
	return fmt.Sprintf("%s belongs to VMID %d, which the token does not see, or which is gone: it is kept as it is", volume.ID, volume.Owner)
}
