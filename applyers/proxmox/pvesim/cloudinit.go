package pvesim

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// cloudInitPending tells which keys the cloud-init drive does not have yet.
func (q *call) cloudInitPending() (any, error) {
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	added := splitList(g.cloudinit["added"])
	var keys []string
	for _, k := range cloudInit {
		// The keys with an index, and the name, are told of only when they are new.
		if g.conf[k] != "" || g.cloudinit[k] != "" {
			keys = append(keys, k)
		}
	}
	for _, k := range added {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	rows := []any{}
	for _, k := range keys {
		row := map[string]any{"key": k}
		recorded, stale := g.cloudinit[k]
		now, have := g.conf[k]
		switch {
		case slices.Contains(added, k):
			row["pending"] = g.show(k, now)
		case stale:
			row["value"] = g.show(k, recorded)
			if have {
				row["pending"] = g.show(k, now)
			} else {
				row["delete"] = 1
			}
		default:
			row["value"] = g.show(k, now)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// cloudInitRenew makes the drive anew.
func (q *call) cloudInitRenew() (any, error) {
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	if err := q.checkSnippets(g); err != nil {
		return nil, err
	}
	g.cloudinit = map[string]string{}
	return null{}, nil
}

// checkSnippets looks for the files that stand for what the server would write
// (by the sources).
func (q *call) checkSnippets(g *guest) error {
	files, _ := qemuProps()["cicustom"].parseProps("cicustom", g.conf["cicustom"])
	for _, k := range slices.Sorted(maps.Keys(files)) {
		name, rest, _ := strings.Cut(files[k], ":")
		s, err := q.storageOn(g.node, name)
		if err != nil {
			return err
		}
		if q.volume(g.node, files[k]) == nil {
			return fail("can't open '%s' - No such file or directory", s.path(rest))
		}
	}
	return nil
}

// cloudInitDump shows what the drive would hold.
func (q *call) cloudInitDump() (any, error) {
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	switch q.args["type"] {
	case "user":
		return g.userData(), nil
	case "network":
		return g.networkData(), nil
	}
	return fmt.Sprintf("instance-id: %s\n", sumOf(g.userData()+g.networkData(), "sha1")), nil
}

func (g *guest) userData() string {
	var b strings.Builder
	b.WriteString("#cloud-config\n")
	name, _, dotted := strings.Cut(g.name(), ".")
	fqdn := g.name()
	if d := strings.Fields(g.conf["searchdomain"]); !dotted && len(d) > 0 {
		fqdn = name + "." + d[0]
	}
	fmt.Fprintf(&b, "hostname: %s\nmanage_etc_hosts: true\nfqdn: %s\n", name, fqdn)
	if u := g.conf["ciuser"]; u != "" {
		fmt.Fprintf(&b, "user: %s\n", u)
	} else {
		b.WriteString("disable_root: False\n")
	}
	if p := g.conf["cipassword"]; p != "" {
		fmt.Fprintf(&b, "password: %s\n", p)
	}
	if keys := unescape(strings.ReplaceAll(g.conf["sshkeys"], "+", "%2B")); keys != "" {
		b.WriteString("ssh_authorized_keys:\n")
		for l := range strings.Lines(keys) {
			if l = strings.TrimSpace(l); l != "" {
				fmt.Fprintf(&b, "  - %s\n", l)
			}
		}
	}
	b.WriteString("chpasswd:\n  expire: False\n")
	if g.conf["ciuser"] != "root" {
		b.WriteString("users:\n  - default\n")
	}
	if g.conf["ciupgrade"] != "0" {
		b.WriteString("package_upgrade: true\n")
	}
	return b.String()
}

func (g *guest) networkData() string {
	var b strings.Builder
	b.WriteString("version: 1\nconfig:\n")
	for i := range 32 {
		p, _ := qemuProps()["ipconfig"].parseProps("ipconfig", g.conf["ipconfig"+itoa(i)])
		n, _ := qemuProps()["net"].parseProps("net", g.conf["net"+itoa(i)])
		if len(p) == 0 || n["macaddr"] == "" {
			continue
		}
		fmt.Fprintf(&b, "    - type: physical\n      name: eth%d\n      mac_address: '%s'\n      subnets:\n", i, strings.ToLower(n["macaddr"]))
		if p["ip"] == "dhcp" {
			b.WriteString("      - type: dhcp4\n")
		} else if ip, err := netip.ParsePrefix(p["ip"]); err == nil {
			fmt.Fprintf(&b, "      - type: static\n        address: '%s'\n        netmask: '%s'\n", ip.Addr(), netmask(ip.Bits()))
			if p["gw"] != "" {
				fmt.Fprintf(&b, "        gateway: '%s'\n", p["gw"])
			}
		}
		b.WriteString(networkData6(p["ip6"], p["gw6"]))
	}
	b.WriteString("    - type: nameserver\n      address:\n")
	servers := strings.Fields(g.conf["nameserver"])
	if len(servers) == 0 {
		servers = []string{"10.255.255.53"}
	}
	for _, s := range servers {
		fmt.Fprintf(&b, "      - '%s'\n", s)
	}
	if d := g.conf["searchdomain"]; d != "" {
		fmt.Fprintf(&b, "      search:\n      - '%s'\n", d)
	}
	return b.String()
}

// networkData6 is what an interface gets of the second version of the protocol.
func networkData6(ip, gateway string) string {
	switch ip {
	case "":
		return ""
	case "dhcp":
		return "      - type: dhcp6\n"
	case "auto":
		return "      - type: ipv6_slaac\n"
	}
	out := fmt.Sprintf("      - type: static6\n        address: '%s'\n", ip)
	if gateway != "" {
		out += fmt.Sprintf("        gateway: '%s'\n", gateway)
	}
	return out
}

func netmask(bits int) string {
	m := ^uint32(0) << (32 - bits)
	return fmt.Sprintf("%d.%d.%d.%d", m>>24, m>>16&255, m>>8&255, m&255)
}
