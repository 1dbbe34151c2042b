package pvesim

import "fmt"

// Homelab is a populated example: one node proxmox-1 with the storages of a home
// server, 23 guests that belong to somebody else, and a template. Options.Nodes, Storages and
// Bridges are replaced.
func Homelab(o Options) *Cluster {
	o.Nodes = []string{"proxmox-1"}
	o.Bridges = []string{"vmbr0"}
	o.Storages = []Storage{
		{Name: "local", Type: "dir", Content: []string{"iso", "vztmpl", "import", "backup"}, Size: 100 << 30},
		{Name: "local-nvme", Type: "lvmthin", Content: []string{"images", "rootdir"}, Size: 900 << 30},
		{Name: "local-hdd", Type: "dir", Content: []string{"images", "rootdir", "backup"}, Path: "/mnt/local-hdd", Size: 4 << 40},
		{Name: "lab-hdd", Type: "dir", Content: []string{"images", "rootdir"}, Path: "/mnt/lab-hdd", Size: 2 << 40},
	}
	c := New(o)
	for _, v := range []struct {
		id      int
		name    string
		storage string
		gib     int
		running bool
	}{
		{101, "coco", "local-nvme", 32, true},
		{110, "vrising-04", "local-nvme", 24, false},
		{111, "vrising-05", "local-nvme", 24, false},
		{1012, "proxy", "local-nvme", 8, true},
		{9003, "patchwork-blue", "local-nvme", 16, false},
		{9007, "archon-04", "local-nvme", 64, true},
		{11000, "nfs-blue", "local-nvme", 8, true},
		{11010, "prod-ansible-legacy", "local-nvme", 8, false},
		{21001, "gitea-green", "local-nvme", 16, true},
		{21110, "terraform-state", "local-nvme", 8, true},
		{29000, "coder-blue", "local-nvme", 32, true},
		{42100, "freshrss-blue", "local-nvme", 8, true},
		{60000, "nextcloud-blue", "local-nvme", 32, false},
		{60001, "nextcloud-green", "local-nvme", 32, true},
		{60002, "lms-00", "local-nvme", 16, true},
		{60003, "collabora-code", "local-nvme", 16, true},
	} {
		disk := fmt.Sprintf("%s:vm-%d-disk-0,discard=on,size=%dG", v.storage, v.id, v.gib)
		c.AddGuest(homelabVM(v.id, v.name, disk, v.running))
	}
	// Guests that only hold the disks of others, and a template.
	for id, disks := range map[int]struct {
		name string
		gib  int
	}{
		911000: {"nfs-disks", 1024}, 911010: {"prod-ansible-disks", 1}, 921000: {"gitea-disks", 64}, 921010: {"lab-ansible-disks", 1},
		921110: {"terraform-state-disks", 20}, 929000: {"coder-disks", 100}, 942100: {"freshrss-disks", 8},
	} {
		c.AddGuest(homelabVM(id, disks.name, fmt.Sprintf("local-hdd:%d/vm-%d-disk-0.qcow2,size=%dG", id, id, disks.gib), false))
	}
	tmpl := homelabVM(9005, "archon-template", "local-nvme:base-9005-disk-0,size=16G", false)
	tmpl.Config["template"] = "1"
	c.AddGuest(tmpl)
	return c
}

func homelabVM(id int, name, disk string, running bool) Guest {
	mac := fmt.Sprintf("BC:24:11:%02X:%02X:%02X", id>>16&255, id>>8&255, id&255)
	return Guest{Kind: KindVM, VMID: id, Running: running, Config: map[string]string{
		"name": name, "cores": "2", "memory": "2048", "ostype": "l26", "scsihw": "virtio-scsi-single", "onboot": "1",
		"scsi0": disk, "boot": "order=scsi0", "net0": "virtio=" + mac + ",bridge=vmbr0", "agent": "1",
		"meta":    "creation-qemu=9.0.2,ctime=1730000000",
		"smbios1": fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", id),
		"vmgenid": fmt.Sprintf("00000000-0000-4000-9000-%012d", id),
	}}
}
