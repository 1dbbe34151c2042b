package proxmox

import (
	"cmp"

	"berth/desired"
)

// mountSerial is the serial number by which a seed finds a disk that it mounts.
// Only a SCSI disk has one of its own, and not in every version of QEMU.
func mountSerial(slot string, d desired.Disk) string { return cmp.Or(d.Serial, "berth-"+slot) }
