package proxmox

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/desired"
)

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
