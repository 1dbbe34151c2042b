package proxmox

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"berth/desired"
)

// newDrive is the line that allocates a drive. Sent twice it allocates twice
// (FACTS 6).
func (l *lines) newDrive(slot string, d desired.Disk) (string, error) {
	p := props{first: "file"}
	if d.ISO != "" {
		return l.newCDROM(d)
	}
	if d.Volume != "" {
		// It is there, and never allocated.
		if l.volumes[d.Volume] == "" {
			return "", fmt.Errorf("disk %s: which volume %s is was not found out", slot, d.Volume)
		}
		p.set("file", l.volumes[d.Volume])
		l.driveOptions(&p, slot, d)
		return p.String(), nil
	}
	store := l.storeOf(d.Storage)
	switch {
	case store == "":
		return "", fmt.Errorf("disk %s has no storage", slot)
	case slot == efi:
		// Proxmox decides the size and takes no notice of the one that is sent.
		p.set("file", store+":1")
		p.set("efitype", "4m")
		p.set("pre-enrolled-keys", bit(d.SecureBoot))
		p.set("format", l.usualFormat(store))
		return p.String(), nil
	case slot == tpm:
		return store + ":4,version=v2.0", nil
	case d.Image != "":
		image, err := l.image(d.Image)
		if err != nil {
			return "", err
		}
		p.set("file", store+":0")
		p.set("import-from", volid(image))
	default:
		p.set("file", store+":"+gibibytes(d.Size))
	}
	p.set("format", cmp.Or(d.Format, l.usualFormat(store)))
	l.driveOptions(&p, slot, d)
	return p.String(), nil
}

// driveOptions writes all that a manifest says of a new drive.
func (l *lines) driveOptions(p *props, slot string, d desired.Disk) {
	for _, part := range driveParts() {
		l.drivePart(p, slot, part, d)
	}
	if _, vm := l.want.Spec.(*desired.VM); vm && d.Mount != "" && p.value("serial") == "" {
		// The seed finds the disk by it.
		p.set("serial", mountSerial(slot, d))
	}
}

// newCDROM is the line of a CD-ROM drive.
func (l *lines) newCDROM(d desired.Disk) (string, error) {
	volume, err := l.iso(d)
	return volume + ",media=cdrom", err
}

// iso is the volume that shall lie in a CD-ROM drive.
func (l *lines) iso(d desired.Disk) (string, error) {
	if d.ISO == "none" {
		return d.ISO, nil
	}
	image, err := l.image(d.ISO)
	if err != nil {
		return "", err
	}
	return volid(image), nil
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
	return []string{
		"discard", "ssd", "iothread", "cache", "aio", "backup", "replicate", "serial", "readOnly",
		"limits.read", "limits.write", "limits.readOps", "limits.writeOps",
	}
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
		text("serial", url.QueryEscape(d.Serial))
	case "limits.read":
		p.set("bps_rd", "")
		text("mbps_rd", formatRate(d.Limits.Read))
	case "limits.write":
		p.set("bps_wr", "")
		text("mbps_wr", formatRate(d.Limits.Write))
	case "limits.readOps":
		text("iops_rd", positive(d.Limits.ReadOps))
	case "limits.writeOps":
		text("iops_wr", positive(d.Limits.WriteOps))
	case "mount":
		p.set("mp", d.Mount)
	case "options":
		p.set("mountoptions", strings.Join(slices.Sorted(slices.Values(d.MountOptions)), ";"))
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

// newVolume is the line that allocates a container's root or one of its mount
// points. Sent twice it allocates twice.
func (l *lines) newVolume(slot string, d desired.Disk) (string, error) {
	store := l.storeOf(d.Storage)
	if store == "" || d.Size == 0 {
		return "", fmt.Errorf("disk %s needs a size and a storage", slot)
	}
	p := props{first: "volume"}
	p.set("volume", store+":"+gibibytes(d.Size))
	for _, part := range []string{"mount", "options", "readOnly", "backup", "replicate"} {
		l.drivePart(&p, slot, part, d)
	}
	return p.String(), nil
}
