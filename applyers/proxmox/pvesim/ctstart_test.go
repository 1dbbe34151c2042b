package pvesim

import (
	"maps"
	"strings"
	"testing"
)

// A container does not come up when something of it is missing, and what a running
// one can't take is told.
func TestWhatContainersNeed(t *testing.T) {
	for name, x := range map[string]struct {
		conf map[string]string
		exit string
	}{
		"all there":       {map[string]string{"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth"}, "OK"},
		"no bridge":       {map[string]string{"net0": "name=eth0,bridge=vmbr9,hwaddr=BC:24:11:00:00:01,type=veth"}, "startup for container '200' failed"},
		"no volume":       {map[string]string{"mp0": "local-lvm:gone-1,mp=/srv"}, "unable to parse lvmthin volume name 'gone-1'"},
		"volume is gone":  {map[string]string{"mp0": "nowhere:vm-200-disk-7,mp=/srv"}, "volume 'nowhere:vm-200-disk-7' does not exist"},
		"literal rootfs":  {map[string]string{"rootfs": "local:2"}, "unable to parse directory volume name '2'"},
		"bind mount":      {map[string]string{"mp0": "/srv,mp=/srv"}, "OK"},
		"another's mount": {map[string]string{"mp0": "local-lvm:vm-201-disk-0,mp=/srv"}, "OK"},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(Options{})
			conf := map[string]string{"hostname": "a", "rootfs": "local-lvm:vm-200-disk-0,size=1G"}
			maps.Copy(conf, x.conf)
			c.AddGuest(Guest{Kind: KindCT, VMID: 201, Config: map[string]string{"hostname": "b", "mp0": "local-lvm:vm-201-disk-0,mp=/x,size=1G"}})
			c.AddGuest(Guest{Kind: KindCT, VMID: 200, Config: conf})
			api := rootClient(t, c)
			if exit := api.task("POST", "/nodes/pve1/lxc/200/status/start", nil); exit != x.exit {
				t.Errorf("exit = %s", exit)
			}
			if g, _ := c.Guest(200); g.Running != (x.exit == "OK") {
				t.Errorf("running = %v", g.Running)
			}
			if name != "another's mount" {
				return
			}
			run(t, c, api, 200, []step{
				{"PUT /lxc/200/resize disk=mp0&size=+1G", "500 can't resize mount point owned by another container (201)"},
				{"PUT /lxc/200/config net0=name=eth0,bridge=vmbr9", "400 net0: bridge 'vmbr9' does not exist | conf net0="},
				{"PUT /lxc/200/config revert=net0", "ok | pending net0="},
				{"PUT /lxc/200/config net1=name=eth1,bridge=vmbr0,ip6=auto", "ok"},
			})
		})
	}
	c := New(Options{})
	c.AddVolume(Volume{ID: "local:vztmpl/debian-12.tar.zst", Data: []byte("x")})
	run(t, c, rootClient(t, c), 200, []step{
		{"POST /lxc vmid=200&ostemplate=local:vztmpl/debian-12.tar.zst&ssh-public-keys=rubbish", "500 SSH public key validation error"},
		{"POST /lxc vmid=200&ostemplate=local:vztmpl/debian-12.tar.zst&password=1234", "400 password: at least 5 characters"},
		{"POST /lxc vmid=200&ostemplate=local:vztmpl/debian-12.tar.zst&password=12345&ssh-public-keys=ssh-ed25519 AAAA a@b&rootfs=local-lvm:1", "task OK | conf password= | conf ssh-public-keys="},
	})
	low := client{t: t, c: c, token: c.AddToken("low@pve", "a", false, ACL{Path: "/vms/200", Role: "PVEVMAdmin"})}
	low.fails("PUT", "/nodes/pve1/lxc/200/resize", form("disk", "rootfs", "size", "+1G"), 403, "(/storage/local-lvm, Datastore.AllocateSpace)")
}

func TestNativeCloudInit(t *testing.T) {
	c := New(Options{})
	c.AddVolume(Volume{ID: "local:snippets/user.yaml", Data: []byte("#cloud-config\n")})
	api := rootClient(t, c)
	const conf = "PUT /qemu/100/config "
	run(t, c, api, 100, []step{
		{"POST /qemu vmid=100&name=a&scsi0=local-lvm:1&ide2=local-lvm:cloudinit&net0=virtio=BC:24:11:00:00:01,bridge=vmbr0&ipconfig0=ip=192.0.2.4/24,gw=192.0.2.1,ip6=2001:db8::4/64,gw6=2001:db8::1&ciuser=ops&cipassword=secret&sshkeys=ssh-ed25519%20AAAA%20a%40b&nameserver=192.0.2.1&searchdomain=example.net&ciupgrade=0", "task OK | conf ide2=local-lvm:vm-100-cloudinit,media=cdrom | conf cipassword=secret"},
		{conf + "cipassword=secret", "ok"},
		{conf + "ipconfig0=gw=192.0.2.1", "400 ipconfig0: requires this property"},
		{conf + "sshkeys=ssh-ed25519 AAAA", "400 sshkeys: invalid"},
		{"POST /qemu/100/status/start", "task OK"},
		// What changes while it runs waits for the drive to be made anew.
		{conf + "ciuser=root", "ok | conf ciuser=root | pending ciuser="},
	})
	rows := func() string {
		var out []string
		list, _ := api.ok("GET", vm100+"/cloudinit", nil).([]any)
		for _, r := range list {
			if m, _ := r.(map[string]any); m["pending"] != nil || m["delete"] != nil {
				out = append(out, m["key"].(string))
			}
		}
		return strings.Join(out, " ")
	}
	if got := rows(); got != "ciuser" {
		t.Errorf("pending %q", got)
	}
	run(t, c, api, 100, []step{{"PUT /qemu/100/cloudinit", "ok"}})
	if got := rows(); got != "" {
		t.Errorf("pending %q", got)
	}
	if got := api.config(vm100 + "/config")["cipassword"]; got != "**********" {
		t.Errorf("cipassword = %v", got)
	}
	dump, _ := api.ok("GET", vm100+"/cloudinit/dump?type=network", nil).(string)
	for _, want := range []string{"address: '192.0.2.4'", "address: '2001:db8::4/64'", "gateway: '2001:db8::1'"} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %s in\n%s", want, dump)
		}
	}
	run(t, c, api, 100, []step{
		{conf + "cicustom=user=local:snippets/user.yaml", "ok"},
		{"PUT /qemu/100/cloudinit", "ok"},
		{conf + "cicustom=user=local:snippets/gone.yaml", "ok"},
		{"PUT /qemu/100/cloudinit", "500 can't open '/var/lib/vz/snippets/gone.yaml' - No such file or directory"},
		{"POST /qemu/100/status/stop", "task OK"},
		{"POST /qemu/100/status/start", "task can't open '/var/lib/vz/snippets/gone.yaml'"},
	})
}

func TestEndpointsAreNodes(t *testing.T) {
	c := three(Options{})
	c.SetOnline("pve1", false)
	for host, reached := range map[string]bool{"pve1.test": false, "pve2.test": true, "pve3.test": false} {
		api := rootClient(t, c)
		r := api.request("GET", "/version")
		r.URL.Host = host
		resp, err := c.Endpoints().RoundTrip(r)
		if (err == nil) != reached {
			t.Errorf("%s: %v", host, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}
