package proxmox

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"berth/desired"
)

// lines writes drives and interfaces in Proxmox's words.
type lines struct {
	fleet *desired.Fleet
	site  *desired.Site
	want  *desired.Resource
	kind  string
	vmid  int
	// plugins are the kinds of the cluster's storages, as far as they are known.
	plugins map[string]string
}

func (l *lines) sets(path string) bool {
	_, set := l.want.Set[desired.Path(path)]
	return set
}

// storeOf is the Proxmox storage that a class stands for.
func (l *lines) storeOf(name string) string { return storeOf(l.site, name) }

func storeOf(site *desired.Site, name string) string {
	if class, ok := site.Storage[name]; ok {
		return class.Store
	}
	if name == "" && len(site.Storage) == 1 {
		for _, class := range site.Storage {
			return class.Store
		}
	}
	return name
}

// image finds an image on the guest's site.
func (l *lines) image(name string) (*desired.ImageAt, error) {
	r := l.fleet.Resource(desired.MakeID(desired.KindImage, name+"@"+l.site.Name))
	if r == nil {
		return nil, fmt.Errorf("image %s is not known on site %s", name, l.site.Name)
	}
	image, ok := r.Spec.(*desired.ImageAt)
	if !ok {
		return nil, fmt.Errorf("image %s is none", name)
	}
	return image, nil
}

// newDrive is the line that allocates a drive. Sent twice it allocates twice
// (FACTS 6).
func (l *lines) newDrive(slot string, d desired.Disk) (string, error) {
	p := props{first: "file"}
	store := l.storeOf(d.Storage)
	if store == "" {
		return "", fmt.Errorf("disk %s has no storage", slot)
	}
	if d.Image != "" {
		image, err := l.image(d.Image)
		if err != nil {
			return "", err
		}
		p.set("file", store+":0")
		p.set("import-from", volid(image))
	} else {
		p.set("file", store+":"+gibibytes(d.Size))
	}
	p.set("format", cmp.Or(d.Format, l.usualFormat(store)))
	for _, part := range driveParts() {
		l.drivePart(&p, slot, part, d)
	}
	return p.String(), nil
}

// usualFormat is qcow2 where a storage keeps files, since only that can be
// snapshot there; "" leaves it to Proxmox.
func (l *lines) usualFormat(store string) string {
	switch l.plugins[store] {
	case "dir", "nfs", "cifs", "glusterfs":
		return "qcow2"
	}
	return ""
}

// driveParts are the manifest's words for what stands in a drive's line.
func driveParts() []string {
	return []string{"discard", "ssd", "iothread", "cache", "aio", "backup", "replicate", "serial", "readOnly"}
}

// drivePart writes one of the manifest's words into a drive's line.
func (l *lines) drivePart(p *props, slot, word string, d desired.Disk) {
	set := l.sets("disks." + slot + "." + word)
	yes := func(key, text string, on bool) {
		switch {
		case on:
			p.set(key, text)
		case set && p.value(key) != "":
			p.set(key, "")
		}
	}
	no := func(key string, on bool) {
		if set {
			p.set(key, map[bool]string{false: "0"}[on])
		}
	}
	text := func(key, value string) {
		if set || value != "" {
			p.set(key, value)
		}
	}
	switch word {
	case "discard":
		yes("discard", "on", d.Discard)
	case "ssd":
		yes("ssd", "1", d.SSD)
	case "iothread":
		yes("iothread", "1", d.IOThread)
	case "readOnly":
		yes("ro", "1", d.ReadOnly)
	case "cache":
		text("cache", d.Cache)
	case "aio":
		text("aio", d.AIO)
	case "serial":
		text("serial", d.Serial)
	case "backup":
		if l.kind == desired.KindContainer {
			yes("backup", "1", d.Backup)
			return
		}
		no("backup", d.Backup)
	case "replicate":
		no("replicate", d.Replicate)
	}
}

// newRoot is the line that allocates a container's root or volume.
func (l *lines) newRoot(slot string, d desired.Disk) (string, error) {
	store := l.storeOf(d.Storage)
	if store == "" || d.Size == 0 {
		return "", fmt.Errorf("disk %s needs a size and a storage", slot)
	}
	return store + ":" + gibibytes(d.Size), nil
}

// mac is the interface's own, or one that follows from fleet, site, VMID and
// slot, so that a repeated creation makes the same.
func (l *lines) mac(slot string, nic desired.NIC) string {
	if nic.MAC != "" {
		return strings.ToUpper(nic.MAC)
	}
	prefix := l.site.MACPrefix
	if prefix == "" {
		prefix = "bc:24:11"
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%s", l.fleet.Spec.UID, l.site.Name, l.vmid, slot))
	return strings.ToUpper(fmt.Sprintf("%s:%02x:%02x:%02x", prefix, sum[0], sum[1], sum[2]))
}

// newNIC is the line of a new interface.
func (l *lines) newNIC(slot string, nic desired.NIC) (string, error) {
	var p props
	if l.kind == desired.KindContainer {
		p.set("name", cmp.Or(nic.Name, "eth"+strings.TrimPrefix(slot, "net")))
		p.set("hwaddr", l.mac(slot, nic))
		p.set("type", "veth")
		l.nicPart(&p, slot, "address", nic)
		l.nicPart(&p, slot, "gateway", nic)
	} else {
		p.set(cmp.Or(nic.Model, "virtio"), l.mac(slot, nic))
		l.nicPart(&p, slot, "queues", nic)
	}
	if _, known := l.site.Networks[nic.Network]; !known {
		return "", fmt.Errorf("%s: site %s has no network %q", slot, l.site.Name, nic.Network)
	}
	for _, word := range []string{"network", "vlan", "mtu", "firewall", "rate", "linkDown"} {
		l.nicPart(&p, slot, word, nic)
	}
	return p.String(), nil
}

// nicPart writes one of the manifest's words into an interface's line.
func (l *lines) nicPart(p *props, slot, word string, nic desired.NIC) {
	network := l.site.Networks[nic.Network]
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	switch word {
	case "network":
		p.set("bridge", network.Bridge)
		if !l.sets("networks." + slot + ".vlan") {
			p.set("tag", number(network.VLAN))
		}
	case "vlan":
		if l.sets("networks."+slot+".vlan") || nic.VLAN != 0 {
			p.set("tag", number(nic.VLAN))
		}
	case "mtu":
		p.set("mtu", number(cmp.Or(nic.MTU, network.MTU)))
	case "firewall":
		on := nic.Firewall
		if !l.sets("networks." + slot + ".firewall") {
			on = on || network.Firewall
		}
		p.set("firewall", map[bool]string{true: "1"}[on])
	case "rate":
		p.set("rate", formatRate(nic.Rate))
	case "queues":
		p.set("queues", number(nic.Queues))
	case "linkDown":
		p.set("link_down", map[bool]string{true: "1"}[nic.LinkDown])
	case "address":
		p.set("ip", map[string]string{"": "dhcp", "none": "manual"}[nic.Address])
		if nic.Address != "" && nic.Address != "none" {
			p.set("ip", nic.Address)
		}
	case "gateway":
		p.set("gw", strings.TrimPrefix(nic.Gateway, "none"))
	case "name":
		p.set("name", nic.Name)
	case "mac":
		if l.kind == desired.KindContainer {
			p.set("hwaddr", l.mac(slot, nic))
			return
		}
		model, _ := nicModel(*p)
		p.set(model, l.mac(slot, nic))
	case "model":
		l.remodel(p, nic.Model)
	}
}

// remodel changes the model in place and keeps the MAC.
func (l *lines) remodel(p *props, model string) {
	was, mac := nicModel(*p)
	for i := range p.parts {
		if p.parts[i].key == was {
			p.parts[i] = prop{model, mac}
		}
	}
}
