package aftermath

import (
	"net/http"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestAgainst(t *testing.T) {
	t.Parallel()
	const ours = "Words.\n\nberth: pegasus/vm/web home#101 uid=5b1f0c2e instance="
	cluster := func(mac, instance string) *pvesim.Cluster {
		c := pvesim.New(pvesim.Options{})
		c.AddGuest(pvesim.Guest{VMID: 100, Config: map[string]string{"name": "strange", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"}})
		c.AddGuest(pvesim.Guest{VMID: 101, Config: map[string]string{
			"name": "web", "net0": "virtio=" + mac + ",bridge=vmbr0", "description": ours + instance, "scsi0": "local-lvm:vm-101-disk-0,size=4G",
		}})
		return c
	}
	undisturbed := cluster("BC:24:11:00:00:02", "0123456789abcdef")
	for name, test := range map[string]struct {
		disturb func(c *pvesim.Cluster)
		says    string
	}{
		"nothing": {func(*pvesim.Cluster) {}, ""},
		"foreign byte": {func(c *pvesim.Cluster) {
			c.Edit("root@pam", 100, map[string]string{"net0": "virtio=BC:24:11:00:00:03,bridge=vmbr0"})
		}, "guests are not as"},
		"own value":       {func(c *pvesim.Cluster) { c.Edit("root@pam", 101, map[string]string{"name": "other"}) }, "guests are not as"},
		"guest too many":  {func(c *pvesim.Cluster) { c.AddGuest(pvesim.Guest{VMID: 102}) }, "guests are not as"},
		"volume too many": {func(c *pvesim.Cluster) { c.AddVolume(pvesim.Volume{ID: "local-lvm:vm-101-disk-1"}) }, "volumes are not as"},
		"volume grown":    {func(c *pvesim.Cluster) { c.Grow("root@pam", 101, "scsi0", 8<<30) }, "volumes are not as"},
		"asked for": {func(c *pvesim.Cluster) {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://pve.test/api2/json/nodes/pve1/qemu/101/status/stop", nil)
			r.Header.Set("Authorization", "PVEAPIToken="+c.AddToken("root@pam", "lab", false))
			res, err := c.Transport().RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
		}, "1 times, not 0: POST /nodes/pve1/qemu/101/status/stop"},
	} {
		c := cluster("BC:24:11:00:00:0A", "fedcba9876543210")
		test.disturb(c)
		said := strings.Join(Of(c, 0).Against(Of(undisturbed, 0)), "\n")
		if test.says == "" && said != "" || !strings.Contains(said, test.says) {
			t.Errorf("%s: %s", name, said)
		}
	}
}
