package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Mix says what a made-up cluster is like.
type Mix struct {
	// Guests is how many there are, templates and holders of data included.
	Guests int
	// Troubled gives some of them what passes: locks, changes that wait for a
	// reboot, a creation that broke off, references to volumes that are gone.
	Troubled bool
}

// Mixed is a made-up cluster of guests as people leave them behind: virtual
// machines and containers in several environments, holders of data and those who
// use it, templates and their clones, and the oddities that real configurations
// have: empty tags, MACs in lower case, defaults written out, names with capitals,
// twice or not at all, options that only root may set. The same options make the
// same cluster. Options.Nodes that are not given are three; Storages and Bridges
// are replaced.
func Mixed(o Options, mix Mix) *Cluster {
	if len(o.Nodes) == 0 {
		o.Nodes = []string{"pve1", "pve2", "pve3"}
	}
	o.Bridges = []string{"vmbr0", "vmbr1"}
	o.Storages = []Storage{
		{Name: "local", Type: "dir", Content: []string{"iso", "vztmpl", "import", "backup"}, Size: 200 << 30},
		{Name: "local-nvme", Type: "lvmthin", Content: []string{"images", "rootdir"}, Size: 64 << 40},
		{Name: "local-hdd", Type: "dir", Content: []string{"images", "rootdir"}, Path: "/mnt/local-hdd", Size: 64 << 40},
		{Name: "ceph", Type: "rbd", Content: []string{"images", "rootdir"}, Shared: true, Size: 64 << 40},
	}
	c := New(o)
	m := mixer{cluster: c, mix: mix}
	for i := range mix.Guests {
		m.add(i)
	}
	return c
}

// mixer makes up guests, each from its number alone.
type mixer struct {
	cluster *Cluster
	mix     Mix
}

const mixBase = 1000

// The places in a round of guests that are no ordinary ones.
const (
	mixRound    = 25
	mixHolder   = 7
	mixUser     = 8 // and the next: they use what the holder holds
	mixTemplate = 12
	mixClone    = 13
)

func (m *mixer) add(i int) {
	place := i % mixRound
	g := Guest{VMID: mixBase + i, Node: m.cluster.nodes[i/mixRound%len(m.cluster.nodes)], Running: true}
	switch {
	case place == mixHolder:
		m.holder(i, &g)
	case place == mixTemplate:
		m.template(i, &g)
	case slices.Contains([]int{1, 3, 5, 11, 15, 17, 19, 21}, place):
		m.container(i, &g)
	default:
		m.machine(i, &g)
	}
	if m.mix.Troubled {
		m.trouble(i, &g)
	}
	m.cluster.AddGuest(g)
}

// environment is the one of a guest, with what goes with it.
func environment(i int) (tag, pool, onboot, startup string) {
	switch i % 3 {
	case 0:
		return "prod", "prod", "1", "order=100,up=30,down=60"
	case 1:
		return "lab", "lab", "1", ""
	}
	return "test", "", "", ""
}

func role(i int) string {
	roles := []string{"web", "db", "cache", "build", "git", "mail", "wiki", "queue", "proxy"}
	return roles[i/3%len(roles)]
}

func mixMAC(i, nic int) string {
	mac := fmt.Sprintf("BC:24:11:%02X:%02X:%02X", nic, i>>8&255, i&255)
	if i%4 == 1 {
		mac = strings.ToLower(mac)
	}
	return mac
}

// common is what all guests have.
func (m *mixer) common(i int, g *Guest, nameKey string) {
	tag, pool, onboot, startup := environment(i)
	name := fmt.Sprintf("%s-%s-%03d", tag, role(i), i)
	switch i % 50 {
	case 10:
		name = fmt.Sprintf("Web-%03d.Example.NET", i)
	case 20:
		name = "" // Lists then say "VM 1020".
	case 30, 31:
		name = fmt.Sprintf("twice-%d", i/50)
	}
	g.Pool = pool
	conf := map[string]string{nameKey: name, "onboot": onboot, "startup": startup, "tags": tag + ";" + role(i)}
	switch i % 10 {
	case 4:
		conf["tags"] = " "
	case 6:
		conf["tags"] = role(i) + ";" + tag // As a VM's creation leaves them.
	case 9:
		delete(conf, "tags")
	}
	switch i % 12 {
	case 2:
		conf["description"] = "Made by hand.\n\n* see [the wiki](https://wiki.example.net)\n* <b>do not</b> reboot: \"ask\" first\n"
	case 5:
		conf["description"] = "one line: with a colon # and a hash"
	case 8:
		conf["description"] = "Login: admin\nPassword: correct-horse-battery\n"
	}
	maps.DeleteFunc(conf, func(key, value string) bool { return value == "" && key != "tags" })
	g.Config = conf
}

// lan is a static address of a guest, and its gateway.
func lan(i, net int) string {
	return fmt.Sprintf("ip=10.%d.%d.%d/16,gw=10.%d.0.1", net, i/250+1, i%250+2, net)
}

func (m *mixer) container(i int, g *Guest) {
	g.Kind = KindCT
	m.common(i, g, "hostname")
	store := "local-nvme:vm-%d-disk-0,size=%dG"
	if i%7 == 0 {
		store = "local-hdd:%[1]d/vm-%[1]d-disk-0.raw,size=%[2]dG"
	}
	set := map[string]string{
		"arch": "amd64", "ostype": "debian", "cores": itoa(1 + i%2), "memory": itoa(512 << (i % 3)), "swap": "512", "unprivileged": "1", "features": "nesting=1",
		"rootfs": fmt.Sprintf(store, g.VMID, 8+i%3*4),
		"net0":   fmt.Sprintf("name=eth0,bridge=vmbr0,hwaddr=%s,%s,type=veth", mixMAC(i, 0), lan(i, 20)),
	}
	if i%3 == 2 {
		set["net0"] = fmt.Sprintf("name=eth0,bridge=vmbr0,tag=30,firewall=1,hwaddr=%s,%s,type=veth", mixMAC(i, 0), lan(i, 30))
	}
	switch i % 16 {
	case 1:
		set["net0"] = fmt.Sprintf("name=eth0,bridge=vmbr0,hwaddr=%s,ip=dhcp,ip6=auto,type=veth,firewall=0,link_down=0", mixMAC(i, 0))
	case 3:
		set["features"] = "keyctl=1,nesting=1"
		set["mp0"] = fmt.Sprintf("local-hdd:%[1]d/vm-%[1]d-disk-1.raw,mp=/srv/data,backup=1,size=16G", g.VMID)
	case 5:
		delete(set, "unprivileged")
		delete(set, "features")
		set["mp0"] = "/tank/media,mp=/media,ro=1"
	case 7:
		set["nameserver"], set["searchdomain"] = "10.20.0.2 10.20.0.3", "example.net"
		set["cpulimit"], set["cpuunits"], set["swap"], set["protection"] = "0.5", "200", "0", "1"
	case 11:
		g.Running = false
		set["lxc.apparmor.profile"], set["console"], set["tty"] = "unconfined", "1", "2"
	}
	maps.Copy(g.Config, set)
}

func (m *mixer) machine(i int, g *Guest) {
	g.Kind = KindVM
	m.common(i, g, "name")
	uuid := fmt.Sprintf("00000000-0000-4000-8000-%012d", g.VMID)
	set := map[string]string{ //nolint:gosec // a made-up hash, no credential
		"cores": itoa(2 << (i % 2)), "memory": itoa(2048 << (i % 3)), "cpu": "x86-64-v2-AES", "ostype": "l26", "scsihw": "virtio-scsi-single", "agent": "1",
		"scsi0": fmt.Sprintf("local-nvme:vm-%d-disk-0,discard=on,iothread=1,size=%dG,ssd=1", g.VMID, 16<<(i%3)),
		"net0":  fmt.Sprintf("virtio=%s,bridge=vmbr0,firewall=1", mixMAC(i, 0)), "boot": "order=scsi0;net0",
		"smbios1": "uuid=" + uuid, "vmgenid": strings.Replace(uuid, "-8", "-9", 1), "meta": "creation-qemu=9.0.2,ctime=1730000000",
		"ide2": fmt.Sprintf("local-nvme:vm-%d-cloudinit,media=cdrom,size=4M", g.VMID), "ciuser": "admin",
		"cipassword": "$5$plain-as-it-was-given", "sshkeys": "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH%20admin%0A",
		"ipconfig0": lan(i, 20), "serial0": "socket", "vga": "serial0",
	}
	switch i % 24 {
	case 0:
		// Defaults written out, as the web interface does.
		set["cpu"], set["memory"], set["agent"], set["acpi"] = "cputype=host", "current=2048", "enabled=1,fstrim_cloned_disks=0", "1"
		set["net0"] += ",link_down=0,queues=0"
		set["sockets"], set["numa"], set["balloon"], set["tablet"] = "1", "0", "2048", "1"
	case 2:
		set["net0"] = fmt.Sprintf("virtio=%s,bridge=vmbr0,tag=30", mixMAC(i, 0))
		set["ipconfig0"] = "ip=dhcp"
		set["scsi1"] = fmt.Sprintf("local-hdd:%[1]d/vm-%[1]d-disk-1.qcow2,backup=0,cache=writeback,mbps_rd=50,size=64G", g.VMID)
	case 4:
		set["net1"] = fmt.Sprintf("virtio=%s,bridge=vmbr1,mtu=9000,rate=12.5", mixMAC(i, 1))
		set["hotplug"], set["protection"], set["cpulimit"] = "disk,network,usb,memory,cpu", "1", "2.5"
	case 6:
		set["bios"], set["machine"], set["ostype"] = "ovmf", "q35", "win11"
		set["efidisk0"] = fmt.Sprintf("local-nvme:vm-%d-disk-1,efitype=4m,pre-enrolled-keys=1,size=4M", g.VMID)
		set["tpmstate0"] = fmt.Sprintf("local-nvme:vm-%d-disk-2,size=4M,version=v2.0", g.VMID)
		set["sata1"] = "local:iso/virtio-win.iso,media=cdrom,size=708140K"
		set["vga"], set["usb0"] = "virtio,memory=64", "host=1234:5678"
		delete(set, "serial0")
	case 8, 9:
		set["scsihw"] = "virtio-scsi-pci"
		set["scsi0"] = fmt.Sprintf("ceph:vm-%d-disk-0,size=32G", g.VMID)
	case 10:
		set["args"] = "-fw_cfg name=opt/pw,string=password=correct-horse-battery"
		set["hostpci0"], set["rng0"] = "0000:01:00.0,pcie=1", "source=/dev/urandom"
	case 14:
		set["virtio0"] = fmt.Sprintf("local-hdd:%[1]d/vm-%[1]d-disk-0.raw,aio=native,cache=none,size=20G", g.VMID)
		set["boot"] = "order=virtio0"
		delete(set, "scsi0")
		delete(set, "smbios1")
	case 16:
		g.Running = false
		set["unused0"] = fmt.Sprintf("local-nvme:vm-%d-disk-3", g.VMID)
		set["balloon"], set["cicustom"] = "0", "user=local:snippets/user.yaml"
	case 18:
		g.Snapshots = []string{"before-upgrade"}
		set["sockets"], set["numa"], set["balloon"], set["shares"] = "2", "1", "1024", "1500"
	case 20:
		delete(set, "net0")
		delete(set, "ipconfig0")
		set["boot"], set["watchdog"] = "order=scsi0", "model=i6300esb,action=reset"
	}
	place := i % mixRound
	if holder := g.VMID - place + mixHolder; place == mixUser || place == mixUser+1 {
		set["scsi1"] = fmt.Sprintf("local-hdd:%[1]d/vm-%[1]d-disk-%[2]d.qcow2,size=%[3]dG", holder, place-mixUser, 100*(1+place-mixUser))
	}
	if place == mixClone && i%24 != 14 {
		set["scsi0"] = fmt.Sprintf("local-nvme:base-%d-disk-0/vm-%d-disk-0,discard=on,iothread=1,size=16G,ssd=1", g.VMID-1, g.VMID)
	}
	maps.Copy(g.Config, set)
}

// holder is a virtual machine that is never started and owns the disks of others.
func (m *mixer) holder(i int, g *Guest) {
	g.Kind, g.Running = KindVM, false
	g.Config = map[string]string{
		"name": fmt.Sprintf("data-%03d", i), "tags": "data",
		"scsi0":   fmt.Sprintf("local-hdd:%[1]d/vm-%[1]d-disk-0.qcow2,size=100G", g.VMID),
		"scsi1":   fmt.Sprintf("local-hdd:%[1]d/vm-%[1]d-disk-1.qcow2,size=200G", g.VMID),
		"smbios1": fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", g.VMID),
	}
}

func (m *mixer) template(i int, g *Guest) {
	g.Kind, g.Running = KindVM, false
	g.Config = map[string]string{
		"name": fmt.Sprintf("debian-12-%03d", i), "template": "1", "ostype": "l26", "tags": "template",
		"scsi0": fmt.Sprintf("local-nvme:base-%d-disk-0,size=16G", g.VMID), "smbios1": fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", g.VMID),
	}
}

// trouble gives a guest what passes, or should.
func (m *mixer) trouble(i int, g *Guest) {
	place := i % mixRound
	ordinary := place != mixHolder && place != mixTemplate
	switch i % 30 {
	case 3, 14:
		g.Lock = "backup"
	case 6, 21:
		if g.Running && ordinary {
			g.Pending = map[string]string{"memory": "6144"}
			if g.Kind == KindVM {
				g.Pending["net5"] = fmt.Sprintf("virtio=%s,bridge=vmbr1", mixMAC(i, 5))
				g.PendingDelete = []string{"vga"}
			}
		}
	case 18:
		if g.Kind == KindVM && ordinary {
			g.Config["scsi3"] = "local-nvme:vm-99999-disk-0,size=8G"
		}
	case 24:
		if ordinary {
			// A creation that broke off.
			g.Config, g.Lock, g.Running = map[string]string{}, "create", false
		}
	}
}
