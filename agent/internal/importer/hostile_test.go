package importer

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

// hostileValues are what people, tools and enemies write into options.
var hostileValues = []string{
	"", "0", "1", "yes", "no", "on", "off", "null", "~", "1e3", "0x10", "0o7", "1_000", "-1", "1.5", ".inf", "2001-01-01", "12:30:45", "<<", "=", "!!binary aGk=", "*a", "&a b",
	"a: b # c", "{a: 1}", "[x", "| \n x", "> x", "%YAML 1.2", "---", "...", "- a\n- b", "kind: VM\nname: other\nid: 105", "\x00", "\x1b[31m", "é", "日本", "\u2028", "\ufeffx", "\u202eabc",
	"../../../etc/passwd", "/etc/passwd", "..", ".", "con", "all", "vm", strings.Repeat("x", 300), "order=1,up=2,down=3", "order=0", "up=5", "99999999999999999999", "local:iso/x.iso,media=cdrom",
	"local-lvm:vm-101-disk-0,size=8G", "local-lvm:vm-102-disk-1,size=0T,ssd=2", "local-lvm:vm-999-disk-0", ":", ",", ",,,", "=,=", "size=8G", "none", "virtio=zz,bridge=vmbr0", "virtio,bridge=vmbr0,tag=9999",
	"e1000=BC:24:11:00:00:01,bridge=vmbr0,tag=30,mtu=1,rate=0.1,queues=99", "name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01,ip=10.1.1.999/24,gw=x", "name=a b,bridge=vmbr0,ip=dhcp,ip6=auto",
	"host,flags=+aes;-pcid", "custom-x", "enabled=1,type=isa,fstrim_cloned_disks=1", "512", "268435456", "x86-64-v2-AES", "q35,viommu=intel", "nesting=1,keyctl=1,mount=nfs;cifs,mknod=1", "local-zfs:subvol-104-disk-0,size=4G,mp=/srv/x,backup=1",
	"/dev/sdb", "/mnt/x,mp=/mnt/x", "local-zfs:subvol-104-disk-9,mp=../x,size=1G", "{{ lookup('env','HOME') }}", "${HOME}", "$(id)", "`id`", "'", "\"", "\\", "\t", "a\tb", " lead", "trail ", "a;b;c", "a b,c",
}

var hostileKeys = map[string][]string{
	"qemu": {
		"name", "tags", "description", "cores", "sockets", "vcpus", "memory", "balloon", "shares", "cpu", "cpulimit", "cpuunits", "affinity", "numa", "numa0", "hugepages", "bios", "machine", "scsihw", "ostype", "boot", "bootdisk", "agent",
		"onboot", "startup", "protection", "tablet", "keyboard", "vga", "serial0", "serial1", "hotplug", "localtime", "args", "hookscript", "smbios1", "vmgenid", "parent", "lock", "rng0", "watchdog", "audio0", "hostpci0", "usb0", "tpmstate0", "efidisk0",
		"scsi0", "scsi1", "virtio0", "sata0", "ide0", "ide2", "unused0", "net0", "net1", "net9", "ipconfig0", "ciuser", "cipassword", "sshkeys", "nameserver", "searchdomain", "cicustom", "migrate_speed", "startdate", "freeze", "acpi", "kvm", "spice_enhancements", "ivshmem", "weird",
	},
	"lxc": {
		"hostname", "tags", "description", "cores", "cpulimit", "cpuunits", "memory", "swap", "ostype", "arch", "onboot", "startup", "protection", "features", "rootfs", "mp0", "mp1", "mp12", "net0", "net1", "unused0", "nameserver", "searchdomain",
		"console", "tty", "cmode", "debug", "hookscript", "timezone", "unprivileged", "dev0", "lxc.environment", "env", "lock", "parent", "template", "weird",
	},
}

// TestAnythingImports imports guests whose options hold anything at all: what is
// written loads, and plans nothing but adoption.
func TestAnythingImports(t *testing.T) {
	seeds := 10
	if n, err := strconv.Atoi(os.Getenv("IMPORT_SEEDS")); err == nil {
		seeds = n
	}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 7))
		sim := pvesim.New(pvesim.Options{})
		for i := range 25 {
			id := 100 + i
			g := pvesim.Guest{VMID: id, Running: r.IntN(2) == 0, Config: map[string]string{}}
			kind := "qemu"
			if i%3 == 0 {
				kind, g.Kind = "lxc", pvesim.KindCT
				g.Config["hostname"], g.Config["rootfs"], g.Config["memory"] = fmt.Sprintf("ct%d", id), fmt.Sprintf("local-zfs:subvol-%d-disk-0,size=4G", id), "512"
				g.Config["net0"] = fmt.Sprintf("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:01:%02X,ip=dhcp", i)
			} else {
				g.Config["name"], g.Config["scsi0"], g.Config["memory"] = fmt.Sprintf("vm%d", id), fmt.Sprintf("local-lvm:vm-%d-disk-0,size=8G", id), "512"
				g.Config["smbios1"] = fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", id)
				g.Config["net0"] = fmt.Sprintf("virtio=BC:24:11:00:00:%02X,bridge=vmbr0", i)
			}
			for range r.IntN(6) {
				keys := hostileKeys[kind]
				key := keys[r.IntN(len(keys))]
				value := hostileValues[r.IntN(len(hostileValues))]
				if r.IntN(8) == 0 {
					g.Pending = map[string]string{key: value}
					continue
				}
				g.Config[key] = value
			}
			sim.AddGuest(g)
		}
		s := newSite(sim)
		survey := s.survey(t)
		made, err := Make(survey, options())
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			for _, g := range sim.Guests() {
				t.Logf("%d %q %q", g.VMID, g.Config, g.Pending)
			}
			continue
		}
		for name := range made.Files {
			if !fs.ValidPath(name) {
				t.Errorf("seed %d: %q", seed, name)
			}
		}
		fleet, err := desired.Load(tree(made))
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		_, plan := s.look(t, fleet)
		for _, c := range plan.Changes {
			locked := slices.ContainsFunc(plan.Foreign, func(f drift.Foreign) bool { return f.ID == c.ID && strings.Contains(f.Reason, "locked") })
			if !locked && (c.Step != drift.Adopt || strings.Contains(c.Reason, "differ")) {
				t.Errorf("seed %d: %s: %s\n%s", seed, c.Key, c.Reason, made.Files["guests/"+c.ID.Name()+".yaml"])
				for _, f := range c.Fields {
					t.Logf("%s %q → %q", f.Path, f.Before.Text, f.After.Text)
				}
			}
		}
		for _, req := range sim.Requests() {
			if req.Write() {
				t.Errorf("seed %d: %s %s", seed, req.Method, req.Path)
			}
		}
	}
}

// TestNamesClash imports guests whose names run into the names that others get.
func TestNamesClash(t *testing.T) {
	sim := pvesim.New(pvesim.Options{})
	for id, name := range map[int]string{100: "web", 101: "web-102", 102: "web", 103: "Web", 104: "web-103", 105: "vm-106", 106: "", 107: "all", 110: "ALL-107", 108: "fleet", 109: "site"} {
		sim.AddGuest(pvesim.Guest{VMID: id, Config: map[string]string{"name": name, "smbios1": fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", id)}})
	}
	s := newSite(sim)
	made := s.make(t, options())
	fleet := load(t, tree(made))
	if len(made.Taken) != 11 || len(fleet.Resources) != 11 {
		t.Errorf("%d taken, %d loaded: %+v %+v", len(made.Taken), len(fleet.Resources), made.Taken, made.LeftOut)
	}
	_, plan := s.look(t, fleet)
	onlyAdoption(t, plan)
	if len(plan.Changes) != 11 {
		t.Errorf("%d adoptions", len(plan.Changes))
	}
}

// TestFilesClash adds guests to manifests whose files have their names already.
func TestFilesClash(t *testing.T) {
	s := newSite(small())
	o := options()
	o.Pick = Pick{IDs: []int{100}}
	existing := tree(s.make(t, o))
	// web's manifest stands in the file that db-1's would be; its own is gone.
	existing["guests/db-1.yaml"] = existing["guests/web.yaml"]
	delete(existing, "guests/web.yaml")
	existing["site.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(string(existing["site.yaml"].Data), "foreign: [101-104]", "foreign: [102-104]", 1))}
	o = options()
	o.Existing, o.Pick = existing, Pick{IDs: []int{101}}
	made := s.make(t, o)
	for name := range made.Files {
		if existing[name] != nil {
			t.Errorf("%s is there already", name)
		}
	}
	if len(made.Taken) != 1 || len(made.Files) != 1 {
		t.Errorf("%+v %+v", made.Taken, made.LeftOut)
	}
	for name, file := range existing {
		made.Files[name] = file.Data
	}
	_, plan := s.look(t, load(t, tree(made)))
	onlyAdoption(t, plan)
}

// TestADataVMOfAnyName imports a data VM that Proxmox calls what no DataVM may be.
func TestADataVMOfAnyName(t *testing.T) {
	sim := pvesim.New(pvesim.Options{})
	uuid := func(id int) string { return fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", id) }
	sim.AddGuest(pvesim.Guest{VMID: 100, Config: map[string]string{"name": "Data.example.net", "smbios1": uuid(100), "scsi0": "local-lvm:vm-100-disk-0,size=8G"}})
	sim.AddGuest(pvesim.Guest{VMID: 101, Config: map[string]string{"name": "web", "smbios1": uuid(101), "scsi1": "local-lvm:vm-100-disk-0,size=8G"}})
	s := newSite(sim)
	made := s.make(t, options())
	if text := string(made.Files["guests/data.yaml"]); len(made.Taken) != 2 || !strings.Contains(text, "kind: DataVM") || !strings.Contains(text, "ignore: [hostname]") {
		t.Errorf("%+v %+v\n%s", made.Taken, made.LeftOut, text)
	}
	_, plan := s.look(t, load(t, tree(made)))
	onlyAdoption(t, plan)
}

// TestLostNamesStayInside takes no path out of what stands in a description.
func TestLostNamesStayInside(t *testing.T) {
	sim := pvesim.New(pvesim.Options{})
	for id, stamp := range map[int]string{100: "vm/../../x", 101: "vm/Web", 102: "vm/web", 103: "vm/web", 104: "vm/a/b"} {
		sim.AddGuest(pvesim.Guest{VMID: id, Config: map[string]string{
			"name": "n" + desired.Text(id), "smbios1": fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", id), "tags": "berth.fleet",
			"description": fmt.Sprintf("berth: fleet/%s home#%d uid=5b1f0c2e", stamp, id),
		}})
	}
	s := newSite(sim)
	made := s.make(t, options())
	load(t, tree(made))
	for name := range made.Files {
		if !fs.ValidPath(name) || strings.Count(name, "/") > 1 {
			t.Errorf("%s", name)
		}
	}
	if len(made.Taken) != 5 || made.Files["guests/web.yaml"] == nil {
		t.Errorf("%+v %+v", made.Taken, made.LeftOut)
	}
}
