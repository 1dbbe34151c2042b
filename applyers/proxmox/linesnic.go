package proxmox

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

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
	var p notation.Props
	if l.kind == desired.KindContainer {
		p.Set("name", cmp.Or(nic.Name, "eth"+strings.TrimPrefix(slot, "net")))
		p.Set("hwaddr", l.mac(slot, nic))
		p.Set("type", "veth")
		for _, word := range addressWords() {
			l.nicPart(&p, slot, word, nic)
		}
	} else {
		p.Set(cmp.Or(nic.Model, "virtio"), l.mac(slot, nic))
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
func (l *lines) nicPart(p *notation.Props, slot, word string, nic desired.NIC) {
	network := l.site.Networks[nic.Network]
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	switch word {
	case "network":
		p.Set("bridge", network.Bridge)
		if !l.sets("networks." + slot + ".vlan") {
			p.Set("tag", number(network.VLAN))
		}
	case "vlan":
		if l.sets("networks."+slot+".vlan") || nic.VLAN != 0 {
			p.Set("tag", number(nic.VLAN))
		}
	case "mtu":
		p.Set("mtu", number(cmp.Or(nic.MTU, network.MTU)))
	case "firewall":
		on := nic.Firewall
		if !l.sets("networks." + slot + ".firewall") {
			on = on || network.Firewall
		}
		p.Set("firewall", map[bool]string{true: "1"}[on])
	case "rate":
		p.Set("rate", notation.FormatRate(nic.Rate))
	case "queues":
		p.Set("queues", number(nic.Queues))
	case "linkDown":
		p.Set("link_down", map[bool]string{true: "1"}[nic.LinkDown])
	case "address":
		p.Set("ip", map[string]string{"": "dhcp", "none": "manual"}[nic.Address])
		if nic.Address != "" && nic.Address != "none" {
			p.Set("ip", nic.Address)
		}
	case "gateway":
		p.Set("gw", strings.TrimPrefix(nic.Gateway, "none"))
	case "address6":
		p.Set("ip6", nic.Address6)
	case "gateway6":
		p.Set("gw6", strings.TrimPrefix(nic.Gateway6, "none"))
	case "name":
		p.Set("name", nic.Name)
	case "mac":
		if l.kind == desired.KindContainer {
			p.Set("hwaddr", l.mac(slot, nic))
			return
		}
		model, _ := nicModel(*p)
		p.Set(model, l.mac(slot, nic))
	case "model":
		l.remodel(p, nic.Model)
	}
}

// remodel changes the model in place and keeps the MAC.
func (l *lines) remodel(p *notation.Props, model string) {
	was, mac := nicModel(*p)
	for i := range p.Parts {
		if p.Parts[i].Key == was {
			p.Parts[i] = notation.Part{Key: model, Value: mac}
		}
	}
}
