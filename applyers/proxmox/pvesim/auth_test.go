package pvesim

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// A token sees what its rights show, and lists are filtered rather than refused.
func TestListsAreFilteredByRights(t *testing.T) {
	c, _ := withVM(t, Options{})
	c.AddGuest(Guest{VMID: 101, Config: map[string]string{"name": "other"}})
	tok := c.AddToken("berth@pve", "agent", true, ACL{Path: "/vms/101", Privs: []string{"VM.Audit"}})
	api := client{t: t, c: c, token: tok}
	ids := func(path string) []int {
		var out []int
		rows, _ := api.ok("GET", path, nil).([]any)
		for _, r := range rows {
			m, _ := r.(map[string]any)
			if id, ok := m["vmid"].(float64); ok {
				out = append(out, int(id))
			}
		}
		return out
	}
	for _, p := range []string{"/cluster/resources", "/nodes/pve1/qemu"} {
		if got := ids(p); !slices.Equal(got, []int{101}) {
			t.Errorf("%s shows %v", p, got)
		}
	}
	for _, p := range []string{"/storage", "/nodes/pve1/storage", "/pools", "/cluster/tasks"} {
		if rows, _ := api.ok("GET", p, nil).([]any); len(rows) != 0 {
			t.Errorf("%s shows %v", p, rows)
		}
	}
	api.fails("GET", vm100+"/config", nil, 403, "Permission check failed (/vms/100, VM.Audit)")
	// A guest that does not exist is refused in the same words.
	api.fails("GET", "/nodes/pve1/qemu/999/config", nil, 403, "Permission check failed (/vms/999, VM.Audit)")
	perms, _ := api.ok("GET", "/access/permissions", nil).(map[string]any)
	if len(perms) != 1 || perms["/vms/101"] == nil {
		t.Errorf("permissions = %v", perms)
	}
}

func TestRightsAreCheckedPerOption(t *testing.T) {
	c, _ := withVM(t, Options{})
	tok := c.AddToken("berth@pve", "agent", true, ACL{Path: "/vms", Propagate: true, Privs: []string{"VM.Audit", "VM.Config.CPU", "VM.Config.Options"}})
	api := client{t: t, c: c, token: tok}
	put := vm100 + "/config"
	api.ok("PUT", put, form("cores", "2", "onboot", "1"))
	api.fails("PUT", put, form("cores", "4", "memory", "1024"), 403, "(/vms/100, VM.Config.Memory)")
	if g, _ := c.Guest(100); g.Config["cores"] != "2" {
		t.Error("one forbidden option did not fail all of them")
	}
	api.fails("PUT", put, form("delete", "net0"), 403, "VM.Config.Network")
	api.fails("PUT", put, form("delete", "scsi0"), 403, "VM.Config.Disk")
	api.fails("PUT", put, form("scsi1", "local-lvm:1"), 403, "(/storage/local-lvm, Datastore.AllocateSpace)")
	api.fails("PUT", put, form("startup", "order=1"), 403, "(/, Sys.Modify)")
	api.fails("POST", "/nodes/pve1/qemu", form("vmid", "200"), 403, "Permission check failed")
	api.fails("POST", vm100+"/status/start", nil, 403, "VM.PowerMgmt")
	// What is wrong is told before what is forbidden.
	api.fails("PUT", put, form("memory", "x"), 400, "Parameter verification failed.")
}

// A token of root@pam is not root@pam.
func TestOptionsOfRootAlone(t *testing.T) {
	c, api := withVM(t, Options{})
	for k, v := range map[string]string{
		"args": "-x", "lock": "backup", "affinity": "0", "hugepages": "any", "keephugepages": "1", "amd-sev": "x", "arch": "x86_64",
		"parallel0": "/dev/parport0", "serial1": "/dev/ttyS0", "usb0": "host=1234:5678", "hostpci0": "host=00:02.0",
	} {
		api.fails("PUT", vm100+"/config", form(k, v), 500, "only root can set '"+k+"' config")
	}
	api.ok("PUT", vm100+"/config", form("serial0", "socket"))
	api.ok("PUT", vm100+"/config", form("hostpci0", "mapping=gpu"))
	c.Edit("root@pam", 100, map[string]string{"args": "-x"})
	api.ok("PUT", vm100+"/config", form("cores", "2"))
	c.AddGuest(Guest{Kind: KindCT, VMID: 200, Config: map[string]string{"hostname": "ct", "unprivileged": "0", "rootfs": "local-lvm:vm-200-disk-0,size=1G"}})
	ct := "/nodes/pve1/lxc/200/config"
	for _, f := range [][2]string{{"mp0", "/srv,mp=/srv"}, {"features", "keyctl=1"}, {"features", "nesting=1"}, {"dev0", "/dev/kvm"}, {"hookscript", "local:snippets/x.sh"}} {
		api.fails("PUT", ct, form(f[0], f[1]), 403, "is only allowed for root@pam")
	}
}

func TestImportAndForeignVolumes(t *testing.T) {
	c, api := withVM(t, Options{})
	c.AddVolume(Volume{ID: "local:iso/x.img", Data: Bytes("http://x/x.img")})
	c.AddVolume(Volume{ID: "local:import/x.qcow2", Data: Bytes("http://x/x.qcow2")})
	api.fails("PUT", vm100+"/config", form("scsi1", "local-lvm:0,import-from=local:iso/x.img"), 500, "content type 'iso'")
	api.fails("PUT", vm100+"/config", form("scsi1", "local-lvm:0,import-from=/tmp/x.raw"), 500, "Only root can pass arbitrary filesystem paths")
	api.ok("PUT", vm100+"/config", form("scsi1", "local-lvm:0,import-from=local:import/x.qcow2"))
	if got := api.config(vm100 + "/config")["scsi1"]; got != "local-lvm:vm-100-disk-1,size=2G" {
		t.Errorf("scsi1 = %v", got)
	}
	// The image's sum can be followed to the disk.
	for _, v := range c.Volumes() {
		if v.ID == "local-lvm:vm-100-disk-1" && v.SHA256 != Sum("http://x/x.qcow2", "sha256") {
			t.Errorf("sum = %s", v.SHA256)
		}
	}
	c.AddGuest(Guest{VMID: 101, Config: map[string]string{"name": "data", "scsi0": "local-lvm:vm-101-disk-0,size=4G"}})
	tok := c.AddToken("berth@pve", "agent", true, ACL{Path: "/vms/100", Role: "PVEVMAdmin"}, ACL{Path: "/storage/local-lvm", Role: "PVEDatastoreUser"})
	low := client{t: t, c: c, token: tok}
	low.fails("PUT", vm100+"/config", form("scsi2", "local-lvm:vm-101-disk-0"), 403, "(/vms/101, VM.Config.Disk)")
	api.ok("PUT", vm100+"/config", form("scsi2", "local-lvm:vm-101-disk-0"))
	// Destroying the owner takes the volume from under the other guest.
	c.SetRunning(100, true)
	if exit := api.task("DELETE", "/nodes/pve1/qemu/101", nil); exit != "OK" {
		t.Errorf("exit = %s", exit)
	}
	c.SetRunning(100, false)
	if exit := api.task("POST", vm100+"/status/start", nil); exit != "volume 'local-lvm:vm-101-disk-0' does not exist" {
		t.Errorf("exit = %s", exit)
	}
}

func TestRightsOnAPool(t *testing.T) {
	c, root := withVM(t, Options{})
	root.ok("POST", "/pools", form("poolid", "berth"))
	tok := c.AddToken("berth@pve", "agent", true, ACL{Path: "/pool/berth", Role: "PVEVMAdmin", Propagate: true}, ACL{Path: "/storage/local-lvm", Role: "PVEDatastoreUser"})
	api := client{t: t, c: c, token: tok}
	api.fails("GET", vm100+"/config", nil, 403, "VM.Audit")
	if exit := api.task("POST", "/nodes/pve1/qemu", form("vmid", "300", "pool", "berth", "scsi0", "local-lvm:1", "cores", "2")); exit != "OK" {
		t.Errorf("exit = %s", exit)
	}
	api.ok("PUT", "/nodes/pve1/qemu/300/config", form("cores", "3"))
	if g, _ := c.Guest(300); g.Pool != "berth" {
		t.Errorf("pool = %q", g.Pool)
	}
	// Deleting takes the guest out of the pool, without purge too.
	if exit := api.task("DELETE", "/nodes/pve1/qemu/300", nil); exit != "OK" {
		t.Errorf("exit = %s", exit)
	}
	root.ok("DELETE", "/pools?poolid=berth", nil)
}

// The log shows everybody's lines to those with Sys.Syslog alone.
func TestClusterLog(t *testing.T) {
	c, root := withVM(t, Options{})
	tok := c.AddToken("berth@pve", "agent", true, ACL{Path: "/", Role: "PVEVMAdmin", Propagate: true})
	api := client{t: t, c: c, token: tok}
	api.ok("PUT", vm100+"/config", form("cores", "2"))
	c.Edit("alice@pam", 100, map[string]string{"memory": "1024", "tags": ""})
	c.AddGuest(Guest{Kind: KindCT, VMID: 200, Config: map[string]string{"hostname": "ct"}})
	root.ok("PUT", "/nodes/pve1/lxc/200/config", form("cores", "2"))
	lines := func(c client) []string {
		var out []string
		rows, _ := c.ok("GET", "/cluster/log?max=50", nil).([]any)
		for _, r := range rows {
			m, _ := r.(map[string]any)
			out = append(out, m["user"].(string)+": "+m["msg"].(string))
		}
		return out
	}
	want := []string{"alice@pam: update VM 100: -memory 1024 -delete tags", "berth@pve!agent: update VM 100: -cores 2"}
	if got := lines(root); !slices.Equal(got, want) {
		t.Errorf("root sees %q", got)
	}
	if got := lines(api); !slices.Equal(got, want[1:]) {
		t.Errorf("the token sees %q", got)
	}
}

func TestBuiltinRolesNameKnownPrivileges(t *testing.T) {
	for _, r := range slices.Sorted(maps.Keys(builtinRoles())) {
		for _, p := range builtinRoles()[r] {
			if !slices.Contains(allPrivs(), p) || strings.TrimSpace(p) != p {
				t.Errorf("%s has %q", r, p)
			}
		}
	}
}

// What a token needs beside the rights on the guest itself.
func TestRightsOnBridgesAndStorages(t *testing.T) {
	c, root := withVM(t, Options{})
	c.AddVolume(Volume{ID: "local:import/x.raw", Data: make([]byte, 1024)})
	tok := c.AddToken("berth@pve", "agent", true, ACL{Path: "/vms", Role: "PVEVMAdmin", Propagate: true}, ACL{Path: "/storage", Role: "PVEDatastoreUser", Propagate: true})
	api := client{t: t, c: c, token: tok}
	api.fails("POST", "/nodes/pve1/qemu", form("vmid", "101", "net0", "virtio,bridge=vmbr0"), 403, "(/sdn/zones/localnetwork/vmbr0, SDN.Use)")
	api.fails("PUT", vm100+"/config", form("net0", "virtio,bridge=vmbr0,tag=7"), 403, "(/sdn/zones/localnetwork/vmbr0/7, SDN.Use)")
	api.fails("POST", vm100+"/clone", form("newid", "101"), 403, "SDN.Use")
	api.fails("DELETE", "/nodes/pve1/storage/local/content/local:import/x.raw", nil, 403, "(/storage/local, Datastore.Allocate)")
	root.ok("PUT", "/access/acl", form("path", "/sdn/zones/localnetwork/vmbr0/7", "users", "berth@pve", "tokens", "berth@pve!agent", "roles", "PVESDNUser"))
	api.ok("PUT", vm100+"/config", form("net0", "virtio,bridge=vmbr0,tag=7"))
}

// A root file system that asks for a volume is stored as it came, and then
// nothing works any more.
func TestContainerRootfsStoredLiterally(t *testing.T) {
	c, api := withVM(t, Options{})
	c.AddGuest(Guest{Kind: KindCT, VMID: 200, Config: map[string]string{"hostname": "ct", "rootfs": "local:200/vm-200-disk-0.raw,size=1G"}})
	const ct = "/nodes/pve1/lxc/200"
	api.ok("PUT", ct+"/config", form("rootfs", "local:2"))
	if got := api.config(ct + "/config")["rootfs"]; got != "local:2" {
		t.Errorf("rootfs = %v", got)
	}
	const broken = "unable to parse directory volume name '2'"
	if exit := api.task("POST", ct+"/status/start", nil); exit != broken {
		t.Errorf("start: %s", exit)
	}
	api.fails("PUT", ct+"/resize", form("disk", "rootfs", "size", "+1G"), 500, broken)
	api.fails("POST", ct+"/clone", form("newid", "201"), 500, broken)
	api.fails("DELETE", ct, nil, 500, broken)
}
