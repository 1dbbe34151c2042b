package proxmox

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// sayable are options with a value that a manifest can say whole: what the fuzz
// targets begin with, and what their property must not be empty for.
func sayable() map[string][]map[string]string {
	const volume = "local-lvm:vm-4001-disk-1"
	one := func(option string, values ...string) []map[string]string {
		var all []map[string]string
		for _, value := range values {
			all = append(all, map[string]string{option: value})
		}
		return all
	}
	return map[string][]map[string]string{
		"vm drive": slices.Concat(
			one("scsi1", volume+",size=8G", "file="+volume+",size=8G", volume+",size=8G,discard=on,ssd=1,iothread=1",
				"local:4001/vm-4001-disk-1.qcow2,aio=native,backup=0,cache=writeback,discard=ignore,iops_rd=100,iops_wr=200,mbps_rd=1.5,mbps_wr=2,replicate=0,ro=1,serial=a-b,size=32G,ssd=0",
				volume+",bps_rd=5242880,detect_zeroes=1,mbps_rd_max=3,size=4608M,werror=stop"),
			one("virtio0", volume+",size=512M", volume+",size=1T,iothread=1"), one("sata0", volume+",size=1G,ssd=1"), one("ide0", volume+",size=1G"),
		),
		"vm cdrom":    one("ide2", "none,media=cdrom"),
		"vm firmware": slices.Concat([]map[string]string{{"bios": "ovmf", "efidisk0": volume + ",efitype=4m,pre-enrolled-keys=1,size=4M"}, {"bios": "ovmf", "efidisk0": volume + ",size=528K"}}, one("tpmstate0", volume+",size=4M,version=v2.0")),
		"vm nic": one("net1", "virtio=BC:24:11:00:00:01,bridge=vmbr0", "model=e1000,macaddr=bc:24:11:00:00:01,bridge=vmbr0,firewall=0,link_down=0",
			"virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,link_down=1,mtu=1,queues=4,rate=0.5,tag=30,trunks=1;2", "vmxnet3=BC:24:11:00:00:01,bridge=vmbr1,mtu=9000,rate=12.5", "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=5"),
		"vm agent":   one("agent", "1", "0", "enabled=1", "1,fstrim_cloned_disks=1", "enabled=1,type=isa,freeze-fs-on-backup=0"),
		"vm cpu":     one("cpu", "host", "cputype=host", "x86-64-v2-AES,flags=+aes;-pcid", "cputype=kvm64,hidden=1,flags=-spec-ctrl,phys-bits=host", "qemu64,flags=+pcid"),
		"vm display": one("vga", "std", "qxl", "type=qxl,memory=32", "serial0", "virtio-gl,memory=256", "none"),
		"vm machine": one("machine", "q35", "pc-i440fx-8.1", "q35,viommu=intel", "type=q35,viommu=virtio", "pc"),
		"vm boot":    one("boot", "order=scsi0;net0", "order=scsi0"),
		"vm hotplug": one("hotplug", "1", "network,disk,usb", "disk", "disk,network,usb,memory,cpu", "0"),
		"vm plain": slices.Concat(one("cores", "4"), one("sockets", "2"), one("cpuunits", "200"), one("cpulimit", "1.5", "0"), one("numa", "1", "0"), one("memory", "2048", "current=2048"),
			[]map[string]string{{"memory": "2048", "balloon": "512"}, {"memory": "2048", "balloon": "0"}}, one("bios", "ovmf"), one("scsihw", "pvscsi"), one("ostype", "win11"),
			one("serial0", "socket"), one("tablet", "0"), one("keyboard", "de"), one("protection", "1"), one("onboot", "1", "0"), one("tags", "prod;web", "a,b c")),
		"vm startup": {{"onboot": "1", "startup": "order=100,up=30,down=60"}, {"onboot": "1", "startup": "down=60,up=30,order=100"}, {"onboot": "1", "startup": "order=200"}, {"onboot": "1", "startup": "200"}},
		"ct root":    one("rootfs", "local-zfs:subvol-4001-disk-0,size=4G", "volume=local-lvm:vm-4001-disk-0,size=8G,ro=1,replicate=0,mountoptions=noatime;nodev,acl=1"),
		"ct mount":   one("mp0", "local-lvm:vm-4001-disk-1,mp=/srv,size=1G", "local-lvm:vm-4001-disk-1,acl=1,backup=1,mountoptions=noatime;nosuid,mp=/srv/x,quota=1,replicate=0,ro=1,size=2G"),
		"ct nic": one("net1", "name=eth1,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth", "name=eth1,bridge=vmbr0,firewall=1,gw=10.1.1.1,hwaddr=bc:24:11:00:00:01,ip=10.1.1.7/24,type=veth,mtu=1400,rate=1.5",
			"name=lan0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01,ip=dhcp,ip6=auto,link_down=1,trunks=2,type=veth", "name=eth1,bridge=vmbr0,gw6=fd00::1,hwaddr=BC:24:11:00:00:01,ip=manual,ip6=FD00:0::7/64,type=veth", "name=eth1,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip6=dhcp"),
		"ct features": one("features", "nesting=1", "nesting=0"),
		"ct plain": slices.Concat(one("cores", "2"), one("cpuunits", "50", "0"), one("cpulimit", "0.5"), one("memory", "256"), one("swap", "0", "128"), one("nameserver", "10.1.1.1 10.1.1.2", "fd00::1,10.1.1.1"),
			one("searchdomain", "example.net lab.example.net"), one("protection", "1"), one("tags", "a;b")),
	}
}

// TestOptionsAreSaidAndWrittenBack holds what the targets below hold, of options that
// must not be refused.
func TestOptionsAreSaidAndWrittenBack(t *testing.T) {
	t.Parallel()
	for name, options := range sayable() {
		kind := name[:2]
		for _, option := range options {
			t.Run(name, func(t *testing.T) {
				conf := around(kind)
				maps.Copy(conf, option)
				for key := range option {
					for _, refused := range saySame(t, kind, key, conf) {
						// What is off need not be said of what does not have it.
						off := slices.Contains([]string{"false", "0", "0MiB", "0MiB/s", "raw", "none"}, refused.text)
						if usual := strings.Contains(refused.why, "alone: take it out") || strings.Contains(refused.why, "in every backup"); !off && !usual {
							t.Errorf("%v: %q: %s", option, refused.text, refused.why)
						}
					}
				}
			})
		}
	}
}

// around is what else stands in a guest's configuration.
func around(kind string) map[string]string {
	if kind == desired.KindContainer {
		return map[string]string{"hostname": "web", "rootfs": "local-lvm:vm-4001-disk-0,size=4G"}
	}
	return map[string]string{"name": "web", "scsi0": "local-lvm:vm-4001-disk-0,size=4G", "net0": "virtio=BC:24:11:00:00:0F,bridge=vmbr0"}
}

// fuzzOption lets anything stand in options of a kind, and asks that it means the same
// in the manifest's words.
func fuzzOption(f *testing.F, name string) {
	f.Helper()
	kind, options := name[:2], make(map[string]bool)
	for _, seed := range sayable()[name] {
		for option, value := range seed {
			options[option] = true
			f.Add(option, value)
		}
	}
	f.Fuzz(func(t *testing.T, option, value string) {
		if !options[option] || value == "" || len(value) > 4096 || unkept(kind, option, value) {
			return
		}
		value = strings.ToValidUTF8(value, "\ufffd") // As JSON is read.
		conf := around(kind)
		switch option {
		case "startup":
			conf["onboot"] = "1"
		case efi:
			conf["bios"] = "ovmf"
		}
		conf[option] = value
		_ = saySame(t, kind, option, conf)
	})
}

func FuzzDrive(f *testing.F)    { fuzzOption(f, "vm drive") }
func FuzzCDROM(f *testing.F)    { fuzzOption(f, "vm cdrom") }
func FuzzFirmware(f *testing.F) { fuzzOption(f, "vm firmware") }
func FuzzNIC(f *testing.F)      { fuzzOption(f, "vm nic") }
func FuzzAgent(f *testing.F)    { fuzzOption(f, "vm agent") }
func FuzzCPU(f *testing.F)      { fuzzOption(f, "vm cpu") }
func FuzzDisplay(f *testing.F)  { fuzzOption(f, "vm display") }
func FuzzMachine(f *testing.F)  { fuzzOption(f, "vm machine") }
func FuzzBoot(f *testing.F)     { fuzzOption(f, "vm boot") }
func FuzzHotplug(f *testing.F)  { fuzzOption(f, "vm hotplug") }
func FuzzStartup(f *testing.F)  { fuzzOption(f, "vm startup") }
func FuzzVMOption(f *testing.F) { fuzzOption(f, "vm plain") }
func FuzzRootFS(f *testing.F)   { fuzzOption(f, "ct root") }
func FuzzMount(f *testing.F)    { fuzzOption(f, "ct mount") }
func FuzzCTNIC(f *testing.F)    { fuzzOption(f, "ct nic") }
func FuzzFeatures(f *testing.F) { fuzzOption(f, "ct features") }
func FuzzCTOption(f *testing.F) { fuzzOption(f, "ct plain") }

// TestAContainerOfNoWeight holds that a weight of 0, which containers may have, is
// written: taken away it would be 100 again, at each turn.
func TestAContainerOfNoWeight(t *testing.T) {
	t.Parallel()
	if got := ctOption("cpuunits", &desired.Container{CPU: desired.CPU{Units: 0}}); got != "0" {
		t.Errorf("a weight of 0 is written as %q", got)
	}
}

// unkept tells of an option that Proxmox never keeps: its formats refuse a part that
// stands twice, and for devices one whose key is no word, a drive without a volume, a
// model or bridge that is no word, and an address whose prefix is none.
func unkept(kind, option, value string) bool {
	first := ""
	switch {
	case driveSlot(kind, option):
		first = volumeKey(kind)
	case nicSlot(option) && kind == desired.KindVM:
		first = "model"
	case option == "agent":
		first = "enabled"
	case option == "cpu":
		first = "cputype"
	case option == "vga" || option == "machine":
		first = "type"
	case option == "startup":
		first = "order"
	}
	seen := make(map[string]bool)
	device := driveSlot(kind, option) || nicSlot(option)
	for _, part := range notation.Parse(first, value).Parts {
		if seen[part.Key] || device && !isWord(part.Key) || (part.Key == "model" || part.Key == "bridge") && !isWord(part.Value) {
			return true
		}
		if driveSlot(kind, option) && part.Key == first && part.Value == "" {
			return true
		}
		if _, err := netip.ParsePrefix(part.Value); err != nil && strings.Contains(part.Value, "/") && (part.Key == "ip" || part.Key == "ip6") {
			return true
		}
		seen[part.Key] = true
	}
	return driveSlot(kind, option) && !seen[first]
}

func isWord(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-'
	})
}
