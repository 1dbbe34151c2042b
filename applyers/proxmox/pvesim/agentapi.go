package pvesim

import (
	"net/netip"
	"strconv"
	"strings"
)

// Interface is what a guest agent, or a container, tells about a network device.
type Interface struct {
	Name, MAC string
	// Addresses are in CIDR notation.
	Addresses []string
}

type agentState struct {
	ifaces []Interface
	files  map[string]string
}

// SetGuestAgent lets the guest agent of a VM answer, with these network devices;
// without a call it is not running. It knows a made-up SSH host key, too. For a
// container it replaces what is made up from its configuration. No interfaces at all
// switch the agent off again.
func (c *Cluster) SetGuestAgent(vmid int, ifaces ...Interface) {
	c.lock()
	defer c.unlock()
	g := c.guests[vmid]
	if g == nil {
		return
	}
	if len(ifaces) == 0 {
		g.agent = nil
		return
	}
	files := map[string]string{hostKeyFile: g.hostKey()}
	if g.agent != nil {
		files = cloneMap(g.agent.files)
	}
	g.agent = &agentState{ifaces: ifaces, files: files}
}

// SetGuestFile lets the guest agent of a VM find a file, such as what cloud-init
// leaves at /run/cloud-init/result.json; "" takes it away. The agent must run, see
// SetGuestAgent.
func (c *Cluster) SetGuestFile(vmid int, path, content string) {
	c.lock()
	defer c.unlock()
	if g := c.guests[vmid]; g != nil && g.agent != nil {
		g.agent.files[path] = content
		if content == "" {
			delete(g.agent.files, path)
		}
	}
}

// madeUp is the agent of a guest of which nobody said what it answers.
func (g *guest) madeUp() *agentState {
	a := &agentState{files: map[string]string{
		"/run/cloud-init/result.json": `{"v1":{"datasource":"DataSourceNoCloud","errors":[]}}`,
		hostKeyFile:                   g.hostKey(),
	}}
	for i := range 32 {
		n, _ := qemuProps()["net"].parseProps("net", g.conf["net"+itoa(i)])
		if n["macaddr"] == "" {
			continue
		}
		ip, _ := qemuProps()["ipconfig"].parseProps("ipconfig", g.conf["ipconfig"+itoa(i)])
		addr := ip["ip"]
		if _, err := netip.ParsePrefix(addr); err != nil {
			addr = madeUpAddress(g.vmid)
		}
		a.ifaces = append(a.ifaces, Interface{Name: "eth" + itoa(i), MAC: n["macaddr"], Addresses: []string{addr, linkLocal(n["macaddr"]) + "/64"}})
		if p, err := netip.ParsePrefix(ip["ip6"]); err == nil {
			last := &a.ifaces[len(a.ifaces)-1]
			last.Addresses = append(last.Addresses, p.String())
		}
	}
	return a
}

// madeUpAddress is what DHCP gives a guest, of the range for benchmarks (RFC 2544): no two
// of a cluster have the same.
func madeUpAddress(vmid int) string {
	return "198." + itoa(18+vmid>>16&1) + "." + itoa(vmid>>8&255) + "." + itoa(vmid&255) + "/15"
}

func (q *call) agentCall() (any, error) {
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	if !g.running {
		return nil, fail("VM %d is not running", g.vmid)
	}
	enabled, _ := qemuProps()["agent"].parseProps("agent", g.conf["agent"])
	if enabled["enabled"] != "1" {
		return nil, fail("No QEMU guest agent configured")
	}
	agent := g.agent
	if agent == nil && q.opts.Agents {
		agent = g.madeUp()
	}
	if agent == nil {
		return nil, fail("QEMU guest agent is not running")
	}
	var result any
	switch q.args["command"] {
	case "network-get-interfaces":
		result = agentInterfaces(agent.ifaces)
	case "file-read":
		content, ok := agent.files[q.args["file"]]
		if !ok {
			return nil, fail("Agent error: failed to open file '%s' (mode: 'r'): No such file or directory", q.args["file"])
		}
		return map[string]any{"content": content}, nil
	case "ping":
		result = map[string]any{}
	case "info":
		result = map[string]any{"version": "7.2.0", "supported_commands": []any{}}
	case "get-host-name":
		result = map[string]any{"host-name": g.name()}
	case "get-osinfo":
		result = map[string]any{"id": "debian", "name": "Debian GNU/Linux", "version-id": "12"}
	default:
		return nil, fail("command '%s' is not simulated", q.args["command"])
	}
	return map[string]any{"result": result}, nil
}

func agentInterfaces(ifaces []Interface) any {
	rows := []any{map[string]any{
		"name": "lo", "hardware-address": "00:00:00:00:00:00",
		"ip-addresses": []any{map[string]any{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}},
	}}
	for _, i := range ifaces {
		addrs := []any{}
		for _, a := range i.Addresses {
			p, err := netip.ParsePrefix(a)
			if err != nil {
				continue
			}
			kind := "ipv6"
			if p.Addr().Is4() {
				kind = "ipv4"
			}
			addrs = append(addrs, map[string]any{"ip-address": p.Addr().String(), "ip-address-type": kind, "prefix": p.Bits()})
		}
		rows = append(rows, map[string]any{"name": i.Name, "hardware-address": strings.ToLower(i.MAC), "ip-addresses": addrs})
	}
	return rows
}

// containerInterfaces answers the addresses that a running container has: those
// of its configuration, and a made-up one where that says dhcp.
func (q *call) containerInterfaces() (any, error) {
	g := q.guests[atoi(q.args["vmid"])]
	if g == nil || g.kind != KindCT || !g.running {
		return null{}, nil
	}
	ifaces := []Interface{}
	if g.real {
		ifaces = q.opts.Runtime.State(g.vmid).Interfaces
	} else if g.agent != nil {
		ifaces = g.agent.ifaces
	} else {
		for i := range 32 {
			v, ok := g.conf["net"+itoa(i)]
			if !ok {
				continue
			}
			p, _ := lxcProps()["ctnet"].parseProps("net", v)
			var addrs []string
			switch ip := p["ip"]; {
			case ip == "dhcp":
				addrs = append(addrs, madeUpAddress(g.vmid))
			case ip != "" && ip != "manual":
				addrs = append(addrs, ip)
			}
			addrs = append(addrs, linkLocal(p["hwaddr"])+"/64")
			if six, err := netip.ParsePrefix(p["ip6"]); err == nil {
				addrs = append(addrs, six.String())
			}
			ifaces = append(ifaces, Interface{Name: p["name"], MAC: p["hwaddr"], Addresses: addrs})
		}
	}
	rows := []any{map[string]any{"name": "lo", "hwaddr": "00:00:00:00:00:00", "hardware-address": "00:00:00:00:00:00", "ip-addresses": []any{}}}
	for _, i := range ifaces {
		mac := strings.ToLower(i.MAC)
		row := map[string]any{"name": i.Name, "hwaddr": mac, "hardware-address": mac}
		addrs := []any{}
		for _, a := range i.Addresses {
			p, err := netip.ParsePrefix(a)
			if err != nil {
				continue
			}
			kind := "inet6"
			if p.Addr().Is4() {
				kind = "inet"
			}
			row[kind] = a
			addrs = append(addrs, map[string]any{"ip-address": p.Addr().String(), "ip-address-type": kind, "prefix": strconv.Itoa(p.Bits())})
		}
		row["ip-addresses"] = addrs
		rows = append(rows, row)
	}
	return rows, nil
}

// linkLocal is the address that a device makes up from its hardware address.
func linkLocal(mac string) string {
	var b [16]byte
	b[0], b[1] = 0xfe, 0x80
	for i, part := range strings.Split(mac, ":") {
		n, err := strconv.ParseUint(part, 16, 8)
		if err != nil || i > 5 {
			return "fe80::1"
		}
		at := 8 + i
		if i > 2 {
			at += 2
		}
		b[at] = byte(n)
	}
	b[8] ^= 2
	b[11], b[12] = 0xff, 0xfe
	return netip.AddrFrom16(b).String()
}
