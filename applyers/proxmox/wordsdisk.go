package proxmox

import (
	"cmp"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// storage names the class whose storage it is on the guest's node.
func (w *wording) storage(name, slot, node string) string {
	ask := w.asked().Disks[slot].Storage
	if ask == name || storeOn(w.site, ask, node) == name {
		return ask
	}
	for _, class := range slices.Sorted(maps.Keys(w.site.Storage)) {
		if storeOn(w.site, class, node) == name {
			return class
		}
	}
	return name
}

// disk reads a drive's or a volume's line.
func (w *wording) disk(slot, text string, g *found) desired.Disk {
	p := notation.Parse(volumeKey(g.kind), text)
	volid := p.Value(volumeKey(g.kind))
	if p.Value("media") == "cdrom" {
		return desired.Disk{ISO: w.iso(volid)}
	}
	if g.kind == desired.KindContainer {
		return w.volume(slot, p, g)
	}
	store, name, _ := strings.Cut(volid, ":")
	ask := w.asked().Disks[slot]
	d := desired.Disk{
		Name: g.stamp.Disks[slot], Volume: w.volumeOf(volid, g),
		Image: g.stamp.Images[slot], Size: notation.ParseSize(p.Value("size")), Storage: w.storage(store, slot, g.node), Format: "raw",
		ReadOnly: notation.Flag(p.Value("ro"), false), Replicate: notation.Flag(p.Value("replicate"), true), Backup: notation.Flag(p.Value("backup"), true),
		Discard: notation.Flag(p.Value("discard"), false), SSD: notation.Flag(p.Value("ssd"), false), IOThread: notation.Flag(p.Value("iothread"), false),
		Cache: p.Or("cache", "none"), AIO: p.Value("aio"), Serial: p.Value("serial"), Limits: parseLimits(p),
	}
	if strings.HasSuffix(name, ".qcow2") {
		d.Format = "qcow2"
	}
	if plain, err := url.PathUnescape(d.Serial); err == nil && utf8.ValidString(plain) {
		d.Serial = plain // Bytes that are no text stay as they are written.
	}
	if firmware(slot) {
		// Proxmox decides how large these are, and what they are kept as.
		d.Size, d.Format = ask.Size, ask.Format
		d.SecureBoot = notation.Flag(p.Value("pre-enrolled-keys"), false)
	}
	return d
}

// volume reads a container's volume, or a directory of the node that it shows.
func (w *wording) volume(slot string, p notation.Props, g *found) desired.Disk {
	volid := p.Value("volume")
	d := desired.Disk{
		ReadOnly: notation.Flag(p.Value("ro"), false), Replicate: notation.Flag(p.Value("replicate"), true),
		// The root is always in a backup, other volumes if asked for.
		Backup: notation.Flag(p.Value("backup"), slot == rootfs),
		Mount:  p.Value("mp"),
	}
	if ask := w.asked().Disks[slot].Mount; ask != "" && path.Clean(ask) == path.Clean(d.Mount) {
		d.Mount = ask
	}
	d.MountOptions = strings.FieldsFunc(p.Value("mountoptions"), func(r rune) bool { return r == ';' })
	if strings.HasPrefix(volid, "/") {
		d.Bind = volid
		if ask := w.asked().Disks[slot].Bind; ask != "" && path.Clean(ask) == path.Clean(volid) {
			d.Bind = ask
		}
		return d
	}
	store, _, _ := strings.Cut(volid, ":")
	d.Image, d.Size, d.Storage, d.Format = g.stamp.Images[slot], notation.ParseSize(p.Value("size")), w.storage(store, slot, g.node), "raw"
	return d
}

// iso names the image in a CD-ROM drive, or the volume where no manifest knows
// it; "none" for an empty drive.
func (w *wording) iso(volume string) string {
	if volume == "none" || volume == "" {
		return "none"
	}
	for _, r := range w.fleet.Resources {
		if image, ok := r.Spec.(*desired.ImageAt); ok && r.Site == w.site.Name && volid(image) == volume {
			return image.Name
		}
	}
	// One that no drive asks for any more is not on its way to the site, but known.
	store, file, _ := strings.Cut(volume, ":iso/")
	for _, name := range slices.Sorted(maps.Keys(w.fleet.Images)) {
		image := w.fleet.Images[name]
		if cmp.Or(image.File, name+".iso") == file && storeOn(w.site, cmp.Or(image.Storage, w.site.Images), "") == store {
			return name
		}
	}
	return volume
}

// parseLimits reads what a drive may do at most. Proxmox's megabytes are of 1024
// times 1024 bytes (qemu-server, print_drivedevice_full); bytes may stand there
// instead.
func parseLimits(p notation.Props) desired.Limits {
	rate := func(word string) desired.Rate {
		if text := p.Value("mbps_" + word); text != "" {
			return notation.ParseRate(text)
		}
		return desired.Rate(notation.Whole(p.Value("bps_"+word), 0))
	}
	return desired.Limits{
		Read: rate("rd"), Write: rate("wr"), ReadOps: notation.Whole(p.Value("iops_rd"), 0), WriteOps: notation.Whole(p.Value("iops_wr"), 0),
	}
}

const (
	rootfs = "rootfs"
	efi    = "efidisk0"
	tpm    = "tpmstate0"
)

// firmware tells whether a slot holds what the firmware keeps, of which Proxmox
// itself decides the size.
func firmware(slot string) bool { return slot == efi || slot == tpm }

// volumeKey is the key that a drive's first part has by the schema.
func volumeKey(kind string) string {
	if kind == desired.KindContainer {
		return "volume"
	}
	return "file"
}

// diskSlot tells whether a key holds a disk.
func diskSlot(kind, key, value string) bool {
	return driveSlot(kind, key) && (kind == desired.KindContainer || notation.Lookup("file", value, "media") != "cdrom")
}

// cdromSlot tells whether a key holds a CD-ROM drive that a manifest may speak
// of: Proxmox's own cloud-init drive is none.
func cdromSlot(kind, key, value string) bool {
	return kind == desired.KindVM && driveSlot(kind, key) && !diskSlot(kind, key, value) && !nativeDrive(value)
}

// nativeDrive tells whether a line is Proxmox's own cloud-init drive.
func nativeDrive(value string) bool {
	_, name, _ := strings.Cut(notation.Lookup("file", value, "file"), ":")
	return strings.Contains(name[strings.LastIndexByte(name, '/')+1:], "cloudinit")
}

// driveSlot tells whether a key is that of a drive, or of a container's volume.
func driveSlot(kind, key string) bool {
	stem := key
	for stem != "" && stem[len(stem)-1] >= '0' && stem[len(stem)-1] <= '9' {
		stem = stem[:len(stem)-1]
	}
	numbered := stem != key
	if kind == desired.KindContainer {
		return key == rootfs || stem == "mp" && numbered
	}
	switch stem {
	case "scsi", "virtio", "sata", "ide":
		return numbered
	}
	return firmware(key)
}
