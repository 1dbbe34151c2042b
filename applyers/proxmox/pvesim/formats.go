package pvesim

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// cpuModels are the built-in ones that a configuration may name; a real server
// knows more, which are taken from their prefix.
var cpuModels = []string{"host", "max", "kvm64", "kvm32", "qemu64", "qemu32", "x86-64-v2", "x86-64-v2-AES", "x86-64-v3", "x86-64-v4", "athlon", "core2duo", "coreduo", "pentium", "pentium2", "pentium3", "486", "phenom"}

var cpuFamilies = []string{"Broadwell", "Cascadelake", "Conroe", "Cooperlake", "EPYC", "GraniteRapids", "Haswell", "Icelake", "IvyBridge", "KnightsMill", "Nehalem", "Opteron", "Penryn", "SandyBridge", "SapphireRapids", "Skylake", "Westmere"}

// checkFormat returns what is wrong with a value, in the server's words, or "".
func checkFormat(format, v string) string {
	switch format {
	case "vmid":
		if n := atoi(v); !isInteger(v) || n < 100 || n > 999999999 || v[0] == '0' || v[0] == '+' {
			return "value does not look like a valid VM ID"
		}
	case "dns":
		if !matches("dns", v) {
			return "value does not look like a valid DNS name"
		}
	case "id":
		if !matches("id", v) {
			return fmt.Sprintf("invalid configuration ID '%s'", v)
		}
	case "volid", "volume":
		if format == "volume" && (v == "none" || v == "cdrom" || strings.HasPrefix(v, "/")) {
			return ""
		}
		if !matches("volid", v) {
			return fmt.Sprintf("unable to parse volume ID '%s'", v)
		}
	case "tags-list":
		for _, t := range splitList(v) {
			if !matches("tag", t) {
				return "invalid characters in tag"
			}
		}
	case "mac":
		if !matches("mac", v) && !matches("mac2", v) {
			return "value does not look like a valid MAC address"
		}
		if !matches("mac", v) {
			return "value does not look like a valid unicast MAC address"
		}
	case "ipv4cfg":
		if v == "dhcp" || v == "manual" {
			return ""
		}
		if p, err := netip.ParsePrefix(v); err != nil || !p.Addr().Is4() {
			return "value does not look like a valid ipv4 network configuration"
		}
	case "ipv6cfg":
		if v == "dhcp" || v == "manual" || v == "auto" {
			return ""
		}
		if p, err := netip.ParsePrefix(v); err != nil || !p.Addr().Is6() {
			return "value does not look like a valid ipv6 network configuration"
		}
	case "ipv4":
		if a, err := netip.ParseAddr(v); err != nil || !a.Is4() {
			return "value does not look like a valid ipv4 address"
		}
	case "ipv6":
		if a, err := netip.ParseAddr(v); err != nil || !a.Is6() {
			return "value does not look like a valid ipv6 address"
		}
	case "address-list":
		for _, a := range splitList(v) {
			if _, err := netip.ParseAddr(a); err != nil && !matches("dns", a) {
				return "value does not look like a valid address: " + a
			}
		}
	case "encoded":
		if !matches("encoded", v) {
			return "invalid urlencoded string: " + v
		}
		if _, err := url.PathUnescape(v); err != nil {
			return "invalid urlencoded string: " + v
		}
	case "disk":
		if !matches("disk", v) {
			return "value does not look like a valid disk size: " + v
		}
	case "cpu":
		return checkCPU(v)
	case "startup":
		return checkStartup(v)
	case "hotplug":
		return checkHotplug(v)
	case "cidr":
		if _, err := netip.ParsePrefix(v); err != nil {
			return "value does not look like a valid CIDR network"
		}
	case "address-ll-list":
		for _, a := range splitList(v) {
			if ip, err := netip.ParseAddr(a); err != nil || ip.Zone() != "" && !ip.IsLinkLocalUnicast() {
				return "value does not look like a valid IP address: " + a
			}
		}
	case "pair-list":
		for _, e := range splitList(v) {
			from, to, pair := strings.Cut(e, ":")
			if e != "1" && (!matches("storage", from) || pair && !matches("storage", to)) {
				return "value '" + e + "' does not look like a valid storage pair"
			}
		}
	case "dev":
		if !strings.HasPrefix(v, "/dev/") || slices.Contains(strings.Split(v, "/"), "..") {
			return "value does not look like a device path"
		}
	case "content":
		if !slices.Contains([]string{"none", "images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import"}, v) {
			return "invalid content type '" + v + "'"
		}
	case "taskstate":
		if !slices.Contains([]string{"ok", "error", "warning", "unknown"}, v) {
			return "value '" + v + "' is not a task state"
		}
	case "path":
		if !strings.HasPrefix(v, "/") && !matches("volid", v) {
			return fmt.Sprintf("unable to parse volume ID '%s'", v)
		}
	case "privs-list":
		for _, p := range splitList(v) {
			if !slices.Contains(allPrivs(), p) {
				return fmt.Sprintf("invalid privilege '%s'", p)
			}
		}
	case "mp":
		if slices.Contains(strings.Split(v, "/"), "..") || v == "" {
			return "invalid mount point"
		}
	default:
		return checkNamed(format, v)
	}
	return ""
}

// names say what the values of formats are that a pattern decides.
var names = map[string]string{
	"node": "node name", "pool": "pool name", "userid": "user name", "tokenid": "token ID", "role": "role name", "group": "group name", "cpuset": "CPU set", "zone": "time zone", "email": "email address",
}

// checkNamed judges the formats that have a pattern, and lists of such.
func checkNamed(format, v string) string {
	if single, ok := strings.CutSuffix(format, "-list"); ok {
		for _, e := range splitList(v) {
			if text := checkFormat(single, e); text != "" {
				return text
			}
		}
		return ""
	}
	pattern := format
	switch format {
	case "role", "group":
		pattern = "name"
	case "storage":
		if !matches("storage", v) {
			return fmt.Sprintf("storage ID '%s' contains illegal characters", v)
		}
		return ""
	case "email":
		if v == "" {
			return ""
		}
	}
	if names[format] != "" && !matches(pattern, v) {
		return fmt.Sprintf("value '%s' does not look like a valid %s", v, names[format])
	}
	return ""
}

func checkStartup(v string) string {
	seen := map[string]bool{}
	for p := range strings.SplitSeq(v, ",") {
		k, _, ok := strings.Cut(strings.TrimSpace(p), "=")
		if !ok {
			k = "order"
		}
		if !matches("startup", strings.TrimSpace(p)) || seen[k] {
			return "unable to parse startup options"
		}
		seen[k] = true
	}
	return ""
}

func checkHotplug(v string) string {
	if v == "0" || v == "1" {
		return ""
	}
	for _, f := range splitList(v) {
		if !slices.Contains([]string{"network", "disk", "cpu", "memory", "usb", "cloudinit"}, f) {
			return "unable to parse hotplug option"
		}
	}
	return ""
}

func checkCPU(v string) string {
	name := ""
	for part := range strings.SplitSeq(v, ",") {
		k, x, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !ok:
			name = k
		case k == "cputype":
			name = x
		}
	}
	if name == "" {
		return ""
	}
	if strings.HasPrefix(name, "custom-") || slices.Contains(cpuModels, name) {
		return ""
	}
	if slices.ContainsFunc(cpuFamilies, func(f string) bool { return strings.HasPrefix(name, f) }) {
		return ""
	}
	return fmt.Sprintf("Built-in cputype '%s' is not defined (missing 'custom-' prefix?)", name)
}

// splitList splits as PVE does: at commas, semicolons and white space.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return r == ',' || r == ';' || r == ' ' || r == '\t' || r == '\n' || r == 0
	})
}

// parseSize reads 512, 4.5G, 100M … as bytes.
func parseSize(s string) (int64, bool) {
	if !matches("disk", s) {
		return 0, false
	}
	shift := 0
	switch s[len(s)-1] {
	case 'K':
		shift = 10
	case 'M':
		shift = 20
	case 'G':
		shift = 30
	case 'T':
		shift = 40
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	n := number(s)
	if n == nil {
		return 0, false
	}
	return int64(*n * float64(int64(1)<<shift)), true
}

// formatSize writes bytes in the largest unit that divides them (FACTS 4).
func formatSize(n int64) string {
	units := []string{"", "K", "M", "G", "T"}
	i := 0
	for i < len(units)-1 && n != 0 && n%1024 == 0 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%d%s", n, units[i])
}

// uniqueTags is what a PUT makes of tags: split, lower-cased unless the
// datacenter says otherwise, sorted and each of them once (FACTS 4).
func (c *Cluster) uniqueTags(v string) string {
	tags := splitList(v)
	if !strings.Contains(c.options["tag-style"], "case-sensitive=1") {
		for i := range tags {
			tags[i] = strings.ToLower(tags[i])
		}
	}
	slices.Sort(tags)
	return strings.Join(slices.Compact(tags), ";")
}

func formatFloat(f float64) string { return fmt.Sprintf("%.1f", f) }
