package pvesim

import (
	"fmt"
	"strings"
	"testing"
)

// step is one request and what must come of it.
type step struct {
	do   string // "METHOD path key=value&key=value"; the path begins after the node
	want string // see check
}

// run plays steps against a cluster. What is wanted is one of
//
//	ok                  200
//	500 text            that status, and the text in the reason
//	400 key: text       an error of that parameter
//	task text           how the task ended
//	conf key=value      the guest's current value afterwards; "key=" for none
//	pending key=value   the guest's pending value afterwards
//
// and several of them are separated by " | ".
func run(t *testing.T, c *Cluster, api client, vmid int, steps []step) {
	t.Helper()
	for i, s := range steps {
		f := strings.SplitN(s.do, " ", 3)
		path := "/nodes/pve1" + f[1]
		if strings.HasPrefix(f[1], "//") {
			path = f[1][1:]
		}
		v := form()
		if len(f) > 2 {
			for kv := range strings.SplitSeq(f[2], "&") {
				k, val, _ := strings.Cut(kv, "=")
				v.Add(k, val)
			}
		} else if f[0] == "GET" || f[0] == "DELETE" {
			v = nil
		}
		r := api.do(f[0], path, v)
		for want := range strings.SplitSeq(s.want, " | ") {
			if text := check(c, api, vmid, r, want); text != "" {
				t.Fatalf("step %d, %s: %s, want %s", i, s.do, text, want)
			}
		}
	}
}

func check(c *Cluster, api client, vmid int, r reply, want string) string {
	kind, rest, _ := strings.Cut(want, " ")
	got := fmt.Sprintf("%d %s", r.status, r.reason)
	g, _ := c.Guest(vmid)
	key, value, _ := strings.Cut(rest, "=")
	switch kind {
	case "ok":
		if r.status != 200 {
			return got
		}
	case "400":
		param, text, named := strings.Cut(rest, ": ")
		errs, _ := r.body["errors"].(map[string]any)
		if r.status != 400 || named && !strings.Contains(fmt.Sprint(errs[param]), text) {
			return fmt.Sprintf("%s %v", got, errs)
		}
	case "task":
		upid, _ := r.body["data"].(string)
		if !strings.HasPrefix(upid, "UPID:") {
			return got
		}
		m, _ := api.ok("GET", "/nodes/pve1/tasks/"+upid+"/status", nil).(map[string]any)
		if exit := fmt.Sprint(m["exitstatus"]); !strings.HasPrefix(exit, rest) {
			return "task " + exit
		}
	case "conf":
		if g.Config[key] != value {
			return "conf " + key + "=" + g.Config[key]
		}
	case "pending":
		if g.Pending[key] != value {
			return "pending " + key + "=" + g.Pending[key]
		}
	case "data":
		if fmt.Sprint(r.body["data"]) != rest {
			return fmt.Sprint("data ", r.body["data"])
		}
	default:
		if itoa(r.status) != kind || !strings.Contains(r.reason, rest) {
			return got
		}
	}
	return ""
}

// The rules that recordings show, in our own words, for where they are not at hand.
func TestRulesOfStoppedVMs(t *testing.T) {
	c := New(Options{Seed: 1})
	api := rootClient(t, c)
	const conf = "/qemu/100/config"
	run(t, c, api, 100, []step{
		{"POST /qemu vmid=100&name=a&scsi0=local:1&net0=virtio,bridge=vmbr0&tags=B;a,A", "task OK | conf tags=B;a,A | conf boot=order=scsi0;net0 | conf scsi0=local:100/vm-100-disk-0.raw,size=1G"},
		{"POST /qemu vmid=100", "500 unable to create VM 100 - VM 100 already exists on node 'pve1'"},
		{"POST /qemu vmid=99", "400 vmid: does not look like a valid VM ID"},
		{"POST /qemu name=x", "400 vmid: property is missing and it is not optional"},
		{"GET //cluster/nextid?vmid=100", "400 vmid: VM 100 already exists"},
		{"GET //cluster/nextid", "data 101"},
		{"PUT " + conf, "500 no options specified"},
		{"PUT " + conf + " coresx=1", "400 coresx: property is not defined in schema"},
		{"PUT " + conf + " onboot=yes", "400 onboot: type check ('boolean') failed - got 'yes'"},
		{"PUT " + conf + " cores=1&delete=cores", "400 delete: at the same time"},
		{"PUT " + conf + " delete=nosuch", "400 delete: unknown option 'nosuch'"},
		{"PUT " + conf + " delete=cores,description tags", "ok | conf tags="},
		{"PUT " + conf + " cores=2&digest=0000000000000000000000000000000000000000", "500 checksum mismatch (file change by other user?)"},
		{"PUT " + conf + " tags=b;A a", "ok | conf tags=a;b"},
		{"PUT " + conf + " description=x\n", "ok | conf description=x"},
		{"PUT " + conf + " description=", "ok | conf description="},
		{"PUT " + conf + " lock=backup", "500 only root can set 'lock' config"},
		{"PUT " + conf + " skiplock=1&cores=2", "400 skiplock: Only root may use this option."},
		{"PUT " + conf + " net0=bridge=vmbr9,virtio=bc:24:11:00:00:aa,firewall=0", "ok | conf net0=virtio=bc:24:11:00:00:aa,bridge=vmbr9,firewall=0"},
		{"POST /qemu/100/status/start", "task start failed: QEMU exited with code 1"},
		{"PUT " + conf + " net0=virtio=BC:24:11:00:00:AA,bridge=vmbr0", "ok"},
		{"PUT " + conf + " scsi0=local:100/vm-100-disk-0.raw,ssd=1,size=9G", "ok | conf scsi0=local:100/vm-100-disk-0.raw,size=1G,ssd=1"},
		// An allocation that is declared again allocates again.
		{"PUT " + conf + " scsi0=local:2", "ok | conf scsi0=local:100/vm-100-disk-1.raw,size=2G | conf unused0=local:100/vm-100-disk-0.raw"},
		{"PUT " + conf + " delete=scsi0", "ok | conf unused1=local:100/vm-100-disk-1.raw | conf boot=order=net0"},
		{"PUT " + conf + " scsi0=local:100/vm-100-disk-1.raw", "ok | conf unused1= | conf boot=order=net0"},
		{"PUT " + conf + " delete=unused0", "ok | conf unused0="},
		{"PUT " + conf + " ide2=local:cloudinit", "ok | conf ide2=local:100/vm-100-cloudinit.qcow2,media=cdrom"},
		{"PUT " + conf + " ide2=local:cloudinit", "500 already exists"},
		// A part that fails leaves those before it.
		{"PUT " + conf + " scsi5=local:1&scsi6=local:99999999,format=qcow2", "500 image size is too large | conf scsi5= | pending scsi5=local:100/vm-100-disk-0.raw,size=1G"},
		{"PUT " + conf + " delete=scsi5&force=1", "ok | conf unused0=local:100/vm-100-disk-0.raw"},
		{"PUT " + conf + " delete=unused0", "ok | conf unused0="},
		{"PUT /qemu/100/resize disk=scsi0&size=1G", "task shrinking disks is not supported"},
		{"PUT /qemu/100/resize disk=scsi0&size=+0", "task OK"},
		{"PUT /qemu/100/resize disk=scsi7&size=+1G", "task disk 'scsi7' does not exist"},
		{"PUT /qemu/100/resize disk=scsi0&size=4.5G", "task OK | conf scsi0=local:100/vm-100-disk-1.raw,size=4608M"},
		{"POST /qemu/100/move_disk disk=scsi0&storage=local", "500 you can't move to the same storage with same format"},
		{"POST /qemu/100/move_disk disk=scsi0&storage=local-lvm&delete=1", "task OK | conf scsi0=local-lvm:vm-100-disk-0,size=4608M | conf unused0="},
		{"POST /qemu/100/snapshot snapname=x", "400 snapname: invalid configuration ID"},
		{"POST /qemu/100/snapshot snapname=s1", "task OK | conf parent=s1"},
		{"PUT " + conf + " delete=scsi0", "ok | conf unused0=local-lvm:vm-100-disk-0"},
		{"PUT " + conf + " delete=unused0", "500 volume is still in use (snapshot?)"},
		{"POST /qemu/100/snapshot/s1/rollback", "task OK | conf scsi0=local-lvm:vm-100-disk-0,size=4608M | conf unused0="},
		{"POST /qemu/100/snapshot/s2/rollback", "task snapshot 's2' does not exist"},
		{"DELETE /qemu/100/snapshot/s1", "task OK | conf parent="},
		{"PUT " + conf + " protection=1", "ok"},
		{"DELETE /qemu/100", "500 can't remove VM 100 - protection mode enabled"},
		{"PUT " + conf + " protection=0", "ok"},
		{"POST /qemu/100/clone newid=101&full=0", "500 Linked clone feature is not supported"},
		{"POST /qemu/100/template", "task OK | conf template=1 | conf scsi0=local-lvm:base-100-disk-0,size=4608M"},
		{"POST /qemu/100/status/start", "task you can't start a vm if it's a template"},
		{"POST /qemu/100/clone newid=101&storage=local", "500 parameter 'storage' not allowed for linked clones"},
		{"POST /qemu/100/clone newid=101&name=b", "task OK"},
		{"DELETE /qemu/100", "task base volume 'local-lvm:base-100-disk-0' is still in use by linked cloned"},
		{"DELETE /qemu/101", "task OK"},
		{"DELETE /qemu/100?purge=1", "task OK"},
		{"GET " + conf, "500 Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"},
		{"POST /qemu/100/clone newid=101", "500 unable to find configuration file for VM 100 on node 'pve1'"},
	})
	if v := c.Volumes(); len(v) != 0 {
		t.Errorf("left over: %+v", v)
	}
}

func TestRulesOfRunningVMs(t *testing.T) {
	c, api := withVM(t, Options{})
	const conf = "/qemu/100/config"
	run(t, c, api, 100, []step{
		{"POST /qemu/100/status/start", "task OK"},
		{"PUT " + conf + " cores=2&name=b&memory=1024", "ok | conf cores=1 | pending cores=2 | pending memory=1024 | conf name=b"},
		{"PUT " + conf + " cores=1", "ok | pending cores="},
		{"PUT " + conf + " revert=memory", "ok | pending memory="},
		{"PUT " + conf + " net0=virtio=BC:24:11:00:00:01,bridge=vmbr0,link_down=1", "ok | conf net0=virtio=BC:24:11:00:00:01,bridge=vmbr0,link_down=1"},
		{"PUT " + conf + " net1=virtio,bridge=vmbr7&sockets=2", "400 net1: hotplug problem | pending sockets=2"},
		{"PUT " + conf + " revert=net1,sockets", "ok | pending sockets= | pending net1="},
		{"PUT " + conf + " scsi1=local:1", "ok | conf scsi1=local:100/vm-100-disk-0.raw,size=1G"},
		{"PUT " + conf + " scsi1=local:100/vm-100-disk-0.raw,mbps=10", "ok | conf scsi1=local:100/vm-100-disk-0.raw,mbps=10,size=1G"},
		{"PUT " + conf + " scsi1=local:100/vm-100-disk-0.raw,mbps=10,discard=on", "ok | pending scsi1=local:100/vm-100-disk-0.raw,discard=on,mbps=10,size=1G"},
		// The pending value keeps the old size, and wins at the stop.
		{"PUT /qemu/100/resize disk=scsi1&size=3G", "task OK | conf scsi1=local:100/vm-100-disk-0.raw,mbps=10,size=3G"},
		{"PUT " + conf + " ide0=local:1", "ok | conf ide0="},
		{"PUT " + conf + " delete=scsi0", "400 scsi0: can't unplug bootdisk 'scsi0'"},
		{"PUT " + conf + " revert=scsi0,boot", "ok"},
		{"DELETE /qemu/100", "500 VM 100 is running - destroy failed"},
		{"POST /qemu/100/template", "500 you can't convert a VM to template if VM is running"},
		{"POST /qemu/100/status/stop", "task OK | conf scsi1=local:100/vm-100-disk-0.raw,discard=on,mbps=10,size=1G | conf ide0=local:100/vm-100-disk-1.raw,size=1G"},
		{"POST /qemu/100/status/stop", "task OK"},
		{"POST /qemu/100/status/shutdown", "task OK"},
	})
}

func TestRulesOfContainers(t *testing.T) {
	c := New(Options{Seed: 1})
	api := rootClient(t, c)
	c.AddVolume(Volume{ID: "local:vztmpl/alpine-3.20.tar.xz", Size: 1 << 20})
	const conf = "/lxc/200/config"
	run(t, c, api, 200, []step{
		{"POST /lxc vmid=200&hostname=a", "400 ostemplate: property is missing"},
		{"POST /lxc vmid=200&ostemplate=local:vztmpl/no.tar.gz&rootfs=local:1", "task unable to create CT 200 - volume 'local:vztmpl/no.tar.gz' does not exist"},
		{"POST /lxc vmid=200&hostname=a&ostemplate=local:vztmpl/alpine-3.20.tar.xz&rootfs=local:1&net0=name=eth0,bridge=vmbr0,hwaddr=bc:24:11:00:00:01&tags=B;a&description=x&unprivileged=1", "task OK | conf net0=name=eth0,bridge=vmbr0,hwaddr=bc:24:11:00:00:01,type=veth | conf tags=a;b | conf description=x\n | conf ostype=alpine"},
		{"POST /lxc vmid=200&ostemplate=local:vztmpl/alpine-3.20.tar.xz", "500 CT 200 already exists on node 'pve1'"},
		{"PUT " + conf + " cores=2&digest=0000000000000000000000000000000000000000", "500 detected modified configuration - file changed by other user? Try again."},
		{"PUT " + conf + " unprivileged=0", "500 unable to modify read-only option: 'unprivileged'"},
		{"POST " + conf + " cores=2", "501 not implemented"},
		{"PUT " + conf + " mp0=local:1,mp=/data", "ok | conf mp0=local:200/vm-200-disk-1.raw,mp=/data,size=1G"},
		{"PUT " + conf + " delete=mp0", "ok | conf unused0=local:200/vm-200-disk-1.raw"},
		{"PUT " + conf + " delete=unused0", "ok | conf unused0="},
		{"PUT /lxc/200/resize disk=rootfs&size=512M", "500 unable to shrink disk size"},
		{"PUT /lxc/200/resize disk=rootfs&size=+1G", "task OK | conf rootfs=local:200/vm-200-disk-0.raw,size=2G"},
		{"POST /lxc/200/status/stop", "500 CT 200 not running"},
		{"PUT " + conf + " ostype=debian", "ok | conf ostype=debian"},
		// A start writes what it finds in the root file system.
		{"POST /lxc/200/status/start", "task OK | conf ostype=alpine"},
		{"PUT " + conf + " memory=1024&features=nesting=1", "ok | conf memory=1024 | pending features=nesting=1"},
		{"PUT " + conf + " mp1=local:1,mp=/live", "ok | conf mp1=local:200/vm-200-disk-1.raw,mp=/live,size=1G"},
		{"DELETE /lxc/200", "500 unable to destroy CT 200 - container is running"},
		{"POST /lxc/200/move_volume volume=rootfs&storage=local-lvm", "500 running container"},
		{"POST /lxc/200/status/shutdown", "task OK | conf features=nesting=1"},
		{"POST /lxc/200/move_volume volume=rootfs&storage=local-lvm&delete=1", "task OK | conf rootfs=local-lvm:vm-200-disk-0,size=2G"},
		{"POST /lxc/200/snapshot snapname=s1", "task snapshot feature is not available"},
		{"DELETE /lxc/200?purge=1", "task OK"},
	})
}

func TestRulesOfLocksPoolsAndStorages(t *testing.T) {
	c, api := withVM(t, Options{})
	c.Edit("root@pam", 100, map[string]string{"lock": "backup"})
	c.AddVolume(Volume{ID: "local:iso/a.iso", Size: 5})
	run(t, c, api, 100, []step{
		{"PUT /qemu/100/config cores=2", "500 VM is locked (backup)"},
		{"POST /qemu/100/clone newid=101", "500 VM is locked (backup)"},
		{"PUT /qemu/100/resize disk=scsi0&size=+1G", "task VM is locked (backup)"},
		{"POST /qemu/100/status/start", "task VM is locked (backup)"},
		{"DELETE /qemu/100", "task VM is locked (backup)"},
		{"POST //pools poolid=a", "ok"},
		{"POST //pools poolid=b/c", "500 parent 'b' of pool 'b/c' does not exist"},
		{"PUT //pools poolid=a&vms=100", "ok"},
		{"PUT //pools poolid=a&vms=100", "500 VM 100 is already a pool member"},
		{"PUT //pools poolid=a&vms=999", "ok"},
		{"DELETE //pools?poolid=a", "500 is not empty (contains VM 100)"},
		{"DELETE /storage/local/content/local:iso/no.iso", "task OK"},
		{"GET /storage/local/content/x.iso", "500 unable to parse directory volume name 'x.iso'"},
		{"GET /storage/no/content", "500 storage 'no' does not exist"},
		{"POST /storage/local/download-url content=snippets&filename=a.yaml&url=http://x/a.yaml", "400 content: does not have a value in the enumeration"},
		{"POST /storage/local/download-url content=import&filename=a.img&url=http://x/a.img", "400 filename: wrong extension"},
		{"POST /storage/local/download-url content=import&filename=a.qcow2&url=http://x/a.qcow2&checksum=00&checksum-algorithm=sha512", "task checksum mismatch"},
		{"POST /storage/local/download-url content=import&filename=a.qcow2&url=http://x/a.qcow2&checksum=" + Sum("http://x/a.qcow2", "sha512") + "&checksum-algorithm=sha512", "task OK"},
		{"POST /storage/local/download-url content=import&filename=a.qcow2&url=http://x/a.qcow2", "task refusing to override existing file"},
		{"POST /storage/local-lvm/download-url content=iso&filename=a.iso&url=http://x/a.iso", "500 not configured for content-type 'iso'"},
		{"POST //cluster/ha/resources sid=vm:100&state=stopped", "ok"},
		{"DELETE /qemu/100", "500 used in HA resources and purge parameter not set."},
		{"PUT //cluster/ha/resources/vm:100 state=started", "500 VM is locked (backup)"},
		{"DELETE //cluster/ha/resources/vm:100", "ok"},
	})
}

func TestMigration(t *testing.T) {
	c := New(Options{Nodes: []string{"pve1", "pve2"}})
	api := rootClient(t, c)
	c.AddGuest(Guest{VMID: 100, Running: true, Config: map[string]string{"name": "a", "scsi0": "local-lvm:vm-100-disk-0,size=1G"}})
	run(t, c, api, 100, []step{
		{"POST /qemu/100/migrate target=pve3", "500 no such cluster node 'pve3'"},
		{"POST /qemu/100/migrate target=pve1", "400 target: local node"},
		{"POST /qemu/100/migrate target=pve2", "500 can't migrate running VM without --online"},
		{"POST /qemu/100/migrate target=pve2&online=1", "task migration aborted"},
		{"POST /qemu/100/migrate target=pve2&online=1&with-local-disks=1", "task OK"},
		{"GET /qemu/100/config", "500 Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"},
	})
	if g, _ := c.Guest(100); g.Node != "pve2" || !g.Running {
		t.Errorf("%+v", g)
	}
	if v := c.Volumes(); len(v) != 1 || v[0].Node != "pve2" {
		t.Errorf("%+v", v)
	}
}
