package pvesim

import (
	"strings"
	"sync"
)

// privTable says which privilege an option of a VM asks for, by the table of the
// sources. Options that stand in no row are for root@pam alone: no token may set
// them, not even one of root@pam (FACTS 11). These are args, lock, hookscript,
// affinity, hugepages, keephugepages, amd-sev, arch, ivshmem, parallelN and
// whatever else is new.
const privTable = `
VM.Config.CPU cores cpu cpulimit cpuunits numa smp sockets vcpus
VM.Config.Memory memory balloon shares
VM.Config.HWType acpi hotplug kvm machine scsihw smbios1 tablet vga watchdog audio0 rng0
VM.Config.Options agent autostart bios description keyboard localtime migrate_downtime migrate_speed name onboot ostype protection reboot startdate startup tdf template tags spice_enhancements vmgenid
VM.PowerMgmt freeze
VM.Config.Disk boot bootdisk vmstatestorage
VM.Config.CDROM cdrom
VM.Config.Cloudinit cicustom cipassword citype ciuser ciupgrade nameserver searchdomain sshkeys
`

var privsOfVM = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for l := range strings.Lines(privTable) {
		f := strings.Fields(l)
		for _, k := range f[min(1, len(f)):] {
			out[k] = f[0]
		}
	}
	return out
})

// qemuPriv returns the privilege that an option asks for; "" means root@pam alone.
func qemuPriv(key, value string) string {
	if p, ok := privsOfVM()[key]; ok {
		return p
	}
	base, n := splitIndex(key)
	if n < 0 && !isDrive(key) {
		return ""
	}
	switch base {
	case "numa":
		return "VM.Config.CPU"
	case "net":
		return "VM.Config.Network"
	case "ipconfig":
		return "VM.Config.Cloudinit"
	case "serial":
		if value == "socket" || value == "" {
			return "VM.Config.HWType"
		}
		return ""
	case "usb", "hostpci":
		if value == "" || strings.Contains(value, "mapping=") || base == "usb" && spice(value) {
			return "VM.Config.HWType"
		}
		return ""
	case "virtiofs":
		return "VM.Config.HWType"
	case "parallel", "ivshmem":
		return ""
	}
	if isDrive(key) || base == "unused" {
		return "VM.Config.Disk"
	}
	return ""
}

func spice(value string) bool {
	return strings.HasPrefix(strings.TrimPrefix(strings.ToLower(value), "host="), "spice")
}

// forRoot is the refusal of an option that only root@pam may set.
func forRoot(key string) error {
	base, n := splitIndex(key)
	switch {
	case n >= 0 && (base == "serial" || base == "usb"):
		return fail("only root can set '%s' config for real devices", key)
	case n >= 0 && base == "hostpci":
		return fail("only root can set '%s' config for non-mapped devices", key)
	}
	return fail("only root can set '%s' config", key)
}

// mapping is the right to use a device or directory that an option maps in.
func (q *call) mapping(key, value string) error {
	base, n := splitIndex(key)
	if key == "rng0" && strings.Contains(value, "/dev/hwrng") {
		return q.check("/mapping/hwrng", "Mapping.Use")
	}
	if n < 0 {
		return nil
	}
	kind := map[string]string{"usb": "usb", "hostpci": "pci", "virtiofs": "dir"}[base]
	for part := range strings.SplitSeq(value, ",") {
		k, name, ok := strings.Cut(part, "=")
		if base == "virtiofs" && (!ok || k == "dirid") {
			if !ok {
				name = part
			}
			k, ok = "mapping", true
		}
		if kind != "" && ok && k == "mapping" {
			if err := q.check("/mapping/"+kind+"/"+name, "Mapping.Use"); err != nil {
				return err
			}
		}
	}
	return nil
}
