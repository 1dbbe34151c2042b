package proxmox

import (
	"maps"
	"slices"
	"strings"

	"berth/desired"
)

// storage names the class whose storage it is.
func (w *wording) storage(name, slot string) string {
	ask := w.asked().Disks[slot].Storage
	if ask == name || w.site.Storage[ask].Store == name {
		return ask
	}
	for _, class := range slices.Sorted(maps.Keys(w.site.Storage)) {
		if w.site.Storage[class].Store == name {
			return class
		}
	}
	return name
}

// disk reads a drive's or a volume's line.
func (w *wording) disk(slot, text string, g *found) desired.Disk {
	p := parseProps(volumeKey(g.kind), text)
	volid := p.value(volumeKey(g.kind))
	store, name, _ := strings.Cut(volid, ":")
	d := desired.Disk{
		Image: g.stamp.Images[slot], Size: parseSize(p.value("size")), Storage: w.storage(store, slot),
		Format: "raw", ReadOnly: flag(p.value("ro"), false), Replicate: flag(p.value("replicate"), true),
	}
	if strings.HasSuffix(name, ".qcow2") {
		d.Format = "qcow2"
	}
	if g.kind == desired.KindContainer {
		// The root is always in a backup, other volumes if asked for.
		d.Backup = flag(p.value("backup"), slot == rootfs)
		return d
	}
	d.Backup = flag(p.value("backup"), true)
	d.Discard = flag(p.value("discard"), false)
	d.SSD = flag(p.value("ssd"), false)
	d.IOThread = flag(p.value("iothread"), false)
	d.Cache = p.or("cache", "none")
	d.AIO = p.value("aio")
	d.Serial = p.value("serial")
	return d
}

const rootfs = "rootfs"

// volumeKey is the key that a drive's first part has by the schema.
func volumeKey(kind string) string {
	if kind == desired.KindContainer {
		return "volume"
	}
	return "file"
}

// diskSlot tells whether a key holds a disk.
func diskSlot(kind, key, value string) bool {
	stem := strings.TrimRight(key, "0123456789")
	numbered := stem != key
	if kind == desired.KindContainer {
		return key == rootfs || stem == "mp" && numbered
	}
	switch stem {
	case "scsi", "virtio", "sata", "ide":
		return numbered && parseProps("file", value).value("media") != "cdrom"
	case "efidisk", "tpmstate":
		return numbered
	}
	return false
}
