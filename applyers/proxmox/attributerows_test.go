package proxmox

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// attributeSite is the site of the guests of the table.
func attributeSite() string {
	return edited(siteYAML, "networks:\n", "networks:\n  lab: {bridge: vmbr1, subnet: 10.1.2.0/24}\n",
		"subnet: 10.1.1.0/24", "subnet: 10.1.1.0/24, subnet6: fd00::/64")
}

// attributeImages are more images, of which some are for CD-ROM drives.
const attributeImages = `
kind: Image
name: debian-13
url: https://images.example.net/debian-13.qcow2
sha256: SUM-debian-13.qcow2
---
kind: Image
name: debian-ct-13
url: https://images.example.net/debian-ct-13.tar.zst
sha256: SUM-debian-ct-13.tar.zst
content: vztmpl
`

const attributeISOs = `
kind: Image
name: installer
url: https://images.example.net/installer.iso
sha256: SUM-installer.iso
content: iso
---
kind: Image
name: rescue
url: https://images.example.net/rescue.iso
sha256: SUM-rescue.iso
content: iso`

// attributeDocs are the manifests beside the guests of the table.
func attributeDocs() []string {
	return []string{fleetYAML, attributeSite(), imagesYAML, attributeImages, attributeISOs}
}

// attributesOf are the rows of a kind, in a fixed order, on which VMIDs rest.
func attributesOf(kind string) []*attribute {
	switch kind {
	case desired.KindContainer:
		return slices.Concat(sharedAttributes(kind), containerAttributes())
	case desired.KindData:
		return dataAttributes()
	}
	return slices.Concat(sharedAttributes(kind), vmAttributes(), driveAttributes(), nativeAttributes())
}

// testedElsewhere are the leaves that can't go through the table's life, with the
// test that takes them through theirs.
func testedElsewhere(kind string) map[desired.Path]string {
	all := map[desired.Path]string{
		"id":             "TestStorageAndIDNeedRecreationAndAreHeld",
		"clone.template": "TestACloneIsMadeWhole",
		"clone.linked":   "TestACloneIsMadeWhole",
		"disks.x.volume": "TestAVolumeIsAttachedAndNeverAllocated",
		"disks.x.state":  "TestADiskOfItsOwnIsDetachedAndKept",
	}
	if kind != desired.KindData {
		return all
	}
	return map[desired.Path]string{
		"id":       all["id"],
		"state":    "TestADataVMHoldsDataAndIsNeverStarted",
		"startup":  "TestADataVMHoldsDataAndIsNeverStarted",
		"hostname": "TestADataVMIsNamedAsInGit",
	}
}

// TestTheTestsElsewhereAreThere holds that whatever the table leaves out has a
// test.
func TestTheTestsElsewhereAreThere(t *testing.T) {
	var sources []byte
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, text...)
	}
	for _, kind := range []string{desired.KindVM, desired.KindContainer, desired.KindData} {
		for path, test := range testedElsewhere(kind) {
			if !bytes.Contains(sources, []byte("\nfunc "+test+"(t *testing.T)")) {
				t.Errorf("%s %s: there is no %s", kind, path, test)
			}
		}
	}
}

func onOff(path desired.Path, as, word, at, rawTrue string) *attribute {
	return &attribute{path: path, as: as, a: word + ": false", b: word + ": true", from: "false", to: "true", at: at, raw: rawTrue, hand: "", seen: "false"}
}

// sharedAttributes are the rows of both kinds.
func sharedAttributes(kind string) []*attribute {
	name, cpu := "name", "cpu: {%s}"
	if kind == desired.KindContainer {
		name = "hostname"
	}
	nic := "networks: {net1: {network: lan, address: none, %s}}"
	rows := []*attribute{
		{
			path: "description", a: "description: first", b: "description: second", from: "first", to: "second", raw: "second",
			edit: func(b *bench, vmid int) {
				text := b.guest(vmid).Config["description"]
				b.sim.Edit("anna@pam", vmid, map[string]string{"description": "third\n\n" + text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]})
			},
			is: func(b *bench, vmid int) string {
				words, _, _ := stamp.Split(b.guest(vmid).Config["description"])
				return words
			},
			seen: "third",
		},
		{path: "hostname", a: "hostname: one-" + kind, b: "hostname: two-" + kind, from: "one-" + kind, to: "two-" + kind, at: name, raw: "two-" + kind, back: kind + "-5001", hand: "three-" + kind, seen: "three-" + kind},
		{path: "cpu.cores", as: cpu, a: "cores: 1", b: "cores: 3", from: "1", to: "3", at: "cores", raw: "3", hand: "4", seen: "4"},
		{path: "cpu.units", as: cpu, a: "units: 200", b: "units: 300", from: "200", to: "300", at: "cpuunits", raw: "300", hand: "", seen: "100"},
		{path: "cpu.limit", as: cpu, a: "limit: 1", b: "limit: 1.5", from: "1", to: "1.5", at: "cpulimit", raw: "1.5", hand: "2", seen: "2"},
		{path: "startup", a: "startup: never", b: "startup: early", from: "never", to: "early", at: "startup", raw: "order=100,up=30,down=60", hand: "order=7", seen: "order=7"},
		onOff("protection", "", "protection", "protection", "1"),
		{
			path: "tags", as: "~tags: [%s]~", a: "a", b: "a, b", from: "a", to: "a b", seen: "C a",
			raw: "a;b;berth.pegasus", at: "tags", hand: "C;A;berth.pegasus",
		},
		{
			path: "pool", a: "pool: one", b: "pool: two", from: "one", to: "two", raw: "two", seen: "other",
			edit: func(b *bench, vmid int) { b.sim.SetPool(vmid, "other") },
			is:   func(b *bench, vmid int) string { return b.guest(vmid).Pool },
		},
		{path: "hookscript", a: "hookscript: local:snippets/a.sh", b: "hookscript: local:snippets/b.sh", root: true},
		{
			path: "state", as: "%s", a: "state: running", b: "state: stopped", from: "running", to: "stopped", raw: "false", back: "running",
			seen: "running",
			edit: func(b *bench, vmid int) { b.sim.SetRunning(vmid, true) },
			is: func(b *bench, vmid int) string {
				return map[bool]string{true: "true", false: "false"}[b.guest(vmid).Running]
			},
		},
		{
			path: "node", as: "lifecycle: {reboot: now}\n%s", a: "pin: true\nnode: pve1", b: "pin: true\nnode: pve2", from: "pve1", to: "pve2", raw: "pve2", seen: "pve1",
			edit: func(b *bench, vmid int) { b.sim.Migrate(vmid, "pve1") },
			is:   func(b *bench, vmid int) string { return b.guest(vmid).Node },
		},
		{path: "networks.net1.network", as: "%s", a: "networks: {net1: {address: none, network: lan}}", b: "networks: {net1: {address: none, network: lab}}", from: "lan", to: "lab", at: "net1 bridge", raw: "vmbr1", hand: "vmbr0", seen: "lan"},
		onOff("networks.net1.firewall", nic, "firewall", "net1 firewall", "1"),
		onOff("networks.net1.linkDown", nic, "linkDown", "net1 link_down", "1"),
		{path: "networks.net1.mtu", as: nic, a: "mtu: 1400", b: "mtu: 1450", from: "1400", to: "1450", at: "net1 mtu", raw: "1450", hand: "", seen: "0"},
		{path: "networks.net1.vlan", as: nic, a: "vlan: 5", b: "vlan: 6", from: "5", to: "6", at: "net1 tag", raw: "6", hand: "7", seen: "7", back: "lan"},
		{path: "networks.net1.rate", as: nic, a: "rate: 1MiB/s", b: "rate: 1536KiB/s", from: "1MiB/s", to: "1536KiB/s", at: "net1 rate", raw: "1.5", hand: "3", seen: "3MiB/s"},
		{
			path: "networks.net1.state", as: "%s", a: "networks: {net1: {network: lan, address: none}}", b: "networks: {net1: {state: absent}}", from: "", to: "absent", at: "net1", raw: "",
			edit: func(b *bench, vmid int) {
				line := "virtio=BC:24:11:00:00:01,bridge=vmbr0"
				if b.guest(vmid).Kind == desired.KindContainer {
					line = "name=eth1,hwaddr=BC:24:11:00:00:01,bridge=vmbr0,type=veth"
				}
				b.sim.Edit("anna@pam", vmid, map[string]string{"net1": line})
			},
			seen: "",
		},
	}
	return rows
}

// vmAttributes are the rows of virtual machines but for drives.
func vmAttributes() []*attribute {
	nic := "networks: {net1: {network: lan, address: none, %s}}"
	seed := "networks: {net0: {network: lan, %s}}\ncloudInit: {packages: [git]}"
	return []*attribute{
		onOff("agent.enabled", "agent: {%s}", "enabled", "agent enabled", "1"),
		onOff("agent.fstrim", "agent: {enabled: true, %s}", "fstrim", "agent fstrim_cloned_disks", "1"),
		{path: "agent.type", as: "agent: {enabled: true, %s}", a: "type: virtio", b: "type: isa", from: "virtio", to: "isa", at: "agent type", raw: "isa", hand: "", seen: "virtio"},
		{path: "bios", a: "bios: seabios", b: "bios: ovmf", from: "seabios", to: "ovmf", at: "bios", raw: "ovmf", hand: "", seen: "seabios"},
		{path: "boot", as: "networks: {net0: {network: lan, address: none}}\n%s", a: "boot: [scsi0]", b: "boot: [net0, scsi0]", from: "scsi0", to: "net0 scsi0", at: "boot", raw: "order=net0;scsi0", hand: "order=scsi0", seen: "scsi0"},
		{path: "machine", a: "machine: pc", b: "machine: q35", from: "pc", to: "q35", at: "machine", raw: "q35", hand: "pc-i440fx-8.1", seen: "pc-i440fx-8.1"},
		{path: "scsihw", a: "scsihw: virtio-scsi-single", b: "scsihw: virtio-scsi-pci", from: "virtio-scsi-single", to: "virtio-scsi-pci", at: "scsihw", raw: "virtio-scsi-pci", hand: "", seen: "lsi"},
		{path: "ostype", a: "ostype: l26", b: "ostype: win11", from: "l26", to: "win11", at: "ostype", raw: "win11", hand: "", seen: "other"},
		{path: "vga", a: "vga: std", b: "vga: \"qxl,memory=32\"", from: "std", to: "qxl,memory=32", at: "vga", raw: "qxl,memory=32", hand: "virtio", seen: "virtio"},
		{path: "serial0", a: "", b: "serial0: socket", from: "", to: "socket", at: "serial0", raw: "socket", hand: "", seen: ""},
		{path: "tablet", a: "tablet: true", b: "tablet: false", from: "true", to: "false", at: "tablet", raw: "0", hand: "", seen: "true"},
		{path: "keyboard", a: "keyboard: de", b: "keyboard: fr", from: "de", to: "fr", at: "keyboard", raw: "fr", hand: "", seen: ""},
		{path: "hotplug", a: "hotplug: \"network,disk\"", b: "hotplug: disk", from: "network,disk", to: "disk", at: "hotplug", raw: "disk", hand: "1", seen: "network,disk,usb"},
		{path: "cpu.sockets", as: "cpu: {%s}", a: "sockets: 1", b: "sockets: 2", from: "1", to: "2", at: "sockets", raw: "2", hand: "4", seen: "4"},
		{path: "cpu.type", as: "cpu: {%s}", a: "type: host", b: "type: x86-64-v2-AES", from: "host", to: "x86-64-v2-AES", at: "cpu cputype", raw: "x86-64-v2-AES", hand: "max", seen: "max"},
		{path: "cpu.flags", as: "cpu: {type: host~, flags: [%s]~}", a: "+aes", b: "+pcid, +aes", from: "+aes", to: "+aes +pcid", at: "cpu flags", raw: "+aes;+pcid", hand: "-pcid;+aes", seen: "+aes -pcid"},
		onOff("cpu.numa", "cpu: {%s}", "numa", "numa", "1"),
		{path: "memory.size", as: "memory: {%s}", a: "size: 512MiB", b: "size: 1GiB", from: "512MiB", to: "1GiB", at: "memory", raw: "1024", hand: "2048", seen: "2GiB"},
		{path: "memory.min", as: "memory: {size: 1GiB, %s}", a: "min: 256MiB", b: "min: 512MiB", from: "256MiB", to: "512MiB", at: "balloon", raw: "512", hand: "128", seen: "128MiB"},
		{path: "memory.balloon", as: "memory: {size: 1GiB, %s}", a: "balloon: true", b: "balloon: false", from: "true", to: "false", at: "balloon", raw: "0", hand: "", seen: "true"},
		{path: "networks.net1.mac", as: nic, a: `mac: "bc:24:11:00:aa:01"`, b: `mac: "bc:24:11:00:aa:02"`, from: "BC:24:11:00:AA:01", to: "bc:24:11:00:aa:02", at: "net1 virtio", raw: "BC:24:11:00:AA:02", hand: "BC:24:11:00:AA:03", seen: "BC:24:11:00:AA:03"},
		{
			path: "networks.net1.model", as: nic, a: "model: virtio", b: "model: e1000", from: "virtio", to: "e1000", raw: "e1000", seen: "vmxnet3",
			edit: func(b *bench, vmid int) {
				_, rest, _ := strings.Cut(b.guest(vmid).Config["net1"], "=")
				b.sim.Edit("anna@pam", vmid, map[string]string{"net1": "vmxnet3=" + rest})
			},
			is: func(b *bench, vmid int) string {
				g := b.guest(vmid)
				model, _ := nicModel(parseNIC(g.Kind, g.Config["net1"]))
				return model
			},
		},
		{path: "networks.net1.queues", as: nic, a: "queues: 2", b: "queues: 4", from: "2", to: "4", at: "net1 queues", raw: "4", hand: "", seen: "0"},
		// A seed is read once.
		{path: "cloudInit", as: "%s", a: "cloudInit: {packages: [git]}", b: "cloudInit: {packages: [vim]}", created: "cloudInit is settled when the guest is made"},
		{path: "networks.net0.address", as: seed, a: "address: 10.1.1.40", b: "address: 10.1.1.41", created: "-", back: "-"},
		{path: "networks.net0.gateway", as: seed, a: "address: 10.1.1.42, gateway: 10.1.1.2", b: "address: 10.1.1.42, gateway: 10.1.1.3", created: "-"},
		{path: "networks.net0.address6", as: seed, a: "address6: auto", b: "address6: dhcp", created: "-"},
		{path: "networks.net0.gateway6", as: seed, a: `address6: "fd00::40/64", gateway6: "fd00::2"`, b: `address6: "fd00::40/64", gateway6: "fd00::3"`, created: "-"},
		{path: "networks.net0.name", as: seed, a: "name: eth0", b: "name: eth1", created: "-"},
		{path: "dns", as: "networks: {net0: {network: lab, address: none}}\ncloudInit: {packages: [git]}\n%s", a: "dns: [10.1.1.2]", b: "dns: [10.1.1.3]", created: "-"},
		{path: "search", as: "networks: {net0: {network: lab, address: none}}\ncloudInit: {packages: [git]}\n%s", a: "search: [a.example]", b: "search: [b.example]", created: "-"},
		{path: "options.rng0", as: "options: {%s}", a: `rng0: "source=/dev/urandom"`, b: `rng0: "/dev/random,max_bytes=512"`, from: "source=/dev/urandom", to: "/dev/random,max_bytes=512", at: "rng0", raw: "/dev/random,max_bytes=512", hand: "", seen: ""},
		{path: "options.args", as: "options: {%s}", a: `args: "-no-hpet"`, b: `args: "-no-acpi"`, root: true},
		{path: "options.startdate", as: "options: {%s}", a: "startdate: now", b: "startdate: 2026-11-21", from: "now", to: "2026-11-21", at: "startdate", raw: "2026-11-21", hand: "", seen: ""},
	}
}

// driveAttributes are the rows of virtual machines' drives.
func driveAttributes() []*attribute {
	drive := "disks: {scsi1: {storage: hdd, size: 1GiB, %s}}"
	limit := "disks: {scsi1: {storage: hdd, size: 1GiB~, limits: {%s}~}}"
	mounted := "disks: {scsi1: {storage: hdd, size: 1GiB~, mount: /srv, %s~}}\ncloudInit: {packages: [git]}"
	return []*attribute{
		{
			path: "disks.scsi1.size", as: "disks: {scsi1: {storage: hdd, %s}}", a: "size: 1GiB", b: "size: 2GiB", from: "1GiB", to: "2GiB", at: "scsi1 size", raw: "2G", given: true,
			grown: "disks.scsi1.size: live 3GiB, in Git 2GiB",
			edit:  func(b *bench, vmid int) { b.sim.Grow("anna@pam", vmid, "scsi1", 3<<30) },
		},
		{path: "disks.scsi1.storage", as: "disks: {scsi1: {%s, size: 1GiB}}", a: "storage: hdd", b: "storage: ssd", held: "needs the guest to be made anew", given: true},
		{path: "disks.scsi1.image", as: "disks: {scsi1: {storage: hdd, size: 8GiB, %s}}", a: "image: debian-12", b: "image: debian-13", created: "disks.scsi1.image is settled when the guest is made: live debian-12, in Git debian-13"},
		{path: "disks.scsi1.format", as: drive, a: "format: raw", b: "format: qcow2", created: "disks.scsi1.format is settled when the guest is made: live raw, in Git qcow2"},
		onOff("disks.scsi1.discard", drive, "discard", "scsi1 discard", "on"),
		onOff("disks.scsi1.ssd", drive, "ssd", "scsi1 ssd", "1"),
		onOff("disks.scsi1.iothread", drive, "iothread", "scsi1 iothread", "1"),
		onOff("disks.scsi1.readOnly", drive, "readOnly", "scsi1 ro", "1"),
		{path: "disks.scsi1.cache", as: drive, a: "cache: none", b: "cache: writeback", from: "none", to: "writeback", at: "scsi1 cache", raw: "writeback", hand: "", seen: "none"},
		{path: "disks.scsi1.aio", as: drive, a: "aio: threads", b: "aio: io_uring", from: "threads", to: "io_uring", at: "scsi1 aio", raw: "io_uring", hand: "native", seen: "native"},
		{path: "disks.scsi1.backup", as: drive, a: "backup: true", b: "backup: false", from: "true", to: "false", at: "scsi1 backup", raw: "0", hand: "1", seen: "true"},
		{path: "disks.scsi1.replicate", as: drive, a: "replicate: true", b: "replicate: false", from: "true", to: "false", at: "scsi1 replicate", raw: "0", hand: "", seen: "true"},
		{path: "disks.scsi1.serial", as: drive, a: "serial: one", b: "serial: two", from: "one", to: "two", at: "scsi1 serial", raw: "two", hand: "", seen: ""},
		{path: "disks.scsi1.limits.read", as: limit, a: "read: 10MiB/s", b: "read: 20MiB/s", from: "10MiB/s", to: "20MiB/s", at: "scsi1 mbps_rd", raw: "20", hand: "1.5", seen: "1536KiB/s"},
		{path: "disks.scsi1.limits.write", as: limit, a: "write: 10MiB/s", b: "write: 1536KiB/s", from: "10MiB/s", to: "1536KiB/s", at: "scsi1 mbps_wr", raw: "1.5", hand: "", seen: "0MiB/s"},
		{path: "disks.scsi1.limits.readOps", as: limit, a: "readOps: 100", b: "readOps: 200", from: "100", to: "200", at: "scsi1 iops_rd", raw: "200", hand: "", seen: "0"},
		{path: "disks.scsi1.limits.writeOps", as: limit, a: "writeOps: 100", b: "writeOps: 200", from: "100", to: "200", at: "scsi1 iops_wr", raw: "200", hand: "300", seen: "300"},
		{path: "disks.ide0.iso", as: "%s", a: "disks: {ide0: {iso: installer}}", b: "disks: {ide0: {iso: rescue}}", from: "installer", to: "rescue", at: "ide0 file", raw: "local:iso/rescue.iso", hand: "none", seen: "none"},
		{path: "disks.scsi1.mount", as: "disks: {scsi1: {storage: hdd, size: 1GiB, %s}}\ncloudInit: {packages: [git]}", a: "mount: /a", b: "mount: /b", created: "-"},
		{path: "disks.scsi1.filesystem", as: mounted, a: "filesystem: ext4", b: "filesystem: xfs", created: "-"},
		{path: "disks.scsi1.label", as: mounted, a: "label: one", b: "label: two", created: "-"},
		{path: "disks.scsi1.options", as: mounted, a: "options: [noatime]", b: "options: [nodev]", created: "-"},
		{path: "disks.efidisk0.secureBoot", as: "bios: ovmf\ndisks: {efidisk0: {storage: hdd, %s}, tpmstate0: {storage: hdd}}", a: "secureBoot: true", b: "secureBoot: false", created: "disks.efidisk0.secureBoot is settled when the guest is made"},
	}
}

// dataAttributes are the rows of data VMs: those of guests and drives that they
// have, too. They never run, so that everything takes effect at once.
func dataAttributes() []*attribute {
	var rows []*attribute
	for _, row := range slices.Concat(sharedAttributes(desired.KindData), driveAttributes()) {
		keys := row.path.Keys()
		switch {
		case keys[0] == "disks" && slices.Contains([]string{"image", "iso", "mount", "filesystem", "label", "options", "readOnly", "secureBoot"}, keys[2]):
		case keys[0] == "disks":
			row.as = strings.Replace(row.as, "scsi1: {", "scsi1: {name: extra, ", 1)
			rows = append(rows, row)
		case slices.Contains([]desired.Path{"description", "tags", "pool", "protection"}, row.path):
			rows = append(rows, row)
		}
	}
	return rows
}

const someKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO anna@one"

const otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHKQ3xXqT5bP1W0d3eM7n1yV1o2cQeUu7uJ8s9zq2bQe ben@two"

// nativeAttributes are the rows of Proxmox's own cloud-init drive, which follows
// the manifest.
func nativeAttributes() []*attribute {
	nic := "cloudInit: {native: true}\nnetworks: {net0: {network: lan, %s}}"
	other := "cloudInit: {native: true}\nnetworks: {net0: {network: lab, address: dhcp}}\n%s"
	return []*attribute{
		{path: "networks.net0.address", as: nic, a: "address: 10.1.1.50, gateway: none", b: "address: 10.1.1.51, gateway: none", from: "10.1.1.50/24", to: "10.1.1.51/24", at: "ipconfig0 ip", raw: "10.1.1.51/24", hand: "10.1.1.59/24", seen: "10.1.1.59/24", back: "dhcp"},
		{path: "networks.net0.gateway", as: "cloudInit: {native: true}\nnetworks: {net0: {network: lab, address: 10.1.2.52, %s}}", a: "gateway: 10.1.2.2", b: "gateway: 10.1.2.3", from: "10.1.2.2", to: "10.1.2.3", at: "ipconfig0 gw", raw: "10.1.2.3", hand: "", seen: "none"},
		{path: "networks.net0.address6", as: nic, a: "address6: auto", b: "address6: dhcp", from: "auto", to: "dhcp", at: "ipconfig0 ip6", raw: "dhcp", hand: "", seen: ""},
		{path: "networks.net0.gateway6", as: nic, a: `address6: "fd00::52/64", gateway6: "fd00::2"`, b: `address6: "fd00::52/64", gateway6: "fd00::3"`, from: "fd00::2", to: "fd00::3", at: "ipconfig0 gw6", raw: "fd00::3", hand: "fd00::4", seen: "fd00::4"},
		{path: "dns", as: other, a: "dns: [10.1.1.2]", b: "dns: [10.1.1.3, 10.1.1.2]", from: "10.1.1.2", to: "10.1.1.3 10.1.1.2", at: "nameserver", raw: "10.1.1.3 10.1.1.2", hand: "10.1.1.9", seen: "10.1.1.9"},
		{path: "search", as: other, a: "search: [a.example]", b: "search: [b.example]", from: "a.example", to: "b.example", at: "searchdomain", raw: "b.example", hand: "", seen: ""},
		{path: "cloudInit.user", as: "%s", a: "cloudInit: {native: true, users: [{name: anna}]}", b: "cloudInit: {native: true, users: [{name: ben}]}", from: "anna", to: "ben", at: "ciuser", raw: "ben", hand: "eve", seen: "eve"},
		{path: "cloudInit.keys", as: "%s", a: "cloudInit: {native: true, users: [{name: anna, keys: [" + someKey + "]}]}", b: "cloudInit: {native: true, users: [{name: anna, keys: [" + otherKey + "]}]}", from: someKey, to: otherKey, at: "sshkeys", raw: formatKeys(desired.Words{otherKey}), hand: "", seen: ""},
		{path: "cloudInit.upgrade", as: "cloudInit: {native: true, %s}", a: "upgrade: false", b: "upgrade: true", from: "false", to: "true", at: "ciupgrade", raw: "1", hand: "0", seen: "false"},
	}
}

// containerAttributes are the rows that only containers have.
func containerAttributes() []*attribute {
	nic := "networks: {net1: {network: lan, %s}}"
	volume := "disks: {mp0: {storage: hdd, size: 1GiB, mount: /srv, %s}}"
	return []*attribute{
		{path: "memory", a: "memory: 256MiB", b: "memory: 512MiB", from: "256MiB", to: "512MiB", at: "memory", raw: "512", hand: "1024", seen: "1GiB"},
		{path: "swap", a: "swap: 256MiB", b: "swap: 0MiB", from: "256MiB", to: "0MiB", at: "swap", raw: "0", hand: "128", seen: "128MiB"},
		{path: "features", a: "", b: "features: [nesting]", from: "", to: "nesting", at: "features nesting", raw: "1", hand: "", seen: ""},
		{path: "unprivileged", a: "unprivileged: true", b: "unprivileged: false", created: "unprivileged is settled when the guest is made: live true, in Git false", back: "-"},
		{path: "dns", as: "networks: {net1: {network: lab, address: dhcp}}\n%s", a: "dns: [10.1.1.2]", b: "dns: [10.1.1.3]", from: "10.1.1.2", to: "10.1.1.3", at: "nameserver", raw: "10.1.1.3", hand: "10.1.1.9", seen: "10.1.1.9"},
		{path: "search", as: "networks: {net1: {network: lab, address: dhcp}}\n%s", a: "search: [a.example]", b: "search: [b.example]", from: "a.example", to: "b.example", at: "searchdomain", raw: "b.example", hand: "", seen: ""},
		{path: "networks.net1.address", as: nic, a: "address: 10.1.1.60, gateway: none", b: "address: 10.1.1.61, gateway: none", from: "10.1.1.60/24", to: "10.1.1.61/24", at: "net1 ip", raw: "10.1.1.61/24", hand: "dhcp", seen: "dhcp", back: "dhcp"},
		{path: "networks.net1.gateway", as: "networks: {net1: {network: lab, address: 10.1.2.62, %s}}", a: "gateway: 10.1.2.2", b: "gateway: 10.1.2.3", from: "10.1.2.2", to: "10.1.2.3", at: "net1 gw", raw: "10.1.2.3", hand: "", seen: "none"},
		{path: "networks.net1.address6", as: nic, a: "address6: auto", b: "address6: dhcp", from: "auto", to: "dhcp", at: "net1 ip6", raw: "dhcp", hand: "manual", seen: ""},
		{path: "networks.net1.gateway6", as: nic, a: `address6: "fd00::62/64", gateway6: "fd00::2"`, b: `address6: "fd00::62/64", gateway6: "fd00::3"`, from: "fd00::2", to: "fd00::3", at: "net1 gw6", raw: "fd00::3", hand: "fd00::4", seen: "fd00::4"},
		{path: "networks.net1.mac", as: nic, a: `mac: "bc:24:11:00:aa:01"`, b: `mac: "bc:24:11:00:aa:02"`, from: "BC:24:11:00:AA:01", to: "bc:24:11:00:aa:02", at: "net1 hwaddr", raw: "BC:24:11:00:AA:02", hand: "BC:24:11:00:AA:03", seen: "BC:24:11:00:AA:03"},
		{path: "networks.net1.name", as: nic, a: "name: lan0", b: "name: lan1", from: "lan0", to: "lan1", at: "net1 name", raw: "lan1", hand: "eth9", seen: "eth9"},
		{
			path: "disks.mp0.size", as: "disks: {mp0: {storage: hdd, mount: /srv, %s}}", a: "size: 1GiB", b: "size: 2GiB", from: "1GiB", to: "2GiB", at: "mp0 size", raw: "2G", given: true,
			grown: "disks.mp0.size: live 3GiB, in Git 2GiB",
			edit:  func(b *bench, vmid int) { b.sim.Grow("anna@pam", vmid, "mp0", 3<<30) },
		},
		{path: "disks.mp0.storage", as: "disks: {mp0: {%s, size: 1GiB, mount: /srv}}", a: "storage: hdd", b: "storage: ssd", held: "needs the guest to be made anew", given: true},
		{path: "disks.rootfs.image", as: "disks: {rootfs: {%s}}", a: "image: debian-ct", b: "image: debian-ct-13", created: "disks.rootfs.image is settled when the guest is made: live debian-ct, in Git debian-ct-13", given: true},
		{path: "disks.mp0.mount", as: "%s", a: "disks: {mp0: {storage: hdd, size: 1GiB, mount: /srv}}", b: "disks: {mp0: {storage: hdd, size: 1GiB, mount: /data}}", from: "/srv", to: "/data", at: "mp0 mp", raw: "/data", hand: "/opt", seen: "/opt"},
		{path: "disks.mp0.options", as: volume, a: "options: [noatime]", b: "options: [nodev, noatime]", from: "noatime", to: "noatime nodev", at: "mp0 mountoptions", raw: "noatime;nodev", hand: "nosuid;noatime", seen: "noatime nosuid"},
		onOff("disks.mp0.readOnly", volume, "readOnly", "mp0 ro", "1"),
		onOff("disks.mp0.backup", volume, "backup", "mp0 backup", "1"),
		{path: "disks.mp0.replicate", as: volume, a: "replicate: true", b: "replicate: false", from: "true", to: "false", at: "mp0 replicate", raw: "0", hand: "", seen: "true"},
		{path: "disks.mp0.bind", as: "%s", a: "disks: {mp0: {bind: /tank/a, mount: /srv}}", b: "disks: {mp0: {bind: /tank/b, mount: /srv}}", root: true},
		{path: "options.tty", as: "options: {%s}", a: `tty: "1"`, b: `tty: "3"`, from: "1", to: "3", at: "tty", raw: "3", hand: "", seen: ""},
	}
}
