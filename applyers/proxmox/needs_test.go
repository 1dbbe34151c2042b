package proxmox

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
)

// allSortsYAML are guests that take every sort of right, beside web-1 and cache.
const allSortsYAML = `
kind: DataVM
name: keep
id: 9401
pool: apps
disks: {scsi0: {name: files, storage: hdd, size: 1GiB, label: files, mount: /srv/files}}
---
kind: VM
name: user
id: 4401
disks: {scsi0: {image: debian-12, storage: ssd, size: 8GiB}, scsi1: {volume: keep/files}}
networks: {net0: {network: dmz, address: none}}
cloudInit: {packages: [git]}
pool: apps
---
kind: Template
name: golden
find: {tag: golden}
---
kind: VM
name: twin
id: 4402
clone: golden
memory: 1GiB
networks: {net0: {network: lan, address: 10.1.1.77}}
cloudInit: {native: true, users: [admin]}
---
kind: User
name: admin
keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO admin@example]
---
kind: Image
name: netinst
url: https://images.example.net/netinst.iso
sha256: SUM-netinst.iso
content: iso
---
kind: VM
name: byhand
id: 4403
state: stopped
disks: {scsi0: {storage: ssd, size: 4GiB}, ide2: {iso: netinst}}
`

// life makes the guests of all sorts, changes them, and takes them away again,
// with no rights but these. It gives what was told of it.
func life(t *testing.T, needs []Need) (out string) {
	var all strings.Builder
	defer func() { out = all.String() }()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML, cacheYAML, allSortsYAML)
		b.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindVM, VMID: 9000, Node: "pve1", Config: map[string]string{
			"name": "golden", "tags": "golden", "template": "1", "memory": "512", "cores": "1", "scsihw": "virtio-scsi-single",
			"scsi0": "local-lvm:base-9000-disk-0,size=8G", "boot": "order=scsi0", "meta": "creation-qemu=9.0.2,ctime=1730000000",
		}})
		b.sim.SetPool(9000, "apps")
		var acl []pvesim.ACL
		byPath := make(map[string][]string)
		for _, n := range needs {
			byPath[n.Path] = append(byPath[n.Path], n.Privilege)
		}
		for path, privileges := range byPath {
			acl = append(acl, pvesim.ACL{Path: path, Privs: privileges, Propagate: path != "/"})
		}
		b.token = b.sim.AddToken("least@pve", "agent", true, acl...)
		round := func() {
			all.WriteString(told(b.turn()))
			for _, blind := range b.plan().Blind {
				fmt.Fprintf(&all, "unknown: %s %s\n", blind.Reason, blind.Remedy)
			}
		}
		round()
		if out := all.String(); strings.Contains(out, "lacks") || strings.Contains(out, "unknown") {
			return
		}
		b.manifests(edited(webYAML, "size: 8GiB", "size: 9GiB", "size: 1GiB", "size: 2GiB", "tags: [prod, web]", "tags: [web]"), cacheYAML, allSortsYAML)
		round()
		b.manifests(cacheYAML+"state: absent\n", allSortsYAML)
		round()
	})
	return out
}

// TestNeedsAreEnoughAndNoneTooMany lives a guest's life with exactly the rights
// that `agent permissions` prints, and without each of them.
func TestNeedsAreEnoughAndNoneTooMany(t *testing.T) {
	t.Parallel()
	b := newBench(t, webYAML, cacheYAML, allSortsYAML)
	needs := Needs(b.fleet, b.fleet.Sites["home"])
	if out := life(t, needs); strings.Contains(out, ": failed") || strings.Contains(out, "lacks") || strings.Contains(out, "unknown") {
		t.Errorf("outcome %s", out)
	}
	for i := 0; i < len(needs); i += stride {
		n := needs[i]
		without := append(append([]Need(nil), needs[:i]...), needs[i+1:]...)
		out := life(t, without)
		missed := strings.Contains(out, "lacks") || strings.Contains(out, "unknown") || strings.Contains(out, "may not look")
		switch {
		case n.Optional != "":
			if strings.Contains(out, ": failed") || missed {
				t.Errorf("%s on %s is not optional: %s", n.Privilege, n.Path, out)
			}
		case strings.Contains(out, ": failed"):
			t.Errorf("that %s on %s is missing is not told beforehand: %s", n.Privilege, n.Path, out)
		case !missed:
			t.Errorf("it goes without %s on %s (%v), too: %s", n.Privilege, n.Path, n.By, out)
		}
	}
}
