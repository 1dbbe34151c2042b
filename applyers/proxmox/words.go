package proxmox

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/desired"
)

// wording puts a guest in the manifest's words. Where Proxmox knows several
// ways to say one thing, it says it as the manifest does.
type wording struct {
	fleet *desired.Fleet
	site  *desired.Site
	// want is the manifest's own side; nil for what is gone from Git.
	want *desired.Resource
}

// sets tells whether the manifest sets a path.
func (w *wording) sets(path desired.Path) bool {
	if w.want == nil {
		return false
	}
	_, set := w.want.Set[path]
	return set
}

// asked is what the manifest asks of a guest; the zero Guest if nothing.
func (w *wording) asked() *desired.Guest {
	if w.want != nil {
		switch spec := w.want.Spec.(type) {
		case *desired.VM:
			return &spec.Guest
		case *desired.Container:
			return &spec.Guest
		}
	}
	return &desired.Guest{}
}

// guest is what virtual machines and containers share.
func (w *wording) guest(g *found) desired.Guest {
	v, ask := g.conf.values, w.asked()
	out := desired.Guest{
		Name: g.stamp.ID.Name(), Description: g.words, Site: w.site.Name, Node: g.node, VMID: g.vmid,
		State: desired.Stopped, Startup: w.startup(v["onboot"], v["startup"]),
		Protection: flag(v["protection"], false),
		Disks:      make(map[string]desired.Disk), Networks: make(map[string]desired.NIC),
	}
	switch {
	case !g.stamp.Archived.IsZero():
		out.State = desired.Archived
	case g.running:
		out.State = desired.Running
	}
	// Proxmox adds or strips the last newline.
	if strings.TrimSpace(ask.Description) == strings.TrimSpace(out.Description) {
		out.Description = ask.Description
	}
	for _, tag := range parseTags(v["tags"]) {
		if !ownTag(tag) {
			out.Tags = append(out.Tags, tag)
		}
	}
	return out
}

// startup names the phase whose order and delays a guest has.
func (w *wording) startup(onboot, startup string) string {
	if !flag(onboot, false) {
		return "never"
	}
	if strings.TrimSpace(startup) == "" {
		return "yes"
	}
	have := parseProps("order", startup)
	is := func(name string) bool {
		phase, ok := w.site.Phases[name]
		return ok && have.equal(phaseProps(phase))
	}
	if name := w.asked().Startup; is(name) {
		return name
	}
	for _, name := range slices.Sorted(maps.Keys(w.site.Phases)) {
		if is(name) {
			return name
		}
	}
	return startup
}

// phaseProps is a phase as Proxmox writes it.
func phaseProps(phase desired.Phase) props {
	p := props{}
	p.set("order", strconv.Itoa(phase.Order))
	seconds := func(d desired.Duration) string {
		if d == 0 {
			return ""
		}
		return strconv.FormatInt(int64(time.Duration(d)/time.Second), 10)
	}
	p.set("up", seconds(phase.Up))
	p.set("down", seconds(phase.Down))
	return p
}

// storage names the class whose storage it is.
func (w *wording) storage(name, slot string) string {
	ask := w.asked().Disks[slot].Storage
	if ask == name || w.site.Storage[ask].Store == name {
		return ask
	}
	for _, class := range slices.Sorted(maps.Keys(w.site.Storage)) {
		if w.site.Storage[class].Store == name {
			return class
		}
	}
	return name
}

// disk reads a drive's or a volume's line.
func (w *wording) disk(slot, text string, g *found) desired.Disk {
	p := parseProps(volumeKey(g.kind), text)
	volid := p.value(volumeKey(g.kind))
	store, name, _ := strings.Cut(volid, ":")
	d := desired.Disk{
		Image: g.stamp.Images[slot], Size: parseSize(p.value("size")), Storage: w.storage(store, slot),
		Format: "raw", ReadOnly: flag(p.value("ro"), false), Replicate: flag(p.value("replicate"), true),
	}
	if strings.HasSuffix(name, ".qcow2") {
		d.Format = "qcow2"
	}
	if g.kind == desired.KindContainer {
		// The root is always in a backup, other volumes if asked for.
		d.Backup = flag(p.value("backup"), slot == rootfs)
		return d
	}
	d.Backup = flag(p.value("backup"), true)
	d.Discard = flag(p.value("discard"), false)
	d.SSD = flag(p.value("ssd"), false)
	d.IOThread = flag(p.value("iothread"), false)
	d.Cache = p.or("cache", "none")
	d.AIO = p.value("aio")
	d.Serial = p.value("serial")
	return d
}

const rootfs = "rootfs"

// volumeKey is the key that a drive's first part has by the schema.
func volumeKey(kind string) string {
	if kind == desired.KindContainer {
		return "volume"
	}
	return "file"
}

// diskSlot tells whether a key holds a disk.
func diskSlot(kind, key, value string) bool {
	stem := strings.TrimRight(key, "0123456789")
	numbered := stem != key
	if kind == desired.KindContainer {
		return key == rootfs || stem == "mp" && numbered
	}
	switch stem {
	case "scsi", "virtio", "sata", "ide":
		return numbered && parseProps("file", value).value("media") != "cdrom"
	case "efidisk", "tpmstate":
		return numbered
	}
	return false
}

// nicSlot tells whether a key holds a network interface.
func nicSlot(key string) bool {
	number, ok := strings.CutPrefix(key, "net")
	_, err := strconv.Atoi(number)
	return ok && err == nil
}

// nic reads an interface's line.
func (w *wording) nic(slot, text string, g *found) desired.NIC {
	p := parseProps("", text)
	ask := w.asked().Networks[slot]
	tag := whole(p.value("tag"), 0)
	n := desired.NIC{
		Network: w.network(slot, p.value("bridge"), tag), VLAN: tag,
		Firewall: flag(p.value("firewall"), false), MTU: whole(p.value("mtu"), 0),
		Rate: parseRate(p.value("rate")), LinkDown: flag(p.value("link_down"), false),
	}
	if g.kind == desired.KindContainer {
		n.MAC, n.Name = p.value("hwaddr"), p.value("name")
		n.Address = p.or("ip", "none")
		if n.Address == "manual" {
			n.Address = "none"
		}
		n.Gateway = p.or("gw", "none")
	} else {
		n.Model, n.MAC = nicModel(p)
		n.Queues = whole(p.value("queues"), 0)
	}
	// MACs are equal in whatever case.
	if strings.EqualFold(n.MAC, ask.MAC) {
		n.MAC = ask.MAC
	}
	return n
}

// nicModel takes model and MAC out of "virtio=BC:…", or of the long form.
func nicModel(p props) (model, mac string) {
	for _, part := range p.parts {
		switch part.key {
		case "virtio", "e1000", "e1000e", "rtl8139", "vmxnet3":
			return part.key, part.value
		}
	}
	return p.value("model"), p.value("macaddr")
}

// network names the network of the site that bridge and VLAN make.
func (w *wording) network(slot, bridge string, tag int) string {
	own := w.sets(desired.Path("networks." + slot + ".vlan"))
	ask := w.asked().Networks[slot].Network
	if n, ok := w.site.Networks[ask]; ok && n.Bridge == bridge && (own || n.VLAN == tag) {
		return ask
	}
	for _, name := range slices.Sorted(maps.Keys(w.site.Networks)) {
		if n := w.site.Networks[name]; n.Bridge == bridge && n.VLAN == tag {
			return name
		}
	}
	if tag != 0 {
		return bridge + "." + strconv.Itoa(tag)
	}
	return bridge
}

// spec is the guest as the manifest would write it.
func (w *wording) spec(g *found) any {
	guest := w.guest(g)
	for key, value := range g.conf.values {
		switch {
		case diskSlot(g.kind, key, value):
			guest.Disks[key] = w.disk(key, value, g)
		case nicSlot(key):
			guest.Networks[key] = w.nic(key, value, g)
		}
	}
	if g.kind == desired.KindContainer {
		return w.container(guest, g)
	}
	return w.vm(guest, g)
}
