package desired

import (
	"slices"
	"strings"
)

func vmAlias(word string) alias {
	switch word {
	case "ostemplate", "image", "baseimage":
		return write("disks.scsi0.image")
	case "cdrom", "iso", "isofile":
		return write("disks.ide2.iso")
	case "cpuflags", "flags":
		return write("cpu.flags")
	case "ciupgrade":
		return write("cloudInit.upgrade")
	case "disk", "disksize", "size", "rootfssize", "rootdisk", "rootfs", "storage", "datastore", "datastoreid", "volumes":
		return write("disks, as in {scsi0: {image: NAME, storage: NAME, size: 8GiB}}")
	case "sshkeys", "sshkey", "sshauthorizedkeys", "sshpublickeys", "publickeys", "keys", "ciuser", "cipassword", "users", "user", "username":
		return write("cloudInit.users")
	case "cicustom", "initialization", "userdata", "cloudinituserdata":
		return write("cloudInit")
	case "swap", "features", "password", "unprivileged", "nesting":
		return instead("a Container's, a VM has none: take it out")
	case "balloon":
		return write("memory.min")
	case "efidisk0", "tpmstate0":
		return write("disks." + word)
	case "vms":
		return instead("write a document for each VM, parted by ---")
	}
	if bus, _, ok := slot(word); ok && slices.Contains([]string{"scsi", "virtio", "sata", "ide"}, bus) {
		return write("disks." + word)
	}
	return guestAlias(word)
}

func containerAlias(word string) alias {
	switch word {
	case "ostemplate", "image", "baseimage", "templatefileid":
		return write("disks.rootfs.image")
	case "rootpassword", "rootpasswd":
		return write("password, as in {secret: NAME}")
	case "disk", "disksize", "size", "rootfssize", "rootdisk", "rootfs", "storage", "datastore", "datastoreid", "volumes":
		return write("disks, as in {rootfs: {image: NAME, storage: NAME, size: 8GiB}}")
	case "mountpoint", "mountpoints":
		return write("disks")
	case "sshkeys", "sshkey", "sshpublickeys", "sshauthorizedkeys", "publickeys":
		return write("keys")
	case "nesting":
		return write("features: [nesting]")
	case "cloudinit", "agent", "bios", "machine", "scsihw", "vga", "serial0", "tablet", "keyboard", "hotplug", "boot", "efidisk0", "tpmstate0", "ciuser", "cipassword", "balloon":
		return instead("a VM's, a Container has none: take it out")
	}
	if bus, _, ok := slot(word); ok && bus == "mp" {
		return write("disks." + word)
	}
	return guestAlias(word)
}

// guestAlias knows the words that mean the same for both kinds of guests.
func guestAlias(word string) alias {
	switch word {
	case "onboot", "autostart", "startonboot", "startatboot", "order":
		return write("startup: yes, never or a phase of the site")
	case "vmid", "ctid", "newid":
		return write("id")
	case "started", "running", "status", "desiredstate":
		return write("state: running or stopped")
	case "cores", "vcpus", "vcpu", "cpus", "cpucores", "processors":
		return write("cpu")
	case "sockets", "numa":
		return write("cpu." + word)
	case "cpulimit", "cpuunits", "cputype":
		return write("cpu." + strings.TrimPrefix(word, "cpu"))
	case "ram", "mem", "memorymb":
		return write("memory")
	case "ip", "ips", "ipaddress", "ipaddresses", "ipconfig0", "ipconfig", "address", "ipv4", "ip4":
		return write("networks.net0.address")
	case "gateway", "gw":
		return write("networks.net0.gateway")
	case "bridge":
		return alias{remedy: "write networks.net0.network, a network of the Site, which has the bridge", field: "networks"}
	case "vlan", "vlantag", "vlanid":
		return write("networks.net0.vlan")
	case "mac", "macaddress", "macaddr", "hwaddr":
		return write("networks.net0.mac")
	case "nic", "nics", "interfaces", "networkdevice", "networkinterface", "networkinterfaces":
		return write("networks, as in {net0: {network: NAME}}")
	case "nameserver", "nameservers", "dnsservers", "dnsserver":
		return write("dns")
	case "searchdomain", "searchdomains":
		return write("search")
	case "dependson", "depends", "requires", "dependencies":
		return write("needs")
	case "foreach", "replicas", "instances":
		return write("count, and {n} in name")
	case "template", "clonefrom", "templateid", "sourcevm", "clonevm", "fullclone":
		return write("clone, as in {template: NAME}, and a Template document; or disks with an image")
	case "linkedclone":
		return write("clone, as in {template: NAME, linked: true}")
	case "poolid", "resourcepool":
		return write("pool")
	case "formername", "oldname", "movedfrom":
		return write("renamedFrom")
	case "hook", "hookscripts":
		return write("hookscript")
	case "args", "extraoptions", "rawoptions", "qemuargs":
		return alias{remedy: "write options, as in {rng0: \"source=/dev/urandom\"}", field: "options"}
	case "ip6", "ipv6", "ip6address", "ipv6address":
		return write("networks.net0.address6")
	case "gateway6", "gw6":
		return write("networks.net0.gateway6")
	case "import", "importid", "takeover":
		return write("adopt, as in {mac: …}")
	case "targetnode", "nodename", "pvenode":
		return write("node")
	case "playbook", "playbooks", "hosts", "roles", "provisioner", "ansible", "inventory":
		return alias{remedy: "write groups here, and a Playbook whose hosts names this guest or a group of it", field: "groups"}
	case "fqdn":
		return write("hostname")
	case "comment", "comments", "notes", "desc", "annotations":
		return write("description")
	case "profile", "profiles", "extends", "inherits":
		return write("uses")
	case "env", "stage":
		return write("environment")
	case "variables", "hostvars", "extravars":
		return write("vars")
	}
	if bus, _, ok := slot(word); ok && bus == "net" {
		return write("networks." + word)
	}
	return alias{}
}

func diskAlias(word string) alias {
	switch word {
	case "store", "datastore", "datastoreid", "class", "pool", "storagename":
		return write("storage")
	case "fileid", "importfrom", "template", "ostemplate", "source", "templatefileid":
		return write("image")
	case "disksize", "capacity", "sizegb", "gb":
		return write("size")
	case "type", "interface", "slot", "bus", "id":
		return instead("the key above it is the slot, as in scsi0: take it out")
	case "ro":
		return write("readOnly")
	case "media", "cdrom", "isofile":
		return write("iso")
	case "mp", "path", "mountpoint", "target":
		return write("mount")
	case "fs", "fstype", "fileformat":
		return write("filesystem")
	case "mountoptions", "mountopts":
		return write("options")
	case "mbpsrd", "readmbps", "speed", "bandwidth", "iops", "iopsrd", "mbps":
		return write("limits, as in {read: 100MiB/s, readOps: 500}")
	case "preenrolledkeys":
		return write("secureBoot")
	case "efitype":
		return instead("it is always 4m: take it out")
	case "hostpath", "hostdir":
		return write("bind")
	case "detach", "delete", "remove", "unlinked":
		return instead("write absent in place of the whole disk, as in scsi2: absent")
	}
	return alias{}
}

func nicAlias(word string) alias {
	switch word {
	case "ip", "ipaddress", "ipv4", "ip4", "cidr", "ipconfig", "ipconfig0":
		return write("address")
	case "bridge", "vnet":
		return alias{remedy: "write network, a network of the Site, which has the bridge", field: "network"}
	case "gw", "gw4", "gateway4", "defaultgateway":
		return write("gateway")
	case "tag", "vlantag", "vlanid":
		return write("vlan")
	case "hwaddr", "macaddr", "macaddress":
		return write("mac")
	case "type":
		return instead("a VM's is model, a Container has none: write that, or take it out")
	case "dns", "nameserver", "nameservers":
		return instead("write dns at the guest or at the network of the Site")
	case "ip6", "ipv6", "ip6address", "ipv6address":
		return write("address6")
	case "gw6":
		return write("gateway6")
	case "up", "down", "disconnected":
		return write("linkDown")
	case "mask", "netmask", "prefixlength":
		return instead("the subnet of the Site's network says it: take it out")
	case "allowaddressconflict":
		return instead("write allowAddressConflict at the guest, beside networks")
	}
	return alias{}
}

// sizeAlias is for a guest's processors and memory.
func sizeAlias(word string) alias {
	switch word {
	case "vcpus", "vcpu", "cpus", "count":
		return write("cores")
	case "cpulimit", "cpuunits", "cputype":
		return write(strings.TrimPrefix(word, "cpu"))
	case "max", "maximum", "dedicated", "total":
		return write("size")
	case "minimum", "floating", "ballooning":
		return write("min")
	case "swap":
		return instead("a Container's, beside memory; a VM has none: take it out")
	}
	return alias{}
}
