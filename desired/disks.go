package desired

import (
	"fmt"
	"regexp"
	"slices"
)

// regexpSerial is what a drive's serial number may be: it stands in a list of
// Proxmox's that commas part.
var regexpSerial = regexp.MustCompile(`^[A-Za-z0-9._-]{1,20}$`)

// checkDisks checks the disks, and lets flow into them what their storage
// classes give.
func (l *loader) checkDisks(g *guest) {
	misplaced := false
	for _, key := range sortedKeys(g.Disks) {
		if complaint := badSlot(g, key); complaint != "" {
			l.wrong(g.item, g.key("disks", key), "disks.%s", complaint)
			misplaced = true
			delete(g.Disks, key)
			for path := range g.set {
				if path.Within(Path("disks").Sub(key)) {
					delete(g.set, path)
				}
			}
			continue
		}
		d := g.Disks[key]
		l.checkDisk(g, key, &d)
		g.Disks[key] = d
	}
	if g.ct != nil {
		if _, ok := g.Disks["rootfs"]; !ok && !misplaced && !g.explained("disks", "rootfs") && !g.explained("", "disks") {
			l.wrong(g.item, g.src, "disks.rootfs is missing: a container needs one, as in {image: NAME, size: 8GiB}")
		}
	}
	if g.vm != nil {
		l.checkBoot(g)
	}
}

// badSlot says what is wrong with the key of a disk.
func badSlot(g *guest, key string) string {
	bus, n, ok := slot(key)
	most := map[string]int{"scsi": 30, "virtio": 15, "sata": 5, "ide": 3}
	slots := "scsi0 to scsi30, virtio0 to virtio15, sata0 to sata5 or ide0 to ide3"
	if g.ct != nil {
		if key == "rootfs" {
			return ""
		}
		most, slots = map[string]int{"mp": 255}, "rootfs or mp0 to mp255"
	} else if key == "efidisk0" || key == "tpmstate0" {
		return key + ": EFI and TPM disks are not built yet: use bios: seabios and leave it out"
	}
	if limit, known := most[bus]; !ok || !known || n > limit {
		return fmt.Sprintf("%s: no such slot: write %s", key, slots)
	}
	return ""
}

func (l *loader) checkDisk(g *guest, key string, d *Disk) {
	at := Path("disks").Sub(key)
	whole := g.key("disks", key)
	bus, _, _ := slot(key)
	if d.Volume != "" {
		l.checkDriveWords(g, key, bus)
		l.checkVolume(g, key, d)
		return
	}
	// What the language has and this version can't do has been reported; what is
	// missing beside it is not worth a second line.
	unbuilt := d.ISO != "" || d.Bind != "" || d.State != ""
	noImage, noSize := g.explained(at, "image"), g.explained(at, "size")
	broken := g.bad[at] || g.bad[at.Sub("image")] || g.bad[at.Sub("size")]
	switch {
	case unbuilt || broken:
	case g.ct != nil && key == "rootfs" && d.Image == "" && noImage:
	case g.ct != nil && key == "rootfs" && d.Image == "":
		l.wrong(g.item, whole, "%s: image is missing: a container is made from one", at)
	case g.ct != nil && key == "rootfs" && d.Size == 0 && noSize:
	case g.ct != nil && key == "rootfs" && d.Size == 0:
		l.wrong(g.item, whole, "%s: size is missing: write it as in 8GiB", at)
	case bus == "mp" && d.Mount == "" && !g.explained(at, "mount"):
		l.wrong(g.item, whole, "%s: mount is missing, and mount points are not built yet: make rootfs larger instead", at)
	case d.Image == "" && d.Size == 0 && !noImage && !noSize:
		l.wrong(g.item, whole, "%s: nothing says what it is: write image (made from it) or size (an empty disk)", at)
	}
	if d.Size != 0 && d.Size%MiB != 0 {
		l.wrong(g.item, g.at("disks", key, "size"), "%s.size: Proxmox takes whole MiB: write %s", at, (d.Size/MiB+1)*MiB)
	}
	if d.Serial != "" && !regexpSerial.MatchString(d.Serial) {
		l.wrong(g.item, g.at("disks", key, "serial"), "%s.serial: %q: write at most 20 letters, digits and . _ -", at, d.Serial)
	}
	l.checkDriveWords(g, key, bus)
	if !unbuilt {
		l.settleStorage(g, key, bus, d)
	}
	if d.Image != "" {
		l.useImage(g, key, d.Image)
	}
}

// checkDriveWords refuses what a bus, or a container, does not have.
func (l *loader) checkDriveWords(g *guest, key, bus string) {
	for _, word := range []string{"format", "discard", "ssd", "iothread", "cache", "aio", "serial", "readOnly"} {
		path := Path("disks").Sub(key).Sub(word)
		if _, set := g.set[path]; !set || driveHas(g, bus, word) {
			continue
		}
		src := g.at("disks", key, word)
		if g.ct != nil {
			l.wrong(g.item, src, "%s: a container's volume has none: take it out", path)
		} else {
			l.wrong(g.item, src, "%s: %s drives have none: take it out, or use a scsi slot", path, bus)
		}
	}
}

// driveHas tells which options a drive can have (Proxmox VE 8.4's own schema of
// drives and volumes).
func driveHas(g *guest, bus, word string) bool {
	if g.ct != nil {
		return word == "readOnly"
	}
	switch word {
	case "iothread", "readOnly":
		return bus == "scsi" || bus == "virtio"
	case "ssd":
		return bus != "virtio"
	}
	return true
}

// settleStorage finds the disk's storage class and lets its defaults flow in.
func (l *loader) settleStorage(g *guest, key, bus string, d *Disk) {
	if g.site == nil {
		return
	}
	at := Path("disks").Sub(key)
	layer := KindSite + "/" + g.site.name
	classes := sortedKeys(g.site.Storage)
	if d.Storage == "" && !g.bad[at.Sub("storage")] && !g.bad[at] && !g.site.bad["storage"] {
		if len(classes) != 1 {
			if g.explained(at, "storage") {
				return
			}
			l.wrong(g.item, g.key("disks", key), "%s: storage is missing: %s", at, chooseStorage(g.site.name, classes))
			return
		}
		d.Storage = classes[0]
		src := g.site.key("storage", classes[0])
		src.Layer = layer
		g.set[at.Sub("storage")] = src
	}
	class, ok := g.site.Storage[d.Storage]
	if !ok {
		l.checkStore(g, key, d.Storage, classes)
		return
	}
	flow := func(word string, set func()) {
		src, given := class.Set[Path(word)]
		if !given || g.has(at.Sub(word)) || !driveHas(g, bus, word) || g.takenOut("disks", key, word) {
			return
		}
		set()
		g.set[at.Sub(word)] = src
	}
	flow("ssd", func() { d.SSD = class.SSD })
	flow("discard", func() { d.Discard = class.Discard })
	flow("iothread", func() { d.IOThread = class.IOThread })
	flow("cache", func() { d.Cache = class.Cache })
	flow("format", func() { d.Format = class.Format })
}

func chooseStorage(site string, classes []string) string {
	if len(classes) == 0 {
		return "write the Proxmox storage, or give site " + site + " a class"
	}
	return "write " + oneOf(classes)
}

// checkStore lets a Proxmox storage by its own name pass, unless it looks like
// a class that was mistyped.
func (l *loader) checkStore(g *guest, key, name string, classes []string) {
	if name == "" || g.site.bad["storage"] || g.site.bad[Path("storage").Sub(name)] {
		return
	}
	path := Path("disks").Sub(key).Sub("storage")
	src := g.at("disks", key, "storage")
	for _, c := range classes {
		if g.site.Site.Storage[c].Store == name {
			return
		}
	}
	if len(nearest(name, classes)) > 0 {
		candidates := make([]candidate, len(classes))
		for i, c := range classes {
			candidates[i] = candidate{c, g.site.key("storage", c)}
		}
		l.wrong(g.item, src, "%s: %s", path, missing("storage class", name, candidates))
		return
	}
	if !regexpStore.MatchString(name) {
		l.wrong(g.item, src, "%s: %q is no storage's name: %s", path, name, chooseStorage(g.site.name, classes))
	}
}

// checkBoot checks that what is booted from is there.
func (l *loader) checkBoot(g *guest) {
	slots := append(sortedKeys(g.Disks), sortedKeys(g.Networks)...)
	for _, node := range g.items("boot") {
		if node.form != scalarForm || slices.Contains(slots, node.text) || g.bad[Path("disks").Sub(node.text)] {
			continue
		}
		if len(slots) == 0 {
			l.wrong(g.item, node.src, "boot: the guest has no %s: give it disks or networks, or take boot out", node.text)
			continue
		}
		l.wrong(g.item, node.src, "boot: the guest has no %s: write %s", node.text, oneOf(slots))
	}
	if g.vm.CPU.NUMA && g.vm.CPU.Sockets == 1 {
		l.note(g.at("cpu", "numa"), g.id, "cpu.numa: with one socket it changes nothing")
	}
}
