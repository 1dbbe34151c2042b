package proxmox

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// template adds a golden image to the cluster, with the stamp that one made from a
// guest of ours would bear.
func (b *bench) template(vmid int, set map[string]string) {
	b.t.Helper()
	disk := "base-" + strconv.Itoa(vmid) + "-disk-0"
	b.sim.AddVolume(pvesim.Volume{ID: "local-lvm:" + disk, Node: "pve1", Owner: vmid, Size: 4 << 30, Format: "raw", Content: "images"})
	conf := map[string]string{
		"name": "golden", "tags": "debian-12;berth.pegasus", "template": "1", "scsi0": "local-lvm:" + disk + ",size=4G", "boot": "order=scsi0",
		"net0": "virtio=BC:24:11:01:02:03,bridge=vmbr0", "meta": "creation-qemu=7.2,ctime=100", "scsihw": "virtio-scsi-pci", "cores": "1",
		"description": "Golden.\n\nberth: pegasus/vm/web-1 home#" + strconv.Itoa(vmid) + " uid=5b1f0c2e instance=1234",
	}
	maps.Copy(conf, set)
	b.sim.AddGuest(pvesim.Guest{VMID: vmid, Node: "pve1", Config: conf})
}

const cloneYAML = `
kind: VM
name: web-1
id: 4001
cpu: 2
memory: 1GiB
agent: true
tags: [prod]
disks: {scsi0: {size: 8GiB, storage: ssd, discard: true}, scsi1: {size: 2GiB, storage: hdd}}
networks: {net0: {network: lan, address: 10.1.1.4}}
cloudInit: {packages: [git]}
`

// cloned makes a guest a clone.
func cloned(id desired.ID, find desired.Find, linked bool) func(*desired.Fleet) {
	return func(f *desired.Fleet) {
		if f.Templates == nil {
			f.Templates = make(map[string]*desired.Template)
		}
		f.Templates["debian-12"] = &desired.Template{Name: "debian-12", Find: find}
		r := f.Resource(id)
		guestOf(r).Clone = desired.Clone{Template: "debian-12", Linked: linked}
		r.Set.Put("clone.template", r.Source)
	}
}

func TestACloneIsMadeWhole(t *testing.T) {
	t.Parallel()
	tag := desired.Find{Tag: "debian-12"}
	for name, linked := range map[string]bool{"full": false, "linked": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.template(9000, nil)
			b.template(9001, map[string]string{"meta": "creation-qemu=7.2,ctime=200"})
			b.template(9002, map[string]string{"tags": "other"})
			b.now([]string{cloneYAML}, cloned("vm/web-1", tag, linked))
			b.mark()
			b.apply()
			writes := b.writes()
			b.settled()
			if got := slices.IndexFunc(writes, func(w string) bool { return w == "POST /nodes/pve1/qemu/9001/clone" }); got < 0 {
				t.Errorf("the newest was not taken: %q", writes)
			}
			g := b.guest(4001)
			for option, want := range map[string]string{
				"cores": "2", "memory": "1024", "tags": "berth.pegasus;prod", "name": "web-1", "scsihw": "virtio-scsi-pci", "agent": "1",
			} {
				if g.Config[option] != want {
					t.Errorf("%s is %q, want %q", option, g.Config[option], want)
				}
			}
			for slot, want := range map[string]string{"scsi0": "discard=on", "scsi1": "size=2G", "scsi30": "vm-4001-disk-"} {
				if !strings.Contains(g.Config[slot], want) {
					t.Errorf("%s is %q", slot, g.Config[slot])
				}
			}
			if !strings.Contains(g.Config["scsi0"], "size=8G") || strings.Contains(g.Config["net0"], "01:02:03") || !g.Running {
				t.Errorf("%+v", g)
			}
			_, s, ok := stamp.Split(g.Config["description"])
			if !ok || s.Clone != "debian-12:9001" || s.VMID != 4001 || s.Seed == "" || s.Making || strings.Contains(g.Config["description"], "Golden") {
				t.Errorf("stamp: %q", g.Config["description"])
			}
			if got := b.volumesOfGuest(4001); len(got) != 3 {
				t.Errorf("volumes: %q", got)
			}
		})
	}
}

func TestAContainerIsCloned(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.AddVolume(pvesim.Volume{ID: "local-lvm:base-9100-disk-0", Node: "pve1", Owner: 9100, Size: 2 << 30, Format: "raw", Content: "rootdir"})
	b.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindCT, VMID: 9100, Node: "pve1", Config: map[string]string{
		"hostname": "ctgold", "template": "1", "rootfs": "local-lvm:base-9100-disk-0,size=2G", "unprivileged": "1", "tags": "ct",
		"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:01:02:03,ip=dhcp,type=veth",
	}})
	text := strings.ReplaceAll(cacheYAML, "keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO sean@example]", "")
	own := func(f *desired.Fleet) {
		d := guestOf(f.Resource("ct/cache")).Disks["rootfs"]
		d.Image = ""
		guestOf(f.Resource("ct/cache")).Disks["rootfs"] = d
		r := f.Resource("ct/cache")
		r.Set = r.Set.Without("disks.rootfs.image")
		f.Resource("ct/cache").Needs = nil
		f.Resources = []*desired.Resource{f.Resource("ct/cache")}
	}
	b.now([]string{text}, own, cloned("ct/cache", desired.Find{Name: "ctgold"}, false))
	b.apply()
	b.settled()
	g := b.guest(4002)
	if g.Config["hostname"] != "cache" || !strings.Contains(g.Config["rootfs"], "size=4G") || g.Config["memory"] != "512" || !g.Running ||
		!strings.Contains(g.Config["net0"], "ip=10.1.1.5/24") || strings.Contains(g.Config["net0"], "01:02:03") || g.Config["tags"] != "berth.pegasus;prod" {
		t.Errorf("%+v", g)
	}
}

func TestACloneWithoutItsTemplateIsHeld(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		find desired.Find
		node string
		held string
	}{
		"tag":  {desired.Find{Tag: "debian-13"}, "pve1", `no VM template with tag debian-13 on site home: it has vm 9000 "golden" on pve1`},
		"name": {desired.Find{Name: "x"}, "pve1", "no VM template of the name x on site home"},
		"id":   {desired.Find{ID: 9}, "pve1", "no VM template on VMID 9 on site home"},
		"node": {desired.Find{ID: 9000}, "pve2", `template vm 9000 "golden" on pve1 has its disks on pve1's own storage local-lvm: write node: pve1`},
	} {
		t.Run(name, func(t *testing.T) {
			b := benchOn(t, pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}}))
			b.template(9000, nil)
			b.now([]string{cloneYAML}, cloned("vm/web-1", c.find, false), func(f *desired.Fleet) { guestOf(f.Resource("vm/web-1")).Node = c.node })
			b.nothing("vm/web-1 create HELD " + c.held)
		})
	}
}
