package proxmox

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// newDrive is the line that allocates a drive. Sent twice it allocates twice
// (FACTS 6).
func (l *lines) newDrive(slot string, d desired.Disk) (string, error) {
	p := notation.Props{First: "file"}
	if d.ISO != "" {
		return l.newCDROM(d)
	}
	if d.Volume != "" {
		// It is there, and never allocated.
		if l.volumes[d.Volume] == "" {
			return "", fmt.Errorf("disk %s: which volume %s is was not found out", slot, d.Volume)
		}
		p.Set("file", l.volumes[d.Volume])
		l.driveOptions(&p, slot, d)
		return p.String(), nil
	}
	store := l.storeOf(d.Storage)
	switch {
	case store == "":
		return "", fmt.Errorf("disk %s has no storage", slot)
	case slot == efi:
		// Proxmox decides the size and takes no notice of the one that is sent.
		p.Set("file", store+":1")
		p.Set("efitype", "4m")
		p.Set("pre-enrolled-keys", notation.Bit(d.SecureBoot))
		p.Set("format", l.usualFormat(store))
		return p.String(), nil
	case slot == tpm:
		return store + ":4,version=v2.0", nil
	case d.Image != "":
		image, err := l.image(d.Image)
		if err != nil {
			return "", err
		}
		p.Set("file", store+":0")
		p.Set("import-from", volid(image))
	default:
		p.Set("file", store+":"+notation.Gibibytes(d.Size))
	}
	p.Set("format", cmp.Or(d.Format, l.usualFormat(store)))
	l.driveOptions(&p, slot, d)
	return p.String(), nil
}

// driveOptions writes all that a manifest says of a new drive.
func (l *lines) driveOptions(p *notation.Props, slot string, d desired.Disk) {
	for _, part := range driveParts() {
		l.drivePart(p, slot, part, d)
	}
	if _, vm := l.want.Spec.(*desired.VM); vm && d.Mount != "" && p.Value("serial") == "" {
		// The seed finds the disk by it.
		p.Set("serial", mountSerial(slot, d))
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
func (l *lines) drivePart(p *notation.Props, slot, word string, d desired.Disk) {
	set := l.sets("disks." + slot + "." + word)
	yes := func(key, text string, on bool) {
		switch {
		case on:
			p.Set(key, text)
		case set && p.Value(key) != "":
			p.Set(key, "")
		}
	}
	no := func(key string, on bool) {
		if set {
			p.Set(key, map[bool]string{false: "0"}[on])
		}
	}
	text := func(key, value string) {
		if set || value != "" {
			p.Set(key, value)
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
		p.Set("bps_rd", "")
		text("mbps_rd", notation.FormatRate(d.Limits.Read))
	case "limits.write":
		p.Set("bps_wr", "")
		text("mbps_wr", notation.FormatRate(d.Limits.Write))
	case "limits.readOps":
		text("iops_rd", positive(d.Limits.ReadOps))
	case "limits.writeOps":
		text("iops_wr", positive(d.Limits.WriteOps))
	case "mount":
		p.Set("mp", d.Mount)
	case "options":
		p.Set("mountoptions", strings.Join(slices.Sorted(slices.Values(d.MountOptions)), ";"))
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
	p := notation.Props{First: "volume"}
	p.Set("volume", store+":"+notation.Gibibytes(d.Size))
	for _, part := range []string{"mount", "options", "readOnly", "backup", "replicate"} {
		l.drivePart(&p, slot, part, d)
	}
	return p.String(), nil
}
