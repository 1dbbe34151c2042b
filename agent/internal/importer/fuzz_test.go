package importer

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

// FuzzGuest imports two guests of which one has anything at all in two options, one of
// them pending: the manifests load, plan nothing but adoption, and nothing is written to
// the cluster.
func FuzzGuest(f *testing.F) {
	for i, value := range hostileValues {
		if i%8 == 0 { // Each takes some 40 ms.
			f.Add(false, hostileKeys["qemu"][i%len(hostileKeys["qemu"])], value, "", "")
			f.Add(true, hostileKeys["lxc"][i%len(hostileKeys["lxc"])], value, "memory", "256")
		}
	}
	f.Fuzz(func(t *testing.T, container bool, key, value, later, then string) {
		kinds := map[bool]string{false: "qemu", true: "lxc"}
		for _, option := range []string{key, later} {
			if option != "" && !slices.Contains(hostileKeys[kinds[container]], option) {
				return
			}
		}
		sim := pvesim.New(pvesim.Options{})
		sim.AddGuest(pvesim.Guest{VMID: 101, Config: map[string]string{
			"name": "vm101", "scsi0": "local-lvm:vm-101-disk-0,size=8G", "memory": "512", "smbios1": "uuid=00000000-0000-4000-8000-000000000101", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
		}})
		g := pvesim.Guest{VMID: 102, Config: map[string]string{
			"name": "vm102", "scsi0": "local-lvm:vm-102-disk-0,size=8G", "memory": "512", "smbios1": "uuid=00000000-0000-4000-8000-000000000102", "net0": "virtio=BC:24:11:00:00:02,bridge=vmbr0",
		}}
		if container {
			g = pvesim.Guest{Kind: pvesim.KindCT, VMID: 102, Config: map[string]string{
				"hostname": "ct102", "rootfs": "local-zfs:subvol-102-disk-0,size=4G", "memory": "512", "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:01:02,ip=dhcp",
			}}
		}
		g.Config[key] = strings.ToValidUTF8(value, "\ufffd") // As Proxmox keeps it (FACTS 1).
		if later != "" {
			g.Running, g.Pending = true, map[string]string{later: strings.ToValidUTF8(then, "\ufffd")}
		}
		sim.AddGuest(g)
		s := newSite(sim)
		made, err := Make(s.survey(t), options())
		if err != nil {
			t.Fatal(err)
		}
		for name := range made.Files {
			if !fs.ValidPath(name) {
				t.Errorf("a file called %q", name)
			}
		}
		fleet, err := desired.Load(tree(made))
		if err != nil {
			t.Fatal(err)
		}
		_, plan := s.look(t, fleet)
		for _, c := range plan.Changes {
			locked := slices.ContainsFunc(plan.Foreign, func(x drift.Foreign) bool { return x.ID == c.ID && strings.Contains(x.Reason, "locked") })
			if !locked && (c.Step != drift.Adopt || strings.Contains(c.Reason, "differ")) {
				t.Errorf("%s: %s %s", c.Key, c.Reason, fmt.Sprint(c.Fields))
			}
		}
		for _, req := range sim.Requests() {
			if req.Write() {
				t.Errorf("%s %s", req.Method, req.Path)
			}
		}
	})
}
