package turn_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/applyers/proxmox/pvesim"
)

// wanted is a random fleet as Git has it, in the few words that the model judges
// by. It is made into manifests, and never read back from them.
type wanted struct {
	archive time.Duration
	deletes int
	guests  map[int]*wish // by VMID
	data    map[int]*holder
	count   int
	// store is the storage of disks. windows gives the fleet one from 3 to 5 o'clock.
	store   string
	windows bool
	// allowed are the Approvals, with their ends.
	allowed map[string]time.Time
}

// wish is a guest of a random fleet.
type wish struct {
	kind, name    string
	vmid          int
	memory, cores int
	tags          []string
	state         string // "" is running
	from          string // image, clone, linked, blank
	seed          string // "", seed, native
	root          int    // GiB
	extra         string // "" unmanaged, "absent", or a size in GiB
	volume        string // what data VM's disk it has
	node          int
	pin           bool
	protection    bool
	pool          string
	startup       string
	remove        string
	reboot        string
	options       string
	renamed       string
	adopt         bool
	description   string
}

// holder is a data VM of a random fleet, with one disk.
type holder struct {
	name       string
	vmid, size int
	protection bool
	remove     string
}

const (
	counted  = 4020 // the first VMID of those that are counted
	golden   = 9000
	strange  = 150 // a foreign guest
	squatter = 4004
	taken    = "d6466886-4f5a-4b38-9d5c-6a1a2d4e7f10" // the UUID of who may be adopted
	tenant   = 4005
)

// manifests is the fleet as YAML.
func (w *wanted) manifests() string {
	var b strings.Builder
	fmt.Fprintf(&b, `
kind: Fleet
name: pegasus
uid: 5b1f0c2e
archiveFor: %s
guards: {deletes: %d}
%s
---
kind: Site
name: home
endpoints: ["https://pve1.test:8006", "https://pve2.test:8006", "https://pve3.test:8006"]
token: {secret: pve-home}
node: pve1
storage: {ssd: {store: %s}, hdd: {store: local}}
images: hdd
seeds: hdd
networks: {lan: {bridge: vmbr0, subnet: 10.1.0.0/20, gateway: 10.1.0.254}}
phases: {early: {order: 100, up: 30s}}
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
`, hours(w.archive), w.deletes, map[bool]string{true: "windows: [{cron: \"0 3 * * *\", for: 2h}]\nzone: UTC"}[w.windows], w.store,
		pvesim.Sum("https://images.example.net/debian-12.qcow2", "sha256"),
		pvesim.Sum("https://images.example.net/debian-ct.tar.zst", "sha256"))
	for _, id := range slices.Sorted(maps.Keys(w.data)) {
		d := w.data[id]
		fmt.Fprintf(&b, "---\nkind: DataVM\nname: %s\nid: %d\nnode: pve1\nprotection: %v\ndisks: {scsi0: {name: disk, storage: ssd, size: %dGiB, mount: /srv}}\nlifecycle: {remove: %s}\n",
			d.name, d.vmid, d.protection, d.size, d.remove)
	}
	for _, id := range slices.Sorted(maps.Keys(w.guests)) {
		w.guests[id].manifest(&b)
	}
	w.approvals(&b)
	if w.count > 0 {
		fmt.Fprintf(&b, "---\nkind: Container\nname: \"pool-{n}\"\ncount: %d\nid: %d\nmemory: 128MiB\ndisks: {rootfs: {image: debian-ct, storage: ssd, size: 4GiB}}\nnetworks: {net0: {network: lan, address: 10.1.3.1}}\n", w.count, counted)
	}
	return b.String()
}

func hours(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	return fmt.Sprintf("%dh", int(d/time.Hour))
}

func (g *wish) manifest(b *strings.Builder) {
	p := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	p("---\nkind: %s\nname: %s\nid: %d\nmemory: %dMiB\ncpu: %d", g.kind, g.name, g.vmid, g.memory, g.cores)
	p("tags: [%s]\nnode: pve%d\npin: %v\nprotection: %v", strings.Join(g.tags, ", "), g.node, g.pin, g.protection)
	for _, pair := range [][2]string{{"pool", g.pool}, {"startup", g.startup}, {"renamedFrom", g.renamed}, {"state", g.state}, {"description", g.description}} {
		if pair[1] != "" {
			p("%s: %s", pair[0], pair[1])
		}
	}
	reboot := ""
	if g.kind == "VM" || g.reboot != "never" {
		reboot = ", reboot: " + g.reboot
	}
	p("lifecycle: {remove: %s%s}", g.remove, reboot)
	if g.adopt {
		p("adopt: {uuid: %s}", taken)
	}
	p("disks:")
	slot := "mp"
	switch {
	case g.kind == "Container":
		p("  rootfs: {image: debian-ct, storage: ssd, size: %dGiB}", g.root)
	case g.from == "image":
		p("  scsi0: {image: debian-12, storage: ssd, size: %dGiB}", g.root)
	case g.from == "linked":
		p("  scsi0: {size: %dGiB}", g.root)
	default:
		p("  scsi0: {storage: ssd, size: %dGiB}", g.root)
	}
	mount := ", mount: /data"
	if g.kind == "VM" {
		slot, mount = "scsi", ""
	}
	switch g.extra {
	case "":
	case "absent":
		p("  %s1: absent", slot)
	default:
		p("  %s1: {storage: ssd, size: %sGiB%s}", slot, g.extra, mount)
	}
	if g.volume != "" {
		p("  scsi2: {volume: %s/disk}", g.volume)
	}
	if g.from == "clone" || g.from == "linked" {
		p("clone: {template: golden, linked: %v}", g.from == "linked")
	}
	p("networks: {net0: {network: lan, address: 10.1.1.%d}}", g.vmid%100)
	switch g.seed {
	case "seed":
		p("cloudInit: {packages: [git]}")
	case "native":
		p("cloudInit: {native: true}")
	}
	if g.options != "" {
		p("options: {%s}", g.options)
	}
}

func (w *wanted) clone() *wanted {
	c := *w
	c.guests = make(map[int]*wish)
	for id, g := range w.guests {
		copied := *g
		copied.tags = slices.Clone(g.tags)
		c.guests[id] = &copied
	}
	c.allowed = maps.Clone(w.allowed)
	c.data = make(map[int]*holder)
	for id, d := range w.data {
		copied := *d
		c.data[id] = &copied
	}
	return &c
}

// has tells whether Git asks for a guest to be there.
func (w *wanted) has(vmid int) bool {
	g := w.guests[vmid]
	return g != nil && g.state != "absent" || w.data[vmid] != nil || vmid >= counted && vmid < counted+w.count
}

// mayGo tells whether Git, as it stands, lets a guest's disks be destroyed that was
// asked for until gone, given what it was when it was last asked for.
func (w *wanted) mayGo(vmid int, last *wish, gone, now time.Time) bool {
	if g := w.guests[vmid]; g != nil {
		return g.state == "absent"
	}
	if w.has(vmid) {
		return false
	}
	if last != nil && last.kind == "DataVM" && !w.lets("destroy-volume data/"+last.name+"/disk", now) {
		return false
	}
	if last != nil && last.remove == "release" {
		return false
	}
	if last != nil && last.remove == "destroy" {
		return true
	}
	return !now.Before(gone.Add(w.archive))
}
