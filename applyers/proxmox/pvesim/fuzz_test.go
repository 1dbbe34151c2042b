package pvesim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzProps: what is read and written again reads the same.
func FuzzProps(f *testing.F) {
	for _, s := range []string{
		"virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1", "local:100/vm-100-disk-0.qcow2,size=4G,discard=on", "model=e1000,macaddr=00:00:00:00:00:00",
		"local:8", "none,media=cdrom", "name=eth0,ip=dhcp", ",,", "=", "a==b", "file=", "virtio", "virtio=x,virtio=y", "\x00,\xff=1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, format := range map[string]*schema{"net": qemuProps()["net"], "drive": qemuProps()["scsi"], "ctnet": lxcProps()["ctnet"], "mp": lxcProps()["mp"]} {
			p, text := format.parseProps("x", s)
			if text != "" {
				if p != nil {
					t.Errorf("%s: both a value and an error for %q", name, s)
				}
				continue
			}
			again, text := format.parseProps("x", format.printProps(p))
			if text != "" {
				t.Fatalf("%s: %q is written as %q, which is %s", name, s, format.printProps(p), text)
			}
			if len(again) != len(p) {
				t.Errorf("%s: %q: %v became %v", name, s, p, again)
			}
			for k, v := range p {
				if again[k] != v {
					t.Errorf("%s: %q: %s=%q became %q", name, s, k, v, again[k])
				}
			}
		}
	})
}

// FuzzForm: whatever is sent to the API, it answers with a status of its own and
// with valid JSON, and the guests stay readable.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"cores=2&memory=1024", "delete=scsi0,net0&force=1", "scsi0=local-lvm:4&scsi1=local:1,format=qcow2", "net0=virtio", "cores=1&cores=2",
		"description=%ff%00&tags=a;b", "revert=cores&delete=x", "ide2=local:cloudinit", "boot=order=scsi0", "%zz=%", "sshkeys=ssh-rsa%20A", "scsi0=local-lvm:0,import-from=local:iso/x",
		"scsi0=local:99999999999999999999", "cicustom=&digest=", "ipconfig0=ip=dhcp&cipassword=x", "unused0=local:100/vm-100-disk-0.raw", "vmgenid=1&smbios1=",
	} {
		f.Add("PUT", "/config", s)
		f.Add("POST", "/config", s)
	}
	f.Add("PUT", "/resize", "disk=scsi0&size=+1G")
	f.Add("POST", "/clone", "newid=101&full=1&storage=local&format=qcow2")
	f.Add("POST", "/move_disk", "disk=scsi0&storage=local&delete=1")
	f.Add("POST", "/snapshot", "snapname=s1")
	f.Add("DELETE", "", "purge=1")
	allowed := map[int]bool{200: true, 400: true, 403: true, 500: true, 501: true, 506: true}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		switch method {
		case "GET", "PUT", "POST", "DELETE":
		default:
			return
		}
		if strings.ContainsAny(path, "?#%") || len(body) > 4096 {
			return
		}
		c := New(Options{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
		c.AddGuest(Guest{VMID: 100, Running: len(body)%2 == 0, Config: map[string]string{"name": "x", "boot": "order=scsi0;net0", "scsi0": "local:100/vm-100-disk-0.qcow2,size=1G", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"}})
		token := c.AddToken("root@pam", "lab", false)
		r, err := http.NewRequestWithContext(t.Context(), method, "https://pve.test/", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		r.URL.Path = "/api2/json" + vm100 + path
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "PVEAPIToken="+token)
		api := client{t: t, c: c, token: token}
		got := api.send(r)
		if got.err != nil || !allowed[got.status] {
			t.Errorf("%s %s %q: %d %v", method, path, body, got.status, got.err)
		}
		for _, g := range c.Guests() {
			conf := api.do("GET", "/nodes/pve1/qemu/"+itoa(g.VMID)+"/config", nil)
			if conf.status != 200 {
				t.Errorf("%q leaves a guest that answers %d %s", body, conf.status, conf.reason)
			}
			if _, err := json.Marshal(g.Config); err != nil {
				t.Errorf("%q: %v", body, err)
			}
			api.ok("GET", "/nodes/pve1/qemu/"+itoa(g.VMID)+"/pending", nil)
			api.ok("GET", "/nodes/pve1/qemu", nil)
		}
	})
}
