package pvesim

import (
	"slices"
	"strings"
	"sync"
)

// driveTable is shared by all buses; which keys a bus refuses is of no use to a
// client that writes what it read.
const driveTable = `
file str key req fmt=volume
volume alias alias=file
import-from str
format str enum=raw|qcow|qed|qcow2|vmdk|cloop
size str fmt=disk
media str enum=cdrom|disk
cache str enum=none|writethrough|writeback|unsafe|directsync
discard str enum=ignore|on
ssd bool
iothread bool
backup bool
replicate bool
ro bool
shared bool
snapshot bool
detect_zeroes bool
scsiblock bool
aio str enum=native|threads|io_uring
rerror str enum=ignore|report|stop
werror str enum=enospc|ignore|report|stop
trans str enum=none|lba|auto
serial str fmt=encoded len=60
model str fmt=encoded len=120
wwn str
product str
vendor str
queues int min=2
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
`

const netModels = "e1000|e1000-82540em|e1000-82544gc|e1000-82545em|e1000e|i82551|i82557b|i82559er|ne2k_isa|ne2k_pci|pcnet|rtl8139|virtio|vmxnet3"

const qemuTable = `
name str fmt=dns
description str len=8192
tags str fmt=tags-list
onboot bool
startup str fmt=startup
protection bool
template bool
lock str enum=backup|clone|create|migrate|rollback|snapshot|snapshot-delete|suspending|suspended
ostype str enum=other|wxp|w2k|w2k3|w2k8|wvista|win7|win8|win10|win11|l24|l26|solaris
cores int min=1
sockets int min=1
vcpus int min=1
smp int min=1
cpu str fmt=cpu
cpulimit num min=0 max=128
cpuunits int min=1 max=262144
numa bool
numa[8] str
memory str prop=memory
balloon int min=0
shares int min=0 max=50000
hugepages str enum=any|2|1024
keephugepages bool
affinity str
acpi bool
kvm bool
tablet bool
tdf bool
freeze bool
localtime bool
reboot bool
autostart bool
startdate str
bios str enum=seabios|ovmf
machine str
arch str enum=x86_64|aarch64
args str
amd-sev str
scsihw str enum=lsi|lsi53c810|virtio-scsi-pci|virtio-scsi-single|megasas|pvscsi
boot str
bootdisk str
cdrom str
ide[4] str prop=drive
sata[6] str prop=drive
scsi[31] str prop=drive
virtio[16] str prop=drive
efidisk0 str prop=efi
tpmstate0 str prop=tpm
unused[256] str prop=unused
net[32] str prop=net
hostpci[16] str
usb[14] str
serial[4] str fmt=serial
parallel[3] str
virtiofs[10] str
audio0 str
rng0 str
ivshmem str
vga str prop=vga
keyboard str
spice_enhancements str
watchdog str
agent str prop=agent
hotplug str
hookscript str fmt=volid
vmstatestorage str
vmgenid str
smbios1 str len=512
migrate_downtime num min=0
migrate_speed int min=0
citype str enum=configdrive2|nocloud|opennebula
ciuser str
cipassword str
ciupgrade bool
cicustom str
searchdomain str
nameserver str fmt=address-list
sshkeys str fmt=encoded
ipconfig[32] str prop=ipconfig
`

// qemuOptions is the table of a VM's options.
var qemuOptions = sync.OnceValue(func() *schema { return parseSchema(qemuTable, qemuProps()) })

var qemuProps = sync.OnceValue(func() map[string]*schema {
	var models strings.Builder
	for m := range strings.SplitSeq(netModels, "|") {
		models.WriteString(m + " alias alias=macaddr\n")
	}
	tables := map[string]string{
		"drive":  driveTable,
		"efi":    "file str key req fmt=volume\nvolume alias2 alias=file\nformat str enum=raw|qcow|qed|qcow2|vmdk|cloop\nimport-from str\nsize str fmt=disk\nefitype str enum=2m|4m\npre-enrolled-keys bool\nms-cert str enum=2011|2023|2023w|2023k",
		"tpm":    "file str key req fmt=volume\nvolume alias2 alias=file\nimport-from str\nsize str fmt=disk\nversion str enum=v1.2|v2.0",
		"unused": "file str key req fmt=volid\nvolume alias2 alias=file",
		"memory": "current int key req min=16",
		"net": "model str key req enum=" + netModels + "\nmacaddr str fmt=mac\nbridge str\nfirewall bool\nlink_down bool\nmtu int min=1 max=65520\nqueues int min=0 max=64\nrate num min=0\ntag int min=1 max=4094\ntrunks str\n" +
			models.String(),
		"vga":      "type str key enum=cirrus|qxl|qxl2|qxl3|qxl4|none|serial0|serial1|serial2|serial3|std|virtio|virtio-gl|vmware\nmemory int min=4 max=512\nclipboard str enum=vnc",
		"agent":    "enabled bool key req\nfreeze-fs-on-backup bool\nfstrim_cloned_disks bool\ntype str enum=virtio|isa",
		"ipconfig": "ip str fmt=ipv4cfg\ngw str fmt=ipv4\nip6 str fmt=ipv6cfg\ngw6 str fmt=ipv6",
	}
	out := map[string]*schema{}
	for k, t := range tables {
		if k == "drive" {
			t = strings.Replace(t, "volume alias ", "volume alias2 ", 1)
		}
		out[k] = parseSchema(t, nil)
	}
	return out
})

var driveKeys = sync.OnceValue(func() []string {
	var keys []string
	for _, bus := range []struct {
		name string
		n    int
	}{{"ide", 4}, {"scsi", 31}, {"virtio", 16}, {"sata", 6}} {
		for i := range bus.n {
			keys = append(keys, bus.name+itoa(i))
		}
	}
	return append(keys, "efidisk0", "tpmstate0")
})

var driveSet = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, k := range driveKeys() {
		m[k] = true
	}
	return m
})

func isDrive(key string) bool { return driveSet()[key] }

// fastPlug are the options that a running VM takes at once; those of cloud-init
// are among them (FACTS 5).
var fastPlug = []string{"name", "description", "onboot", "startup", "protection", "tags", "lock", "hookscript", "shares", "migrate_downtime", "migrate_speed", "vmstatestorage"}

var cloudInit = []string{"citype", "ciuser", "cipassword", "ciupgrade", "cicustom", "searchdomain", "nameserver", "sshkeys"}

func isCloudInit(key string) bool {
	return slices.Contains(cloudInit, key) || strings.HasPrefix(key, "ipconfig")
}

func isFastPlug(key string) bool { return slices.Contains(fastPlug, key) || isCloudInit(key) }
