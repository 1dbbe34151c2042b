package seed

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// networkConfig is version 2 of cloud-init's network configuration. Interfaces
// are found by their MAC, since the kernel's names depend on the machine type.
func networkConfig(in Input) (mapping, error) {
	var doc, ethernets mapping
	dnsAt := dnsInterface(in.NICs)
	seen := make(map[string]bool)
	for i, nic := range in.NICs {
		mac, err := net.ParseMAC(nic.MAC)
		if err != nil || len(mac) != 6 {
			return doc, fmt.Errorf("interface %d: %q is no MAC", i, nic.MAC)
		}
		// Unnamed interfaces get an id that only this file knows.
		id := nic.Name
		if id == "" {
			id = "net" + strconv.Itoa(i)
		}
		if seen[id] || seen[mac.String()] {
			return doc, fmt.Errorf("interface %d: two have the name %s or the MAC %s", i, id, mac)
		}
		seen[id], seen[mac.String()] = true, true
		entry, err := ethernet(nic, mac)
		if err != nil {
			return doc, fmt.Errorf("interface %d: %w", i, err)
		}
		if i == dnsAt && len(in.DNS)+len(in.Search) > 0 {
			var servers mapping
			for _, text := range in.DNS {
				if _, err := netip.ParseAddr(text); err != nil {
					return doc, fmt.Errorf("name server %q is no address", text)
				}
			}
			servers.addIf(len(in.DNS) > 0, "addresses", in.DNS)
			servers.addIf(len(in.Search) > 0, "search", in.Search)
			entry.add("nameservers", servers)
		}
		ethernets.add(id, entry)
	}
	doc.add("version", 2)
	doc.add("ethernets", ethernets)
	return doc, nil
}

// dnsInterface is the first interface that has an address: version 2 knows name
// servers of interfaces only. It is -1 if there is none.
func dnsInterface(nics []NIC) int {
	for i, nic := range nics {
		if nic.Address != "none" && nic.Address != "" || nic.Address6 != "" {
			return i
		}
	}
	return -1
}

func ethernet(nic NIC, mac net.HardwareAddr) (mapping, error) {
	var entry mapping
	entry.add("match", map[string]string{"macaddress": mac.String()})
	entry.addIf(nic.Name != "", "set-name", nic.Name)
	var addresses []string
	var routes []mapping
	static := func(address, gateway string) error {
		addr, err := netip.ParsePrefix(address)
		if err != nil {
			return fmt.Errorf("%q is neither dhcp nor none nor an address with its prefix length", address)
		}
		addresses = append(addresses, addr.String())
		route, err := defaultRoute(addr, gateway)
		if route != nil {
			routes = append(routes, *route)
		}
		return err
	}
	switch nic.Address {
	case "dhcp":
		entry.add("dhcp4", true)
		if nic.Gateway == "none" {
			entry.add("dhcp4-overrides", map[string]bool{"use-routes": false})
		}
		// Any other gateway is the DHCP server's affair.
	case "", "none":
		entry.add("dhcp4", false)
	default:
		entry.add("dhcp4", false)
		if err := static(nic.Address, nic.Gateway); err != nil {
			return entry, err
		}
	}
	switch nic.Address6 {
	case "":
	case "dhcp":
		entry.add("dhcp6", true)
	case "auto":
		entry.add("accept-ra", true)
	default:
		if err := static(nic.Address6, nic.Gateway6); err != nil {
			return entry, err
		}
	}
	entry.addIf(len(addresses) > 0, "addresses", addresses)
	entry.addIf(len(routes) > 0, "routes", routes)
	return entry, nil
}

// defaultRoute is the route through a gateway; nil if there is none.
func defaultRoute(addr netip.Prefix, gateway string) (*mapping, error) {
	if gateway == "" || gateway == "none" {
		return nil, nil //nolint:nilnil // no gateway is no mistake
	}
	via, err := netip.ParseAddr(gateway)
	if err != nil || via.Is4() != addr.Addr().Is4() {
		return nil, fmt.Errorf("%q is no gateway for %s", gateway, addr)
	}
	route := new(mapping)
	// Not "default": older cloud-inits take only networks.
	if via.Is4() {
		route.add("to", "0.0.0.0/0")
	} else {
		route.add("to", "::/0")
	}
	route.add("via", via.String())
	route.addIf(!addr.Contains(via), "on-link", true)
	return route, nil
}
