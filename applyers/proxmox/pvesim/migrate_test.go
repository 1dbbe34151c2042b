package pvesim

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// three is a cluster of two nodes with a shared storage, and one that the second
// node does not have.
func three(o Options) *Cluster {
	o.Nodes = []string{"pve1", "pve2"}
	o.Storages = []Storage{
		{Name: "local", Type: "dir", Content: []string{"iso", "images", "rootdir", "vztmpl"}},
		{Name: "local-lvm", Type: "lvmthin"},
		{Name: "nfs", Type: "nfs", Shared: true, Content: []string{"images", "rootdir", "iso"}},
		{Name: "only1", Type: "lvmthin", Nodes: []string{"pve1"}},
	}
	return New(o)
}

func TestMigrationOfVMs(t *testing.T) {
	const at, with = "POST /qemu/100/migrate target=pve2", "&with-local-disks=1"
	for name, x := range map[string]struct {
		running bool
		conf    map[string]string
		steps   []step
		node    string
		slot    string // scsi0 afterwards
	}{
		"shared": {true, map[string]string{"scsi0": "nfs:100/vm-100-disk-0.qcow2,size=1G"}, []step{{at, "500 without --online"}, {at + "&online=1", "task OK"}}, "pve2", "nfs:100/vm-100-disk-0.qcow2,size=1G"},
		"stopped takes local disks along": {
			false,
			map[string]string{"scsi0": "local-lvm:vm-100-disk-0,size=1G", "ide2": "none,media=cdrom", "unused0": "local:100/vm-100-disk-9.raw"},
			[]step{{at, "task OK"}},
			"pve2", "local-lvm:vm-100-disk-0,size=1G",
		},
		"to another storage": {
			true,
			map[string]string{"scsi0": "only1:vm-100-disk-0,size=1G,ssd=1"},
			[]step{{at + "&online=1" + with, "500 storage 'only1' is not available on node 'pve2'"}, {at + "&online=1" + with + "&targetstorage=only1:local-lvm", "task OK"}},
			"pve2", "local-lvm:vm-100-disk-0,size=1G,ssd=1",
		},
		"to a storage of files": {
			false,
			map[string]string{"scsi0": "only1:vm-100-disk-0,size=1G"},
			[]step{{at + "&targetstorage=local", "task OK"}},
			"pve2", "local:100/vm-100-disk-0.raw,size=1G",
		},
		"local CD-ROM": {false, map[string]string{"ide2": "local:iso/x.iso,media=cdrom"}, []step{{at, "task migration aborted"}}, "pve1", ""},
		"foreign disk": {false, map[string]string{"scsi0": "local-lvm:vm-101-disk-0,size=1G"}, []step{{at, "task migration aborted"}}, "pve1", "local-lvm:vm-101-disk-0,size=1G"},
		"host device":  {false, map[string]string{"hostpci0": "00:02.0"}, []step{{at, "task migration aborted"}}, "pve1", ""},
		"no bridge":    {true, map[string]string{"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr7"}, []step{{at + "&online=1", "task migration aborted"}}, "pve1", ""},
		"locked":       {false, map[string]string{"lock": "backup"}, []step{{at, "500 VM is locked (backup)"}}, "pve1", ""},
		"unknown storage": {
			false,
			map[string]string{"scsi0": "local-lvm:vm-100-disk-0,size=1G"},
			[]step{{at + "&targetstorage=nowhere", "500 storage 'nowhere' does not exist"}},
			"pve1", "local-lvm:vm-100-disk-0,size=1G",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := three(Options{})
			c.AddVolume(Volume{ID: "local:iso/x.iso", Size: 1 << 20})
			conf := map[string]string{"name": "a"}
			maps.Copy(conf, x.conf)
			c.AddGuest(Guest{VMID: 101, Config: map[string]string{"name": "data", "scsi0": "local-lvm:vm-101-disk-0,size=1G"}})
			c.AddGuest(Guest{VMID: 100, Running: x.running, Config: conf})
			run(t, c, rootClient(t, c), 100, x.steps)
			g, _ := c.Guest(100)
			if g.Node != x.node || g.Running != x.running || g.Lock == "migrate" || x.slot != "" && g.Config["scsi0"] != x.slot {
				t.Errorf("%+v", g)
			}
			for _, v := range c.Volumes() {
				if v.Owner == 100 && v.Node != "" && v.Node != x.node {
					t.Errorf("%s is on %s", v.ID, v.Node)
				}
			}
		})
	}
}

func TestMigrationIsLockedAndEndsOnTheOtherNode(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := three(Options{Now: func() time.Time { return now }, TaskTime: func(string) time.Duration { return time.Minute }})
	c.AddGuest(Guest{VMID: 100, Running: true, Config: map[string]string{"name": "a", "scsi0": "nfs:100/vm-100-disk-0.qcow2,size=1G"}})
	api := rootClient(t, c)
	api.ok("POST", vm100+"/migrate", form("target", "pve2", "online", "1"))
	if got := api.config(vm100 + "/config")["lock"]; got != "migrate" {
		t.Errorf("lock = %v", got)
	}
	api.fails("PUT", vm100+"/config", form("cores", "2"), 500, "got timeout")
	now = now.Add(2 * time.Minute)
	api.fails("GET", vm100+"/config", nil, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist")
	if got := api.config("/nodes/pve2/qemu/100/config")["lock"]; got != nil {
		t.Errorf("lock = %v", got)
	}
	// A node that is down can't be reached.
	c.SetOnline("pve1", false)
	api.ok("POST", "/nodes/pve2/qemu/100/migrate", form("target", "pve1", "online", "1"))
	now = now.Add(2 * time.Minute)
	tasks := c.Tasks()
	last := tasks[len(tasks)-1]
	if g, _ := c.Guest(100); g.Node != "pve2" || g.Lock != "" || last.Exit != "migration aborted" || !strings.Contains(strings.Join(last.Log, "\n"), "Can't connect to destination address") {
		t.Errorf("%+v %+v", g, last)
	}
}

func TestMigrationOfContainers(t *testing.T) {
	c := three(Options{})
	c.AddGuest(Guest{Kind: KindCT, VMID: 100, Running: true, Config: map[string]string{"hostname": "a", "memory": "512", "rootfs": "local-lvm:vm-100-disk-0,size=1G"}, Pending: map[string]string{"tty": "4"}})
	c.AddGuest(Guest{Kind: KindCT, VMID: 101, Config: map[string]string{"hostname": "b", "rootfs": "nfs:101/vm-101-disk-0.raw,size=1G", "mp0": "/srv,mp=/srv"}})
	var seen []bool
	c.OnPower(func(_ Guest, running bool) { seen = append(seen, running) })
	run(t, c, rootClient(t, c), 100, []step{
		{"POST /lxc/100/migrate target=pve2", "500 can't migrate running container without --online or --restart"},
		{"POST /lxc/100/migrate target=pve2&online=1", "task migration aborted"},
		{"POST /lxc/100/migrate target=pve2&with-local-disks=1", "400 with-local-disks: not defined"},
		{"POST /lxc/100/migrate target=pve2&restart=1", "task OK | conf tty=4"},
		{"POST /lxc/101/migrate target=pve2", "task migration aborted"},
	})
	c.Edit("root@pam", 101, map[string]string{"mp0": "/srv,mp=/srv,shared=1"})
	run(t, c, rootClient(t, c), 101, []step{{"POST /lxc/101/migrate target=pve2", "task OK"}})
	for _, id := range []int{100, 101} {
		if g, _ := c.Guest(id); g.Node != "pve2" || g.Running != (id == 100) {
			t.Errorf("%+v", g)
		}
	}
	if len(seen) != 2 || seen[0] || !seen[1] {
		t.Errorf("power %v", seen)
	}
}

func TestCloneOntoAnotherNode(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := three(Options{Now: func() time.Time { return now }, TaskTime: func(string) time.Duration { return time.Minute }})
	c.AddGuest(Guest{VMID: 900, Config: map[string]string{"name": "tmpl", "template": "1", "tags": "gold", "scsi0": "nfs:900/base-900-disk-0.qcow2,size=1G"}})
	c.AddGuest(Guest{VMID: 901, Config: map[string]string{"name": "local", "template": "1", "scsi0": "local-lvm:base-901-disk-0,size=1G"}})
	c.AddGuest(Guest{VMID: 902, Config: map[string]string{"name": "cd", "scsi0": "nfs:902/vm-902-disk-0.raw,size=1G", "ide2": "local:902/vm-902-cloudinit.qcow2,media=cdrom"}})
	c.AddGuest(Guest{Kind: KindCT, VMID: 903, Config: map[string]string{"hostname": "ct", "rootfs": "local-lvm:vm-903-disk-0,size=1G"}})
	api := rootClient(t, c)
	run(t, c, api, 100, []step{
		{"POST /qemu/900/clone newid=100&target=pve9", "500 no such cluster node 'pve9'"},
		{"POST /qemu/901/clone newid=100&target=pve2", "500 can't clone VM to node 'pve2' (VM uses local storage)"},
		{"POST /qemu/901/clone newid=100&target=pve2&full=1&storage=nfs", "500 can't clone VM to node 'pve2' (VM uses local storage)"},
		{"POST /qemu/900/clone newid=100&target=pve2&full=1&storage=local-lvm", "500 can't clone to non-shared storage 'local-lvm'"},
		{"POST /qemu/900/clone newid=100&target=pve2&full=1&storage=only1", "500 storage 'only1' is not available on node 'pve2'"},
		{"POST /qemu/902/clone newid=100&target=pve2", "500 can't clone VM to node 'pve2' (VM uses local storage)"},
		{"POST /lxc/903/clone newid=100&target=pve2&full=1", "500 can't clone CT to node 'pve2' (CT uses local storage)"},
		{"POST /qemu/900/clone newid=100&name=a&target=pve2", "ok | conf lock=clone"},
		{"POST /lxc/903/clone newid=101&full=1&storage=nfs&target=pve2", "ok"},
	})
	if g, _ := c.Guest(100); g.Node != "pve1" {
		t.Errorf("the stub is on %s", g.Node)
	}
	now = now.Add(2 * time.Minute)
	for _, id := range []int{100, 101} {
		if g, _ := c.Guest(id); g.Node != "pve2" || g.Lock != "" {
			t.Errorf("%+v", g)
		}
	}
	if g, _ := c.Guest(100); g.Config["scsi0"] != "nfs:900/base-900-disk-0.qcow2/100/vm-100-disk-0.qcow2,size=1G" || g.Config["tags"] != "gold" || g.Config["template"] != "" {
		t.Errorf("%+v", g)
	}
}

func TestWhatPeopleDoByHand(t *testing.T) {
	c := three(Options{})
	c.AddGuest(Guest{VMID: 100, Running: true, Pool: "a", Config: map[string]string{"name": "a", "tags": "x", "scsi0": "local-lvm:vm-100-disk-0,size=1G"}})
	c.Grow("root@pam", 100, "scsi0", 3<<30)
	c.Grow("root@pam", 100, "scsi9", 3<<30)
	c.Edit("root@pam", 100, map[string]string{"tags": "", "cores": "4"})
	c.Migrate(100, "pve2")
	c.SetPool(100, "b")
	g, _ := c.Guest(100)
	v := c.Volumes()
	if _, there := g.Config["tags"]; there || g.Config["scsi0"] != "local-lvm:vm-100-disk-0,size=3G" || g.Node != "pve2" || !g.Running || g.Pool != "b" || len(v) != 1 || v[0].Size != 3<<30 || v[0].Node != "pve2" {
		t.Errorf("%+v %+v", g, v)
	}
	c.SetPool(100, "")
	if g, _ := c.Guest(100); g.Pool != "" {
		t.Errorf("pool = %s", g.Pool)
	}
}

func TestWhatStandsAgainstAMigration(t *testing.T) {
	c := three(Options{})
	c.AddGuest(Guest{VMID: 100, Config: map[string]string{"name": "a", "scsi0": "only1:vm-100-disk-0,size=1G", "scsi1": "nfs:100/vm-100-disk-0.raw,size=1G", "ide2": "none,media=cdrom"}})
	c.AddGuest(Guest{VMID: 101, Config: map[string]string{"name": "b", "scsi0": "local-lvm:vm-101-disk-0,size=1G", "usb0": "host=1234:5678"}})
	api := rootClient(t, c)
	for id, want := range map[string]string{
		"100": "map[allowed_nodes:[] local_disks:[map[cdrom:0 size:1.073741824e+09 volid:only1:vm-100-disk-0]] local_resources:[] mapped-resources:[] not_allowed_nodes:map[pve2:map[unavailable_storages:[only1]]] running:0]",
		"101": "map[allowed_nodes:[pve2] local_disks:[map[cdrom:0 size:1.073741824e+09 volid:local-lvm:vm-101-disk-0]] local_resources:[usb0] mapped-resources:[] not_allowed_nodes:map[] running:0]",
	} {
		if got := fmt.Sprint(api.ok("GET", "/nodes/pve1/qemu/"+id+"/migrate", nil)); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
}
