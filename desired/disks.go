package desired

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
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
			g.set.dropWithin(Path("disks").Sub(key))
			continue
		}
		d := g.Disks[key]
		l.checkDisk(g, key, &d)
		g.Disks[key] = d
	}
	if g.ct != nil && !g.cloned() && !g.adopted() {
		if _, ok := g.Disks["rootfs"]; !ok && !misplaced && !g.explained("disks", "rootfs") && !g.explained("", "disks") {
			l.standing(g, g.src, "disks.rootfs is missing")
		}
	}
	if g.vm != nil {
		l.checkBoot(g)
	}
}

// standing notes that nothing says what a container is made from. One that
// stands needs nothing: it may have been adopted, and adopt taken out since.
// One that does not is held when it is planned.
func (l *loader) standing(g *guest, src Source, what string) {
	if g.State != Absent {
		l.note(src, g.id, "%s: a container that stands is kept as it is, but none can be made: for a new one write {image: NAME, size: 8GiB}", what)
	}
}

// badSlot says what is wrong with the key of a disk.
func badSlot(g *guest, key string) string {
	if g.vm != nil && (key == slotEFI || key == slotTPM) {
		return ""
	}
	return badDrive(g, key)
}

// badDrive says why no drive, and no volume of a container, can be at a key.
func badDrive(g *guest, key string) string {
	slots := "scsi0 to scsi30, virtio0 to virtio15, sata0 to sata5 or ide0 to ide3"
	if g.ct != nil {
		if key == slotRoot {
			return ""
		}
		slots = "rootfs or mp0 to mp255"
	}
	if bus, n, ok := slot(key); !ok || n > mostDrives(g.ct != nil, bus) {
		return fmt.Sprintf("%s: no such slot: write %s", key, slots)
	}
	return ""
}

// mostDrives is the highest number of a slot on a bus; -1 where there is no such
// bus.
func mostDrives(container bool, bus string) int {
	switch {
	case container && bus == "mp":
		return 255
	case container:
	case bus == "scsi":
		return 30
	case bus == "virtio":
		return 15
	case bus == "sata":
		return 5
	case bus == "ide":
		return 3
	}
	return -1
}

// The slots that are there once.
const (
	slotRoot = "rootfs"
	slotEFI  = "efidisk0"
	slotTPM  = "tpmstate0"
)

// diskSort is what a disk is.
type diskSort uint8

const (
	// unknownDisk is one of which nothing, or something that can't be read, says
	// what it is.
	unknownDisk diskSort = iota
	// emptyDisk is made of a size alone; clonedDisk is a template's.
	emptyDisk
	imageDisk
	clonedDisk
	volumeDisk
	cdrom
	bindMount
	firmwareDisk
	absentDisk
)

// sortOf tells what a disk is.
func (g *guest) sortOf(key string, d *Disk) diskSort {
	switch {
	case d.State != "":
		return absentDisk
	case d.Volume != "":
		return volumeDisk
	case d.ISO != "":
		return cdrom
	case d.Bind != "":
		return bindMount
	case g.vm != nil && (key == slotEFI || key == slotTPM):
		return firmwareDisk
	case d.Image != "":
		return imageDisk
	case g.cloned() && key == g.bootSlot():
		return clonedDisk
	case d.Size != 0:
		return emptyDisk
	}
	return unknownDisk
}

// cloned tells whether a guest is made from a template, adopted whether it was
// made by somebody else.
func (g *guest) cloned() bool { return g.Clone.Template != "" || g.bad["clone"] }

func (g *guest) adopted() bool { return g.Adopt != (Adopt{}) || g.bad["adopt"] }

// bootSlot is where the disk is that a cloned guest boots from, as far as its
// manifest tells.
func (g *guest) bootSlot() string {
	if g.ct != nil {
		return slotRoot
	}
	for _, key := range g.vm.Boot {
		if badDrive(g, key) == "" {
			return key
		}
	}
	for _, key := range []string{"scsi0", "virtio0", "sata0", "ide0"} {
		if _, ok := g.Disks[key]; ok {
			return key
		}
	}
	return ""
}

func (l *loader) checkDisk(g *guest, key string, d *Disk) {
	at := Path("disks").Sub(key)
	sort := g.sortOf(key, d)
	if sort == volumeDisk {
		l.checkDriveWords(g, key, sort)
		l.checkVolume(g, key, d)
		return
	}
	if !l.checkOne(g, key, d, sort) {
		return
	}
	l.checkSort(g, key, d, sort)
	if d.Size != 0 && d.Size%MiB != 0 {
		l.wrong(g.item, g.at("disks", key, "size"), "%s.size: Proxmox takes whole MiB: write %s", at, (d.Size/MiB+1)*MiB)
	}
	if d.Serial != "" && !regexpSerial.MatchString(d.Serial) {
		l.wrong(g.item, g.at("disks", key, "serial"), "%s.serial: %q: write at most 20 letters, digits and . _ -", at, d.Serial)
	}
	l.checkDriveWords(g, key, sort)
	l.checkMount(g, key, d, sort)
	l.checkLimits(g, key, d.Limits)
	switch sort {
	case absentDisk, volumeDisk, cdrom, bindMount:
	case clonedDisk, unknownDisk:
		if d.Storage != "" || g.bad[at.Sub("size")] || g.bad[at.Sub("image")] {
			l.settleStorage(g, key, d)
		}
	default:
		l.settleStorage(g, key, d)
	}
	if d.Image != "" && sort != absentDisk {
		l.useImage(g, key, "image", d.Image)
	}
	if sort == cdrom && d.ISO != isoNone {
		l.useImage(g, key, "iso", d.ISO)
	}
}

// isoNone is an empty CD-ROM drive.
const isoNone = "none"

// checkSort checks that a disk is one thing, which can be where it is.
func (l *loader) checkSort(g *guest, key string, d *Disk, sort diskSort) {
	at := Path("disks").Sub(key)
	whole := g.key("disks", key)
	bus, _, _ := slot(key)
	noImage, noSize := g.explained(at, "image"), g.explained(at, "size")
	broken := g.bad[at] || g.bad[at.Sub("image")] || g.bad[at.Sub("size")]
	for _, word := range []string{"volume", "iso", "bind", "state"} {
		broken = broken || g.bad[at.Sub(word)]
	}
	switch {
	case sort == absentDisk && key == slotRoot:
		l.wrong(g.item, whole, "%s: a container can't be without it: write what it is, or state: absent at the guest", at)
	case sort == cdrom && g.vm != nil && !slices.Contains([]string{"ide", "sata", "scsi"}, bus):
		l.wrong(g.item, whole, "%s: a CD-ROM drive goes on ide, sata or scsi: write it as in ide2", at)
	case sort == bindMount && g.ct != nil && bus != "mp":
		l.wrong(g.item, whole, "%s: only a container's mount points can be directories of the node: write it as in mp0, or take bind out", at)
	case sort == bindMount && g.ct != nil && (!path.IsAbs(d.Bind) || path.Clean(d.Bind) != d.Bind || strings.ContainsAny(d.Bind, ",: \t\"'")):
		l.wrong(g.item, g.at("disks", key, "bind"), "%s.bind: %q: write a whole path on the node, as in /tank/media", at, d.Bind)
	case key == slotEFI && sort == firmwareDisk && g.vm.BIOS != "ovmf" && !g.bad["bios"] && !g.cloned():
		l.wrong(g.item, whole, "%s: only OVMF uses it: add bios: ovmf, or take it out", at)
	case sort != unknownDisk && sort != emptyDisk && sort != imageDisk, broken:
	case bus == "mp" && sort == imageDisk:
		l.wrong(g.item, g.at("disks", key, "image"), "%s.image: only rootfs is made from an image: write size for a new volume", at)
	case key == slotRoot && d.Image == "":
		if !noImage && !g.adopted() {
			l.standing(g, whole, string(at)+": image is missing")
		}
	case key == slotRoot && d.Size == 0:
		if !noSize {
			l.wrong(g.item, whole, "%s: size is missing: write it as in 8GiB", at)
		}
	case sort == unknownDisk && !noImage && !noSize && g.ct != nil:
		l.wrong(g.item, whole, "%s: nothing says what it is: write size (a new volume), volume (a DataVM's) or bind (a directory of the node)", at)
	case sort == unknownDisk && !noImage && !noSize:
		l.wrong(g.item, whole, "%s: nothing says what it is: write image (made from it) or size (an empty disk), or iso or volume", at)
	}
}

// checkOne refuses a disk that is two things, and an image where a clone brings
// its own; false if it is two.
func (l *loader) checkOne(g *guest, key string, d *Disk, sort diskSort) bool {
	at := Path("disks").Sub(key)
	first, one := "", true
	for _, word := range []struct{ name, value string }{{"image", d.Image}, {"volume", d.Volume}, {"iso", d.ISO}, {"bind", d.Bind}} {
		switch {
		case word.value == "" || sort == absentDisk:
		case first == "":
			first = word.name
		default:
			l.wrong(g.item, g.at("disks", key, word.name), "%s.%s: %s is there as well: a disk is one of them", at, word.name, first)
			one = false
		}
	}
	if d.Image != "" && g.Clone.Template != "" && key == g.bootSlot() {
		l.wrong(g.item, g.at("disks", key, "image"), "%s.image: the guest is cloned from %s, which brings this disk: take one of them out", at, g.Clone.Template)
	}
	return one
}

// checkBoot checks that what is booted from is there.
func (l *loader) checkBoot(g *guest) {
	var slots []string
	for _, key := range sortedKeys(g.Disks) {
		if g.Disks[key].State == "" && badDrive(g, key) == "" {
			slots = append(slots, key)
		}
	}
	for _, key := range sortedKeys(g.Networks) {
		if g.Networks[key].State == "" {
			slots = append(slots, key)
		}
	}
	for _, node := range g.items("boot") {
		if node.form != scalarForm || slices.Contains(slots, node.text) || g.bad[Path("disks").Sub(node.text)] {
			continue
		}
		if g.cloned() && badDrive(g, node.text) == "" && g.Disks[node.text].State == "" {
			continue // The template has it, or Proxmox will say so.
		}
		if _, there := g.Disks[node.text]; there && g.Disks[node.text].State == "" {
			l.wrong(g.item, node.src(), "boot: %s is no drive to start from: take it out", node.text)
			continue
		}
		if len(slots) == 0 {
			l.wrong(g.item, node.src(), "boot: the guest has no %s: give it disks or networks, or take boot out", node.text)
			continue
		}
		l.wrong(g.item, node.src(), "boot: the guest has no %s: write %s", node.text, oneOf(slots))
	}
	if g.vm.CPU.NUMA && g.vm.CPU.Sockets == 1 {
		l.note(g.at("cpu", "numa"), g.id, "cpu.numa: with one socket it changes nothing")
	}
}
