package pvesim

import (
	"slices"
	"strings"
	"sync"
)

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
cpu str prop=cpu fmt=cpu
cpulimit num min=0 max=128
cpuunits int min=1 max=262144
numa bool
numa[8] str prop=numa
memory str prop=memory
balloon int min=0
shares int min=0 max=50000
hugepages str enum=any|2|1024
keephugepages bool
affinity str fmt=cpuset
acpi bool
kvm bool
tablet bool
tdf bool
freeze bool
localtime bool
reboot bool
autostart bool
startdate str pat=date
bios str enum=seabios|ovmf
machine str prop=machine
arch str enum=x86_64|aarch64
args str
amd-sev str
scsihw str enum=lsi|lsi53c810|virtio-scsi-pci|virtio-scsi-single|megasas|pvscsi
boot str prop=boot
bootdisk str pat=bootdev
cdrom str prop=ide
ide[4] str prop=ide
sata[6] str prop=sata
scsi[31] str prop=scsi
virtio[16] str prop=virtio
efidisk0 str prop=efi
tpmstate0 str prop=tpm
unused[256] str prop=unused
net[32] str prop=net
hostpci[16] str prop=hostpci
usb[14] str prop=usb
serial[4] str pat=serial
parallel[3] str pat=port
virtiofs[10] str prop=virtiofs
audio0 str prop=audio
rng0 str prop=rng
ivshmem str prop=ivshmem
vga str prop=vga
keyboard str enum=de|de-ch|da|en-gb|en-us|es|fi|fr|fr-be|fr-ca|fr-ch|hu|is|it|ja|lt|mk|nl|no|pl|pt|pt-br|sv|sl|tr
spice_enhancements str prop=spice
watchdog str prop=watchdog
agent str prop=agent
hotplug str fmt=hotplug
hookscript str fmt=volid
vmstatestorage str fmt=storage
vmgenid str pat=genid
smbios1 str prop=smbios
migrate_downtime num min=0
migrate_speed int min=0
citype str enum=configdrive2|nocloud|opennebula
ciuser str
cipassword str
ciupgrade bool
cicustom str prop=cicustom
searchdomain str
nameserver str fmt=address-list
sshkeys str fmt=encoded
ipconfig[32] str prop=ipconfig
`

// qemuOptions is the table of a VM's options.
var qemuOptions = sync.OnceValue(func() *schema { return parseSchema(qemuTable, qemuProps()) })

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
