package pvesim

import (
	"strings"
	"sync"
)

// driveTable is what all buses have in common.
const driveTable = `
file str key req fmt=volume
volume alias2 alias=file
import-from str fmt=path
format str enum=raw|qcow|qed|qcow2|vmdk|cloop
size str fmt=disk
media str enum=cdrom|disk
cache str enum=none|writethrough|writeback|unsafe|directsync
discard str enum=ignore|on
backup bool
replicate bool
shared bool
snapshot bool
detect_zeroes bool
aio str enum=native|threads|io_uring
rerror str enum=ignore|report|stop
werror str enum=enospc|ignore|report|stop
trans str enum=none|lba|auto
serial str fmt=encoded
cyls int
heads int
secs int
bps int
bps_rd int
bps_wr int
iops int
iops_rd int
iops_wr int
iops_max int
iops_rd_max int
iops_wr_max int
mbps num
mbps_rd num
mbps_wr num
mbps_max num
mbps_rd_max num
mbps_wr_max num
bps_max_length int min=1
bps_rd_max_length int min=1
bps_wr_max_length int min=1
iops_max_length int min=1
iops_rd_max_length int min=1
iops_wr_max_length int min=1
bps_rd_length alias2 alias=bps_rd_max_length
bps_wr_length alias2 alias=bps_wr_max_length
iops_rd_length alias2 alias=iops_rd_max_length
iops_wr_length alias2 alias=iops_wr_max_length
`

// busTables are what one bus has and others have not.
var busTables = map[string]string{
	"ide":    "ssd bool\nmodel str fmt=encoded\nwwn str pat=wwn\n",
	"sata":   "ssd bool\nwwn str pat=wwn\n",
	"virtio": "iothread bool\nro bool\n",
	"scsi":   "ssd bool\niothread bool\nro bool\nscsiblock bool\nqueues int min=2\nwwn str pat=wwn\nproduct str pat=text16\nvendor str pat=text8\n",
}

var propTables = map[string]string{
	"efi":      "file str key req fmt=volume\nvolume alias2 alias=file\nformat str enum=raw|qcow|qed|qcow2|vmdk|cloop\nimport-from str fmt=path\nsize str fmt=disk\nefitype str enum=2m|4m\npre-enrolled-keys bool\nms-cert str enum=2011|2023|2023w|2023k",
	"tpm":      "file str key req fmt=volume\nvolume alias2 alias=file\nimport-from str fmt=path\nsize str fmt=disk\nversion str enum=v1.2|v2.0",
	"unused":   "file str key req fmt=volid\nvolume alias2 alias=file",
	"memory":   "current int key req min=16",
	"net":      "model str key req enum=" + netModels + "\nmacaddr str fmt=mac\nbridge str pat=word\nfirewall bool\nlink_down bool\nmtu int min=1 max=65520\nqueues int min=0 max=64\nrate num min=0\ntag int min=1 max=4094\ntrunks str pat=ranges\n",
	"vga":      "type str key enum=cirrus|qxl|qxl2|qxl3|qxl4|none|serial0|serial1|serial2|serial3|std|virtio|virtio-gl|vmware\nmemory int min=4 max=512\nclipboard str enum=vnc",
	"agent":    "enabled bool key req\nfreeze-fs-on-backup bool\nfstrim_cloned_disks bool\ntype str enum=virtio|isa",
	"ipconfig": "ip str fmt=ipv4cfg\ngw str fmt=ipv4 needs=ip\nip6 str fmt=ipv6cfg\ngw6 str fmt=ipv6 needs=ip6",
	"cpu":      "cputype str key\nhidden bool\nhv-vendor-id str pat=vendor\nflags str pat=flags\nphys-bits str pat=bits\nguest-phys-bits int min=32 max=64\nreported-model str pat=word",
	"numa":     "cpus str req pat=ranges\nhostnodes str pat=ranges\nmemory num\npolicy str enum=preferred|bind|interleave",
	"machine":  "type str key len=40 pat=machine\nviommu str enum=intel|virtio\nenable-s3 bool\nenable-s4 bool",
	"boot":     "legacy str key pat=legacy\norder str pat=devs",
	"hostpci":  "host str key pat=pci\nmapping str fmt=id\nrombar bool\nromfile str\npcie bool\nx-vga bool\nlegacy-igd bool\nmdev str\nvendor-id str pat=pciid\ndevice-id str pat=pciid\nsub-vendor-id str pat=pciid\nsub-device-id str pat=pciid",
	"usb":      "host str key pat=usbhost\nmapping str fmt=id\nusb3 bool",
	"virtiofs": "dirid str key req fmt=id\ncache str enum=auto|always|metadata|never\ndirect-io bool\nexpose-acl bool\nexpose-xattr bool",
	"audio":    "device str req enum=ich9-intel-hda|intel-hda|AC97\ndriver str enum=spice|none",
	"rng":      "source str key req enum=/dev/urandom|/dev/random|/dev/hwrng\nmax_bytes int\nperiod int",
	"ivshmem":  "size int req min=1\nname str pat=plain",
	"spice":    "foldersharing bool\nvideostreaming str enum=off|all|filter",
	"watchdog": "model str key enum=i6300esb|ib700\naction str enum=reset|shutdown|poweroff|pause|debug|none",
	"smbios":   "uuid str pat=uuid\nbase64 bool\nversion str\nserial str\nmanufacturer str\nproduct str\nsku str\nfamily str",
	"cicustom": "user str fmt=volid\nnetwork str fmt=volid\nmeta str fmt=volid\nvendor str fmt=volid",
}

var qemuProps = sync.OnceValue(func() map[string]*schema {
	var models strings.Builder
	for m := range strings.SplitSeq(netModels, "|") {
		models.WriteString(m + " alias alias=macaddr\n")
	}
	out := map[string]*schema{}
	for k, t := range propTables {
		if k == "net" {
			t += models.String()
		}
		out[k] = parseSchema(t, nil)
	}
	for k, t := range busTables {
		out[k] = parseSchema(driveTable+t, nil)
	}
	return out
})
