package desired

import "slices"

// checkDriveWords refuses what a sort of disks, or the bus that it is on, does
// not have.
func (l *loader) checkDriveWords(g *guest, key string, sort diskSort) {
	t := g.merged.find("disks", key)
	if t == nil {
		return
	}
	for _, e := range t.entries {
		if complaint := g.refuses(key, e.key, sort); complaint != "" {
			l.wrong(g.item, e.value.src(), "%s.%s: %s", Path("disks").Sub(key), e.key, complaint)
		}
	}
}

// whatWords say what a disk is; [loader.checkOne] keeps them apart.
func whatWord(word string) bool {
	return slices.Contains([]string{"image", "volume", "iso", "bind", "state"}, word)
}

// refuses says why a disk can't have a word; "" if it can. What a volume can
// have is its DataVM's to say.
func (g *guest) refuses(key, word string, sort diskSort) string {
	switch {
	case sort == absentDisk && word != "state":
		return "is of a disk that is there, and state says absent: keep one of them"
	case g.data && (whatWord(word) || word == "name" || word == "secureBoot"):
		return "" // The DataVM's own check tells.
	case sort == volumeDisk && slices.Contains([]string{"size", "storage", "format", "name", "secureBoot"}, word):
		return "" // The volume's own check tells.
	case word == "name":
		return "only a DataVM's disks have one: take it out"
	case word == "iso" && g.ct != nil:
		return "a container has no CD-ROM drive: take it out"
	case word == "bind" && g.vm != nil:
		return "only a container can have a directory of the node: take it out"
	case whatWord(word) || word == "name":
		return ""
	}
	switch sort {
	case cdrom:
		return "a CD-ROM drive has none: take it out"
	case bindMount:
		if slices.Contains([]string{"mount", "options", "readOnly"}, word) {
			return ""
		}
		return "a directory of the node has none: take it out"
	case firmwareDisk:
		return refusedByFirmware(key, word)
	case clonedDisk:
		if g.Clone.Linked && (word == "storage" || word == "format") {
			return "a linked clone's disk is where the template's is: take it out, or linked: true"
		}
	case volumeDisk, unknownDisk, emptyDisk, imageDisk, absentDisk:
	}
	if word == "secureBoot" {
		return "is efidisk0's: write it there"
	}
	bus, _, _ := slot(key)
	switch {
	case driveHas(g, bus, word):
		return ""
	case g.ct != nil && bus == slotRoot && word == "mount":
		return "rootfs is always at /: take it out"
	case g.ct != nil && bus == slotRoot && word == "backup":
		return "rootfs is in every backup: take it out"
	case g.ct != nil:
		return "a container's volume has none: take it out"
	}
	return bus + " drives have none: take it out, or use a scsi slot"
}

func refusedByFirmware(key, word string) string {
	switch {
	case word == "storage":
		return ""
	case word == "size":
		return "Proxmox makes it as large as it must be: take it out"
	case key == slotTPM:
		return "the TPM's disk has storage alone: take it out"
	case word == "format" || word == "secureBoot":
		return ""
	}
	return "the EFI disk has storage, format and secureBoot alone: take it out"
}

// driveHas tells which words a drive, or a container's volume, can have (Proxmox
// VE 8.4's own schema of drives and volumes).
func driveHas(g *guest, bus, word string) bool {
	if g.ct != nil {
		switch word {
		case "size", "storage", "readOnly", "replicate", "options":
			return true
		case "mount", "backup":
			return bus == "mp"
		}
		return false
	}
	switch {
	case bus == "efidisk" || bus == "tpmstate":
		return word == "storage" || word == "format" && bus == "efidisk"
	case word == "iothread" || word == "readOnly":
		return bus == "scsi" || bus == "virtio"
	case word == "ssd":
		return bus != "virtio"
	}
	return true
}

// checkLimits checks that nothing is less than nothing.
func (l *loader) checkLimits(g *guest, key string, limits Limits) {
	for _, n := range []struct {
		word  string
		value int64
	}{{"read", int64(limits.Read)}, {"write", int64(limits.Write)}, {"readOps", int64(limits.ReadOps)}, {"writeOps", int64(limits.WriteOps)}} {
		if n.value < 0 {
			l.wrong(g.item, g.at("disks", key, "limits", n.word), "disks.%s.limits.%s: %d is less than nothing: write 0 for no limit", key, n.word, n.value)
		}
	}
}

// checkMount checks what is said of the file system on a disk.
func (l *loader) checkMount(g *guest, key string, d *Disk, sort diskSort) {
	at := Path("disks").Sub(key)
	bus, _, _ := slot(key)
	if bus == "mp" && d.Mount == "" && (sort == emptyDisk || sort == bindMount) && !g.explained(at, "mount") {
		l.wrong(g.item, g.key("disks", key), "%s: mount is missing: write where the container has it, as in /srv", at)
	}
	switch {
	case sort == absentDisk || sort == cdrom || sort == firmwareDisk:
		return // What is said of it has been refused.
	case g.ct != nil:
		own := *d
		own.Label = ""
		if key == slotRoot {
			own.Mount = ""
		}
		l.containerOptions(g, key)
		l.checkVolumeMount(g.item, key, &own)
	default:
		l.checkVolumeMount(g.item, key, d)
	}
	if g.vm == nil || sort != emptyDisk && sort != imageDisk && sort != clonedDisk {
		return
	}
	l.checkSeeded(g, key, d, sort)
	if d.Mount != "" && d.Filesystem == "" {
		d.Filesystem = "ext4"
	}
}

// containerOptions checks the mount options of a container's volume: Proxmox lets
// it have these alone (Proxmox VE 8.4's own schema).
func (l *loader) containerOptions(g *guest, key string) {
	allowed := []string{"discard", "lazytime", "noatime", "nodev", "noexec", "nosuid"}
	for _, node := range g.items("disks", key, "options") {
		if node.form == scalarForm && regexpMountOption.MatchString(node.text) && node.text != "ro" && node.text != "rw" && !slices.Contains(allowed, node.text) {
			l.wrong(g.item, node.src(), "disks.%s.options: %q: Proxmox lets a container have %s", key, node.text, oneOf(allowed))
		}
	}
}

// checkSeeded checks that a seed can do what is asked for the file system of a
// virtual machine's own disk.
func (l *loader) checkSeeded(g *guest, key string, d *Disk, sort diskSort) {
	for _, word := range []string{"mount", "filesystem", "label", "options"} {
		path := Path("disks").Sub(key).Sub(word)
		if !g.has(path) {
			continue
		}
		src := g.at("disks", key, word)
		switch {
		case sort != emptyDisk:
			l.wrong(g.item, src, "%s: what is on this disk comes from its image or template, which mounts it: take it out", path)
		case g.vm.CloudInit == nil && !g.bad["cloudInit"]:
			l.wrong(g.item, src, "%s: the seed of cloudInit does this: add cloudInit: {}, or take it out", path)
		case g.vm.CloudInit != nil && g.vm.CloudInit.Native:
			l.wrong(g.item, src, "%s: Proxmox's own cloud-init drive can't do this: take it out, or cloudInit.native", path)
		case d.Mount == "" && !g.bad[Path("disks").Sub(key).Sub("mount")]:
			l.wrong(g.item, src, "%s: goes with mount: add it, or take this out", path)
		default:
			continue
		}
		return
	}
}

// mounts refuses two disks at one place of a guest.
func (l *loader) mounts(g *guest) {
	places := map[string]string{}
	for _, key := range sortedKeys(g.Disks) {
		d := g.Disks[key]
		if d.Mount == "" || d.State != "" {
			continue
		}
		if other, ok := places[d.Mount]; ok {
			l.wrong(g.item, g.at("disks", key), "disks.%s.mount: %s is there already (disks.%s, %s): choose another place", key, d.Mount, other, g.key("disks", other).place())
			continue
		}
		places[d.Mount] = key
	}
}
