package proxmox

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// nicSlot tells whether a key holds a network interface.
func nicSlot(key string) bool {
	number, ok := strings.CutPrefix(key, "net")
	if !ok {
		return false // Most are; Atoi would make an error of each.
	}
	_, err := strconv.Atoi(number)
	return err == nil
}

// nic reads an interface's line.
func (w *wording) nic(slot, text string, g *found) desired.NIC {
	p := parseNIC(g.kind, text)
	ask := w.asked().Networks[slot]
	tag := notation.Whole(p.Value("tag"), 0)
	n := desired.NIC{
		Network: w.network(slot, p.Value("bridge"), tag), VLAN: tag,
		Firewall: notation.Flag(p.Value("firewall"), false), MTU: notation.Whole(p.Value("mtu"), 0),
		Rate: notation.ParseRate(p.Value("rate")), LinkDown: notation.Flag(p.Value("link_down"), false),
	}
	if g.kind == desired.KindContainer {
		n.MAC, n.Name = p.Value("hwaddr"), p.Value("name")
		addresses(&n, p, ask)
	} else {
		n.Model, n.MAC = nicModel(p)
		n.Queues = notation.Whole(p.Value("queues"), 0)
		if native(g) {
			addresses(&n, w.ipconfig(slot, g), ask)
		}
	}
	// MACs are equal in whatever case.
	if strings.EqualFold(n.MAC, ask.MAC) {
		n.MAC = ask.MAC
	}
	return n
}

// addresses reads ip, gw, ip6 and gw6, which containers and Proxmox's own
// cloud-init drive write alike.
func addresses(n *desired.NIC, p notation.Props, ask desired.NIC) {
	n.Address = sameAddress(p.Or("ip", "none"), ask.Address)
	if n.Address == "manual" {
		n.Address = "none"
	}
	n.Gateway = sameAddress(p.Or("gw", "none"), ask.Gateway)
	n.Address6 = sameAddress(strings.TrimSuffix(p.Value("ip6"), "manual"), ask.Address6)
	n.Gateway6 = sameAddress(p.Value("gw6"), ask.Gateway6)
	if n.Gateway6 == "" && ask.Gateway6 == "none" {
		n.Gateway6 = "none"
	}
}

// sameAddress is ask where both are the same address, however it is written.
func sameAddress(have, ask string) string {
	if a, err := netip.ParsePrefix(have); err == nil {
		if b, err := netip.ParsePrefix(ask); err == nil && a == b {
			return ask
		}
	}
	if a, err := netip.ParseAddr(have); err == nil {
		if b, err := netip.ParseAddr(ask); err == nil && a == b {
			return ask
		}
	}
	return have
}

// parseNIC takes an interface's line apart. A virtual machine's model and MAC
// become one part, "virtio=BC:…", whichever of the forms stands there (FACTS 4).
func parseNIC(kind, text string) notation.Props {
	if kind == desired.KindContainer {
		return notation.Parse("", text)
	}
	p := notation.Parse("model", text)
	model, mac := p.Value("model"), p.Value("macaddr")
	if model != "" {
		p.Set("model", "")
		p.Set("macaddr", "")
		p.Parts = append([]notation.Part{{Key: model, Value: mac}}, p.Parts...)
	}
	p.First = ""
	return p
}

// nicModel takes model and MAC out of "virtio=BC:…".
func nicModel(p notation.Props) (model, mac string) {
	for _, part := range p.Parts {
		switch part.Key {
		case "bridge", "firewall", "link_down", "mtu", "queues", "rate", "tag", "trunks":
		default:
			return part.Key, part.Value
		}
	}
	return "", ""
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
