package importer

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"berth/applyers/proxmox"
	"berth/desired"
)

func seconds(n int) desired.Duration { return desired.Duration(time.Duration(n) * time.Second) }

// disks are the guest's, whatever its kind.
func (d *doc) disks() map[string]desired.Disk {
	if holder, ok := d.spec.(*desired.DataVM); ok {
		return holder.Disks
	}
	return d.guest.Disks
}

func (d *doc) short() string { return d.id().Kind() }

// describe chooses what is written of a guest: what Proxmox would not take by
// itself, in the site's own names.
func (m *maker) describe(d *doc) {
	for _, u := range d.live.Unsaid {
		d.leave(u.Option, "%s", u.Reason)
	}
	for _, volume := range d.live.Unused {
		d.leave("unused", "the detached volume %s is kept as it is", volume)
	}
	if len(d.live.CloudInit) > 0 {
		d.leave("cloud-init", "what Proxmox's own drive was set up with (%s) is kept as it is", strings.Join(d.live.CloudInit, ", "))
	}
	for _, slot := range slots(d.live.Images) {
		d.leave("disks."+slot+".image", "it was made from %s, whose url and checksum only its Image says", d.live.Images[slot])
	}
	if d.live.Lock != "" {
		d.leave("lock", "it is locked (%s): adoption waits until it no longer is", d.live.Lock)
	}
	plain := make(map[desired.Path]string)
	for _, leaf := range desired.Leaves(d.live.Kind, d.live.Plain) {
		plain[leaf.Path] = desired.Text(leaf.Value)
	}
	for _, leaf := range desired.Leaves(d.live.Kind, d.live.Spec) {
		if desired.Text(leaf.Value) != plain[leaf.Path] {
			d.keep[leaf.Path] = true
		}
	}
	m.identity(d)
	m.volumes(d)
	if d.guest != nil {
		m.general(d)
		m.nics(d)
	}
	for _, p := range d.live.Pending {
		keys := p.Path.Keys()
		switch {
		case p.Path == "":
			continue
		case len(keys) == 3 && p.Now == "" && (keys[2] == "network" || keys[2] == "storage"):
			// The whole slot is still to come.
			d.dropWithin(desired.Path(keys[0]).Sub(keys[1]))
		default:
			d.refused[p.Path] = true
			d.dropWithin(p.Path)
		}
		d.leave(p.Option, "a change waits for a reboot: import again after it, or write what you want")
	}
	d.tidy()
}

// identity writes who the guest is.
func (m *maker) identity(d *doc) {
	for _, word := range []desired.Path{"id", "hostname", "node", "cloudInit", "pool"} {
		d.dropWithin(word)
	}
	adopt := desired.Adopt{UUID: uuid(d.live)}
	proof := desired.Path("adopt.uuid")
	if adopt.UUID == "" {
		adopt.MAC, proof = strings.ToLower(firstMAC(d.live)), "adopt.mac"
	}
	d.write("id", proof)
	number := strconv.Itoa(d.live.VMID)
	host := d.hostname()
	elsewhere := d.live.Node != m.site.Node
	if d.live.Pool != "" {
		d.write("pool")
	}
	if len(m.survey.Nodes) > 1 && elsewhere {
		d.write("node")
	}
	several := m.before != nil && m.before.Spec.Site != m.site.Name
	if several {
		d.write("site")
	}
	if holder, ok := d.spec.(*desired.DataVM); ok {
		holder.Name, holder.Plan, holder.Adopt, holder.Node, holder.Site, holder.Pool = d.name, number, adopt, d.live.Node, m.site.Name, d.live.Pool
		for path := range d.keep {
			if !within1(path, "description", "disks", "protection", "tags", "pool", "id", "adopt", "node", "site") {
				delete(d.keep, path)
			}
		}
		if host != d.name {
			d.let("hostname", "Proxmox calls it %q, and a DataVM has its name alone: it is renamed if ignore is taken out", host)
		}
		m.text(d, holder.Description)
		return
	}
	d.guest.Name, d.guest.Plan, d.guest.Adopt, d.guest.Node, d.guest.Site, d.guest.Pool = d.name, number, adopt, d.live.Node, m.site.Name, d.live.Pool
	switch {
	case host == "":
		d.let("hostname", "Proxmox has no name for it: it gets this one if ignore is taken out")
	case d.namesake != "":
		d.let("hostname", "Proxmox calls it %q, as it does %s: it is renamed if ignore is taken out", host, d.namesake)
	case host != d.name:
		d.write("hostname")
	}
	m.text(d, d.guest.Description)
}

// text keeps the description, unless it may hold a secret.
func (m *maker) text(d *doc, text string) {
	if why := secretive(text); why != "" && d.keep["description"] {
		d.dropWithin("description")
		d.leave("description", "it may hold a secret (%s): it is kept on Proxmox, and not written to Git", why)
	}
}

// general writes what is no disk, interface or name.
func (m *maker) general(d *doc) {
	switch spec := d.spec.(type) {
	case *desired.VM:
		d.write("cpu.cores", "memory.size")
		d.choose("memory.min", spec.Memory.Balloon && spec.Memory.Min != spec.Memory.Size)
		d.choose("memory.balloon", !spec.Memory.Balloon)
		// What Berth makes guests with needs no line, whatever Proxmox would take.
		d.choose("scsihw", spec.SCSIHW != "virtio-scsi-single")
		d.choose("ostype", spec.OSType != "l26")
		d.choose("boot", len(spec.Boot) > 0 && !spec.Boot.Equal(append(slots(spec.Disks), slots(spec.Networks)...)))
	case *desired.Container:
		d.choose("cpu.cores", spec.CPU.Cores > 0)
		d.write("memory")
		d.choose("unprivileged", !spec.Unprivileged)
	}
	g := d.guest
	d.choose("state", g.State == desired.Stopped)
	m.startup(d)
	first := m.network(d, firstSlot(g))
	for _, f := range []struct {
		word      desired.Path
		has, site desired.List
	}{{"dns", g.DNS, first.DNS}, {"search", g.Search, first.Search}} {
		d.choose(f.word, d.kind == "Container" && len(f.has) > 0 && !f.has.Equal(f.site))
	}
	for _, key := range slots(g.Options) {
		if why := secretive(key + "=" + g.Options[key]); why != "" {
			d.dropWithin(desired.Path("options").Sub(key))
			d.leave(key, "it may hold a secret (%s): it is kept on Proxmox, and not written to Git", why)
		}
	}
}

func (m *maker) startup(d *doc) {
	g := d.guest
	switch {
	case g.Startup == "never":
		d.dropWithin("startup")
	case g.Startup == "yes" || m.before != nil && m.phase(g.Startup) == g.Startup:
	case m.phase(g.Startup) != "":
		g.Startup = m.phase(g.Startup)
	default:
		d.dropWithin("startup")
		d.leave("startup", "site %s has no phase of %s: add one, and write it here", m.site.Name, g.Startup)
	}
}

// phase names the phase of a startup order; "" if there is none.
func (m *maker) phase(text string) string {
	if name := m.words.phases[text]; name != "" {
		return name
	}
	want, ok := parsePhase(text)
	if !ok {
		return ""
	}
	for _, name := range slots(m.site.Phases) {
		if m.site.Phases[name] == want {
			return name
		}
	}
	return ""
}

func firstSlot(g *desired.Guest) string {
	if keys := slots(g.Networks); len(keys) > 0 {
		return keys[0]
	}
	return ""
}

// network is the site's network that an interface is on; the zero one if there is
// none.
func (m *maker) network(d *doc, slot string) desired.Network {
	at := d.live.NICs[slot]
	return m.site.Networks[m.words.networks[wire{at.Bridge, at.VLAN}]]
}

// nics writes the interfaces.
func (m *maker) nics(d *doc) {
	g := d.guest
	d.choice = len(m.site.Networks) > 1
	for _, slot := range slots(g.Networks) {
		nic, at := g.Networks[slot], d.live.NICs[slot]
		path := desired.Path("networks").Sub(slot)
		name := m.words.networks[wire{at.Bridge, at.VLAN}]
		if name == "" {
			d.dropWithin(path)
			if at.Bridge == "" {
				d.leave(slot, "it is on no bridge")
				continue
			}
			d.leave(slot, "site %s has no network on bridge %s%s: add one, and write it here", m.site.Name, at.Bridge, onVLAN(at.VLAN))
			continue
		}
		network := m.site.Networks[name]
		nic.Network = name
		d.write(path) // An interface without a word of its own is one still.
		d.choose(path.Sub("network"), d.choice)
		d.choose(path.Sub("vlan"), false)
		d.choose(path.Sub("mac"), false)
		d.choose(path.Sub("state"), false)
		d.choose(path.Sub("model"), d.kind == "VM" && nic.Model != "virtio")
		d.choose(path.Sub("name"), d.kind == "Container" && nic.Name != "eth"+strings.TrimPrefix(slot, "net"))
		d.choose(path.Sub("firewall"), nic.Firewall != network.Firewall)
		d.choose(path.Sub("mtu"), nic.MTU != network.MTU)
		m.address(d, path, &nic, at, network, slot == firstSlot(g))
		if !d.below(path) {
			d.write(path.Sub("network"))
		}
		g.Networks[slot] = nic
	}
}

func inside(subnet netip.Prefix, text string) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && subnet.Contains(addr)
}

func onVLAN(vlan int) string {
	if vlan == 0 {
		return ""
	}
	return " with VLAN " + strconv.Itoa(vlan)
}

// address writes what address an interface has. A virtual machine's is known, not
// set, since it has no seed of ours.
func (m *maker) address(d *doc, path desired.Path, nic *desired.NIC, at proxmox.Attachment, network desired.Network, first bool) {
	if d.kind == "VM" {
		nic.Address = at.Address
	}
	static := nic.Address != "" && nic.Address != "dhcp" && nic.Address != "none"
	switch addr, bits, _ := strings.Cut(nic.Address, "/"); {
	case !static:
	case network.Subnet.IsValid() && (bits == strconv.Itoa(network.Subnet.Bits()) || bits == "" && inside(network.Subnet, addr)):
		nic.Address = addr
	case d.kind == "VM":
		// Known alone: not worth more than where it fits the network's plan.
		static, nic.Address = false, ""
	}
	d.choose(path.Sub("address"), static || d.kind == "Container" && nic.Address == "none")
	gateway := ""
	if network.Gateway.IsValid() && first && static {
		gateway = network.Gateway.String()
	}
	switch {
	case d.kind == "VM":
		d.choose(path.Sub("gateway"), false)
	case nic.Gateway == "none":
		d.choose(path.Sub("gateway"), gateway != "")
	default:
		d.choose(path.Sub("gateway"), nic.Gateway != "" && nic.Gateway != gateway)
	}
}
