package turn_test

import (
	"fmt"
	"strings"
	"time"

	"berth/applyers/proxmox/pvesim"
)

// stage is one commit of a fleet's history.
type stage struct {
	name string
	// before is what happens before the commit, if anything.
	before func(l *land)
	docs   []string
	// plays are the hosts on which the playbook is due, sorted.
	plays []string
	// check asserts that the stage was what its name says.
	check func(l *land)
}

// legacy is the guest that becomes ours.
const legacy = 4060

const (
	killedFleet = `
kind: Fleet
name: pegasus
uid: 5b1f0c2e
archiveFor: 7d
guards: {deletes: 3}
---
kind: Site
name: home
endpoints: ["https://pve1.test:8006"]
token: {secret: pve-home}
node: pve1
storage: {ssd: {store: local-lvm}, hdd: {store: local}}
images: hdd
seeds: hdd
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.254}}
---
kind: Image
name: debian-12
url: https://images.example.net/debian-12.qcow2
sha256: %s
---
kind: Image
name: debian-ct
url: https://images.example.net/debian-ct.tar.zst
sha256: %s
content: vztmpl
---
kind: Template
name: golden
find: {tag: golden}
`
	certsDoc = `---
kind: DataVM
name: certs
id: 9501
disks: {scsi0: {name: letsencrypt, storage: hdd, size: 2GiB, label: certs, mount: /etc/letsencrypt}}
`
	webDoc = `---
kind: VM
name: web
id: 4001
cpu: 1
memory: 1GiB
tags: [prod]
disks:
  scsi0: {image: debian-12, storage: ssd, size: 8GiB}
  scsi1: {volume: certs/letsencrypt}
networks: {net0: {network: lan, address: 10.1.1.1}}
cloudInit: {packages: [certbot]}
lifecycle: {reboot: now}
`
	dbDoc = `---
kind: VM
name: db
id: 4003
disks: {scsi0: {storage: ssd, size: 4GiB}}
networks: {net0: {network: lan, address: none}}
lifecycle: {reboot: now}
`
	cacheDoc = `---
kind: Container
name: cache
id: 4002
memory: 512MiB
disks: {rootfs: {image: debian-ct, storage: ssd, size: 4GiB}}
networks: {net0: {network: lan, address: 10.1.1.2}}
`
	taken160 = `---
kind: VM
name: legacy
id: 4060
cpu: 2
tags: [prod]
networks: {net0: {network: lan, reservation: 10.1.1.60}}
adopt: {uuid: ` + taken + `}
lifecycle: {reboot: now, remove: release}
`
	cloned = `---
kind: VM
name: api
id: 4004
memory: 512MiB
clone: golden
disks: {scsi0: {storage: ssd, size: 6GiB}}
networks: {net0: {network: lan, address: 10.1.1.4}}
cloudInit: {packages: [git]}
`
)

// edited is a document with some words replaced.
func edited(doc string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(doc, pairs[i]) != 1 {
			panic(fmt.Sprintf("%q is not once in %s", pairs[i], doc))
		}
	}
	return strings.NewReplacer(pairs...).Replace(doc)
}

// history is a fleet's life, with all that an agent does to guests and their data.
func history() []stage {
	web2 := edited(webDoc, "tags: [prod]", "tags: [prod, edge]\ndescription: Of the shop.", "size: 8GiB", "size: 10GiB")
	cache2 := edited(cacheDoc, "512MiB", "768MiB", "size: 4GiB", "size: 6GiB")
	web3 := edited(web2, "cpu: 1", "cpu: 2", "memory: 1GiB", "memory: 2GiB")
	web4 := edited(web3, "{volume: certs/letsencrypt}", "absent")
	db4 := edited(dbDoc, "4GiB}}", "4GiB}, scsi1: {volume: certs/letsencrypt}}")
	legacy2 := edited(taken160, "name: legacy", "name: archive\nrenamedFrom: legacy\npool: shop\nnode: pve2\npin: true")
	return []stage{
		{
			name: "create with a seed and data", docs: []string{certsDoc, webDoc, playDoc("web", 1)}, plays: []string{"web"},
			check: func(l *land) {
				if w := l.guest(4001); !w.Running || !strings.Contains(w.Config["scsi1"], "vm-9501-disk-0") || w.Config["scsi30"] == "" {
					l.t.Errorf("created: %+v", l.sim.Guests())
				}
			},
		},
		{
			name: "create a container and an empty disk", docs: []string{certsDoc, webDoc, dbDoc, cacheDoc, playDoc("web:cache", 1)}, plays: []string{"cache"},
			check: func(l *land) {
				if !l.guest(4002).Running || !l.guest(4003).Running {
					l.t.Errorf("created: %+v", l.sim.Guests())
				}
			},
		},
		{
			name: "update online and grow", docs: []string{certsDoc, web2, dbDoc, cache2, playDoc("web:cache", 1)},
			plays: []string{"web"}, // Its groups are others.
			check: func(l *land) {
				w, c := l.guest(4001), l.guest(4002)
				if !strings.Contains(w.Config["scsi0"], "size=10G") || !strings.Contains(w.Config["tags"], "edge") || c.Config["memory"] != "768" || !strings.Contains(c.Config["rootfs"], "size=6G") {
					l.t.Errorf("updated: %v %v", w.Config, c.Config)
				}
			},
		},
		{
			name: "update with a reboot", docs: []string{certsDoc, web3, dbDoc, cache2, playDoc("web:cache", 2)}, plays: []string{"cache", "web"},
			check: func(l *land) {
				if w := l.guest(4001); w.Config["cores"] != "2" || w.Config["memory"] != "2048" || len(w.Pending) > 0 || !w.Running {
					l.t.Errorf("updated: %+v", w)
				}
			},
		},
		{
			name:   "hand a volume over, and make anew",
			before: func(l *land) { l.sim.Remove(4002) },
			docs:   []string{certsDoc, web4, db4, cache2, playDoc("web:cache", 2)}, plays: []string{"cache"},
			check: func(l *land) {
				w, d := l.guest(4001), l.guest(4003)
				if w.Config["scsi1"] != "" || !strings.Contains(d.Config["scsi1"], "vm-9501-disk-0") || !w.Running || !d.Running {
					l.t.Errorf("handed over: %+v %+v", w, d)
				}
			},
		},
		{
			name: "archive", docs: []string{certsDoc, db4},
			check: func(l *land) {
				for _, vmid := range []int{4001, 4002} {
					if g := l.guest(vmid); g.Running || !strings.Contains(g.Config["description"], " archived=") {
						l.t.Errorf("archived: %+v", g)
					}
				}
			},
		},
		{
			name: "restore", docs: []string{certsDoc, web4, db4, cache2, playDoc("web:cache", 2)},
			check: func(l *land) {
				for _, vmid := range []int{4001, 4002} {
					if g := l.guest(vmid); !g.Running || strings.Contains(g.Config["description"], " archived=") {
						l.t.Errorf("restored: %+v", g)
					}
				}
			},
		},
		{
			name: "delete",
			before: func(l *land) {
				l.pushKilled("gone", []string{certsDoc, db4})
				l.whole()
				pass(8 * 24 * time.Hour)
			},
			docs: []string{certsDoc, db4},
			check: func(l *land) {
				if n := len(l.stamped()); n != 2 {
					l.t.Errorf("there are %d guests of ours", n)
				}
			},
		},
		{
			name: "clone and adopt", docs: []string{certsDoc, db4, cloned, taken160, playDoc("api:legacy", 2)}, plays: []string{"api", "legacy"},
			check: func(l *land) {
				a, c := l.guest(legacy), l.guest(4004)
				if a.Config["cores"] != "2" || !strings.Contains(a.Config["description"], "berth: ") || !c.Running || !strings.Contains(c.Config["scsi0"], "size=6G") {
					l.t.Errorf("cloned and adopted: %+v %+v", c, a)
				}
			},
		},
		{
			name: "rename, move and put into a pool", docs: []string{certsDoc, db4, cloned, legacy2, playDoc("api:archive", 2)},
			plays: []string{"archive"}, // Whoever is renamed is another host.
			check: func(l *land) {
				if a := l.guest(legacy); a.Node != "pve2" || a.Pool != "shop" || a.Config["name"] != "archive" || !a.Running {
					l.t.Errorf("moved: %+v", a)
				}
			},
		},
		{
			name: "release and destroy", docs: []string{certsDoc, db4, edited(cloned, "memory: 512MiB", "state: absent")},
			check: func(l *land) {
				if a := l.guest(legacy); strings.Contains(a.Config["description"], "berth: ") || !a.Running {
					l.t.Errorf("released: %+v", a)
				}
				if _, ok := l.sim.Guest(4004); ok {
					l.t.Error("it is there still")
				}
			},
		},
	}
}

// strangers puts guests there that are not ours, and one that may become ours.
func (l *land) strangers() {
	l.sim.SetPool(150, "shop")
	l.sim.AddVolume(pvesim.Volume{ID: "local-lvm:base-9000-disk-0", Node: "pve1", Owner: golden, Size: 4 << 30, Format: "raw", Content: "images"})
	for _, g := range []pvesim.Guest{
		{VMID: golden, Config: map[string]string{
			"name": "golden", "tags": "golden", "template": "1", "scsi0": "local-lvm:base-9000-disk-0,size=4G", "boot": "order=scsi0",
			"net0": "virtio=BC:24:11:01:02:03,bridge=vmbr0", "meta": "creation-qemu=7.2,ctime=100", "scsihw": "virtio-scsi-pci",
		}},
		{VMID: 150, Running: true, Config: map[string]string{
			"name": "Strange", "tags": "berth.pegasus;x", "scsi0": "local-lvm:vm-150-disk-0,size=4G", "net0": "virtio=bc:24:11:01:02:04,bridge=vmbr0", "onboot": "1",
		}},
		{VMID: 151, Kind: pvesim.KindCT, Running: true, Config: map[string]string{
			"hostname": "stranger", "memory": "512", "rootfs": "local-lvm:vm-151-disk-0,size=2G", "description": "Kept by hand.\n",
		}},
		{VMID: legacy, Running: true, Config: map[string]string{
			"name": "legacy", "smbios1": "uuid=" + taken, "cores": "4", "scsi0": "local-lvm:vm-4060-disk-0,size=8G",
			"net0": "virtio=BC:24:11:01:02:05,bridge=vmbr0",
		}},
	} {
		g.Node = "pve1"
		l.sim.AddGuest(g)
	}
}

func (l *land) pushKilled(hash string, docs []string) {
	l.repo.push(hash, fmt.Sprintf(killedFleet, pvesim.Sum("https://images.example.net/debian-12.qcow2", "sha256"),
		pvesim.Sum("https://images.example.net/debian-ct.tar.zst", "sha256"))+strings.Join(docs, ""))
}

// stamped are the guests that bear our stamp.
func (l *land) stamped() []pvesim.Guest {
	var all []pvesim.Guest
	for _, g := range l.sim.Guests() {
		if strings.Contains(g.Config["description"], "berth: ") {
			all = append(all, g)
		}
	}
	return all
}
