package proxmox

import (
	"cmp"
	"fmt"

	"berth/desired"
)

// newDrive is the line that allocates a drive. Sent twice it allocates twice
// (FACTS 6).
func (l *lines) newDrive(slot string, d desired.Disk) (string, error) {
	p := props{first: "file"}
	store := l.storeOf(d.Storage)
	if store == "" {
		return "", fmt.Errorf("disk %s has no storage", slot)
	}
	if d.Image != "" {
		image, err := l.image(d.Image)
		if err != nil {
			return "", err
		}
		p.set("file", store+":0")
		p.set("import-from", volid(image))
	} else {
		p.set("file", store+":"+gibibytes(d.Size))
	}
	p.set("format", cmp.Or(d.Format, l.usualFormat(store)))
	for _, part := range driveParts() {
		l.drivePart(&p, slot, part, d)
	}
	return p.String(), nil
}

// usualFormat is qcow2 where a storage keeps files, since only that can be
// snapshot there; "" leaves it to Proxmox.
func (l *lines) usualFormat(store string) string {
	switch l.plugins[store] {
	case "dir", "nfs", "cifs", "glusterfs":
		return "qcow2"
	}
	return ""
}

// driveParts are the manifest's words for what stands in a drive's line.
func driveParts() []string {
	return []string{"discard", "ssd", "iothread", "cache", "aio", "backup", "replicate", "serial", "readOnly"}
}

// drivePart writes one of the manifest's words into a drive's line.
func (l *lines) drivePart(p *props, slot, word string, d desired.Disk) {
	set := l.sets("disks." + slot + "." + word)
	yes := func(key, text string, on bool) {
		switch {
		case on:
			p.set(key, text)
		case set && p.value(key) != "":
			p.set(key, "")
		}
	}
	no := func(key string, on bool) {
		if set {
			p.set(key, map[bool]string{false: "0"}[on])
		}
	}
	text := func(key, value string) {
		if set || value != "" {
			p.set(key, value)
		}
	}
	switch word {
	case "discard":
		yes("discard", "on", d.Discard)
	case "ssd":
		yes("ssd", "1", d.SSD)
	case "iothread":
		yes("iothread", "1", d.IOThread)
	case "readOnly":
		yes("ro", "1", d.ReadOnly)
	case "cache":
		text("cache", d.Cache)
	case "aio":
		text("aio", d.AIO)
	case "serial":
		text("serial", d.Serial)
	case "backup":
		if l.kind == desired.KindContainer {
			yes("backup", "1", d.Backup)
			return
		}
		no("backup", d.Backup)
	case "replicate":
		no("replicate", d.Replicate)
	}
}

// newRoot is the line that allocates a container's root or volume.
func (l *lines) newRoot(slot string, d desired.Disk) (string, error) {
	store := l.storeOf(d.Storage)
	if store == "" || d.Size == 0 {
		return "", fmt.Errorf("disk %s needs a size and a storage", slot)
	}
	return store + ":" + gibibytes(d.Size), nil
}
