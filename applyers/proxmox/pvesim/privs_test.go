package pvesim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Every option of a VM asks for the privilege of the table, and no other will do.
func TestPrivilegeOfEveryOption(t *testing.T) {
	values := map[string]string{
		"cores": "2", "cpu": "host", "cpulimit": "1", "cpuunits": "50", "numa": "1", "numa0": "cpus=0,memory=512", "sockets": "2", "vcpus": "1",
		"memory": "1024", "balloon": "0", "shares": "5",
		"acpi": "0", "hotplug": "disk", "kvm": "1", "machine": "q35", "scsihw": "pvscsi", "smbios1": "uuid=00000000-0000-4000-8000-000000000001",
		"tablet": "0", "vga": "std", "watchdog": "i6300esb", "audio0": "device=AC97", "rng0": "source=/dev/urandom", "serial0": "socket",
		"agent": "1", "bios": "ovmf", "description": "x", "keyboard": "de", "localtime": "1", "name": "b", "onboot": "1", "ostype": "l26",
		"protection": "1", "tags": "a", "template": "1", "boot": "order=net0", "bootdisk": "scsi0", "vmstatestorage": "local-lvm",
		"net1": "virtio", "freeze": "1", "ciuser": "x", "cipassword": "x", "ciupgrade": "0", "nameserver": "192.0.2.1", "searchdomain": "x.org",
		"ipconfig0": "ip=dhcp", "ide2": "none,media=cdrom", "scsi3": "local-lvm:1",
	}
	special := map[string]string{
		"numa0": "VM.Config.CPU", "serial0": "VM.Config.HWType", "net1": "VM.Config.Network", "ipconfig0": "VM.Config.Cloudinit|VM.Config.Network",
		"ide2": "VM.Config.CDROM", "scsi3": "VM.Config.Disk",
	}
	for key, value := range values {
		want := special[key]
		if want == "" {
			want = privsOfVM()[key]
		}
		if want == "VM.Config.Cloudinit" {
			want = "VM.Config.Cloudinit|VM.Config.Network"
		}
		t.Run(key, func(t *testing.T) {
			c, _ := withVM(t, Options{})
			base := []string{"VM.Audit", "Datastore.AllocateSpace", "SDN.Use"}
			var others []string
			for _, p := range allPrivs() {
				if strings.HasPrefix(p, "VM.") && !slices.Contains(strings.Split(want, "|"), p) {
					others = append(others, p)
				}
			}
			low := client{t: t, c: c, token: c.AddToken("low@pve", "a", false, ACL{Path: "/", Privs: append(others, base...), Propagate: true})}
			low.fails("PUT", vm100+"/config", form(key, value), 403, fmt.Sprintf("(/vms/100, %s)", want))
			first, _, _ := strings.Cut(want, "|")
			able := client{t: t, c: c, token: c.AddToken("able@pve", "a", false, ACL{Path: "/", Privs: append(base, first, "VM.Config.Options"), Propagate: true})}
			able.ok("PUT", vm100+"/config", form(key, value))
		})
	}
}

func TestContainerFeaturesForTokens(t *testing.T) {
	for name, x := range map[string]struct{ now, put, text string }{
		"nesting":                   {"", "features=nesting=1", ""},
		"no nesting is not nesting": {"", "features=nesting=0", "except nesting"},
		"keyctl":                    {"", "features=keyctl=1,nesting=1", "except nesting"},
		"keyctl that is there":      {"keyctl=1", "features=keyctl=1,nesting=1", ""},
		"keyctl taken away":         {"keyctl=1,nesting=1", "features=nesting=1", "except nesting"},
		"nesting deleted":           {"nesting=1", "delete=features", ""},
		"keyctl deleted":            {"keyctl=1", "delete=features", "except nesting"},
		"device":                    {"", "dev0=/dev/dri/card0", "configuring device passthrough is only allowed for root@pam"},
		"hookscript":                {"", "hookscript=local:snippets/x.sh", "changing the hookscript is only allowed for root@pam"},
		"bind":                      {"", "mp0=/srv,mp=/srv", "mount point type bind is only allowed for root@pam"},
		"device mount":              {"", "mp0=/dev/sda,mp=/srv", "mount point type device is only allowed for root@pam"},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(Options{})
			conf := map[string]string{"hostname": "ct", "unprivileged": "1", "rootfs": "local-lvm:vm-200-disk-0,size=1G"}
			if x.now != "" {
				conf["features"] = x.now
			}
			c.AddGuest(Guest{Kind: KindCT, VMID: 200, Config: conf})
			api := client{t: t, c: c, token: c.AddToken("berth@pve", "agent", false, ACL{Path: "/", Role: "Administrator", Propagate: true})}
			k, v, _ := strings.Cut(x.put, "=")
			if x.text == "" {
				api.ok("PUT", "/nodes/pve1/lxc/200/config", form(k, v))
				return
			}
			api.fails("PUT", "/nodes/pve1/lxc/200/config", form(k, v), 403, x.text)
		})
	}
}

func TestPoolsNeedRightsOnBothSides(t *testing.T) {
	c, root := withVM(t, Options{})
	root.ok("POST", "/pools", form("poolid", "a"))
	root.ok("POST", "/pools", form("poolid", "b"))
	root.ok("PUT", "/pools", form("poolid", "a", "vms", "100"))
	low := client{t: t, c: c, token: c.AddToken("low@pve", "a", false, ACL{Path: "/pool/b", Privs: []string{"Pool.Allocate", "Pool.Audit"}})}
	low.fails("PUT", "/pools", form("poolid", "b", "vms", "100", "allow-move", "1"), 403, "(/vms/100, Permissions.Modify|VM.Allocate)")
	mid := client{t: t, c: c, token: c.AddToken("mid@pve", "a", false, ACL{Path: "/pool/b", Privs: []string{"Pool.Allocate"}}, ACL{Path: "/vms", Privs: []string{"VM.Allocate"}, Propagate: true})}
	mid.fails("PUT", "/pools", form("poolid", "b", "vms", "100", "allow-move", "1"), 403, "(/pool/a, Pool.Allocate)")
	root.fails("PUT", "/pools", form("poolid", "b", "vms", "100"), 500, "'allow-move' is not set")
	root.ok("PUT", "/pools", form("poolid", "b", "vms", "100", "allow-move", "1"))
	if g, _ := c.Guest(100); g.Pool != "b" {
		t.Errorf("pool = %s", g.Pool)
	}
	root.ok("PUT", "/pools", form("poolid", "b", "vms", "100", "delete", "1"))
}

func TestDrivesThatAreNoDisks(t *testing.T) {
	c, api := withVM(t, Options{})
	c.AddVolume(Volume{ID: "local:iso/x.iso", Size: 1 << 20})
	c.AddVolume(Volume{ID: "local:import/x.qcow2", Data: Bytes("http://x/x.qcow2")})
	run(t, c, api, 100, []step{
		{"PUT /qemu/100/config ide2=none,media=cdrom", "ok | conf ide2=none,media=cdrom"},
		{"PUT /qemu/100/config ide2=local:iso/x.iso,media=cdrom", "ok | conf ide2=local:iso/x.iso,media=cdrom,size=1M"},
		{"PUT /qemu/100/config ide0=local:import/x.qcow2,media=cdrom", "400 ide0: content type needs to be 'images' or 'iso'"},
		{"PUT /qemu/100/config scsi1=local:import/x.qcow2", "400 scsi1: content type needs to be 'images' or 'iso'"},
		{"PUT /qemu/100/resize disk=ide2&size=+1G", "task you can't resize a cdrom"},
		{"PUT /qemu/100/config bios=ovmf&efidisk0=local-lvm:1,efitype=4m,pre-enrolled-keys=1", "ok | conf efidisk0=local-lvm:vm-100-disk-1,efitype=4m,pre-enrolled-keys=1,size=528K"},
		{"PUT /qemu/100/config tpmstate0=local-lvm:1,version=v2.0", "ok | conf tpmstate0=local-lvm:vm-100-disk-2,size=4M,version=v2.0"},
		{"PUT /qemu/100/resize disk=efidisk0&size=+1M", "task the size of efidisk0 is fixed"},
	})
}

func TestMountPointsOfRunningContainers(t *testing.T) {
	c := New(Options{})
	c.AddGuest(Guest{Kind: KindCT, VMID: 200, Running: true, Config: map[string]string{"hostname": "ct", "unprivileged": "1", "memory": "512", "rootfs": "local-lvm:vm-200-disk-0,size=1G"}})
	api := rootClient(t, c)
	const conf = "PUT /lxc/200/config "
	run(t, c, api, 200, []step{
		{conf + "mp0=local-lvm:2,mp=/data,backup=1", "ok | conf mp0=local-lvm:vm-200-disk-1,mp=/data,backup=1,size=2G"},
		// Over one that is there nothing is plugged.
		{conf + "mp0=local-lvm:vm-200-disk-1,mp=/data,ro=1", "ok | pending mp0=local-lvm:vm-200-disk-1,mp=/data,ro=1 | conf mp0=local-lvm:vm-200-disk-1,mp=/data,backup=1,size=2G"},
		{conf + "delete=memory", "ok | conf memory=512"},
		{conf + "password=secret1", "400 password: not defined"},
		{conf + "ssh-public-keys=x", "400 ssh-public-keys: not defined"},
		{conf + "unprivileged=0", "500 unable to modify read-only option: 'unprivileged'"},
		{"POST /lxc/200/status/stop", "task OK | conf mp0=local-lvm:vm-200-disk-1,mp=/data,ro=1,size=2G"},
		{conf + "delete=mp0", "ok | conf mp0= | conf unused0=local-lvm:vm-200-disk-1"},
		{conf + "delete=unused0", "ok | conf unused0="},
	})
}
