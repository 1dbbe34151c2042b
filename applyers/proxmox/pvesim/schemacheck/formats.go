package schemacheck

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// patterns are the formats that a pattern alone decides. They are written from
// what the server accepts, and hold for the whole value.
var patterns = sync.OnceValue(func() map[string]*regexp.Regexp {
	const label = `[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?`
	out := map[string]*regexp.Regexp{}
	for k, v := range map[string]string{ //nolint:gosec // patterns of names, no credentials
		"pve-node":         label,
		"pve-vmid":         `[1-9][0-9]{2,8}`,
		"pve-configid":     `[a-zA-Z][a-zA-Z0-9_\-]+`,
		"pve-storage-id":   `[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]`,
		"pve-volume-id":    `[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]:.+`,
		"dns-name":         label + `(?:\.` + label + `)*`,
		"pve-tag":          `[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*`,
		"mac-addr":         `[a-fA-F0-9][02468aceACE](?::[a-fA-F0-9]{2}){5}`,
		"disk-size":        `\d+(?:\.\d+)?[KMGT]?`,
		"pve-bridge-id":    `[-_.\w\d]+`,
		"pve-iface":        `[a-zA-Z][a-zA-Z0-9_]{1,20}(?:[:.]\d+)?`,
		"pve-poolid":       `[A-Za-z0-9.\-_]+(?:/[A-Za-z0-9.\-_]+){0,2}`,
		"pve-roleid":       `[A-Za-z0-9.\-_]+`,
		"pve-groupid":      `[A-Za-z0-9.\-_]+`,
		"pve-realm":        `[A-Za-z][A-Za-z0-9.\-_]+`,
		"pve-userid":       `[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+`,
		"pve-tokenid":      `[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+`,
		"pve-cpuset":       `\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*`,
		"pve-lxc-mp-path":  `(?:/[^/]+)+`,
		"pve-priv":         `[A-Z][A-Za-z]*(?:\.[A-Za-z]+)+`,
		"pve-ct-timezone":  `[A-Za-z0-9+\-_/]+`,
		"pve-qemu-sev-fmt": `.*`,
	} {
		out[k] = regexp.MustCompile(`^(?:` + v + `)$`)
	}
	return out
})

// splitList splits a list as the server does.
func splitList(v string) []string {
	return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\t' || r == '\n' || r == 0 })
}

// format returns what is wrong with a value by a named format, or "". Formats that
// are not known allow everything; known tells which those are.
func format(name, v string) string {
	if ok, mine := judge(name, v); mine {
		if !ok {
			return "is no " + name
		}
		return ""
	}
	if single, ok := strings.CutSuffix(name, "-list"); ok && known(single) {
		for _, e := range splitList(v) {
			if text := format(single, e); text != "" {
				return fmt.Sprintf("has %q, which %s", e, text)
			}
		}
		return ""
	}
	if single, ok := strings.CutSuffix(name, "-opt"); ok && known(single) && v != "" {
		return format(single, v)
	}
	return ""
}

// known reports whether a format is judged at all.
func known(name string) bool {
	if _, nested := named()[name]; nested || name == "pve-qm-ide" {
		return true
	}
	if _, mine := judge(name, ""); mine {
		return true
	}
	base := strings.TrimSuffix(strings.TrimSuffix(name, "-list"), "-opt")
	return name != base && known(base)
}

// judge decides the formats of single values; mine is false for all others.
func judge(name, v string) (ok, mine bool) {
	if re := patterns()[name]; re != nil {
		return re.MatchString(v), true
	}
	is := func(name string) bool { ok, _ := judge(name, v); return ok }
	switch name {
	case "ipv4", "ipv6", "ip":
		a, err := netip.ParseAddr(v)
		return err == nil && (name == "ip" || a.Is4() == (name == "ipv4")) && a.Zone() == "", true
	case "address":
		return is("ip") || is("dns-name"), true
	case "pve-ipv4-config":
		return v == "dhcp" || v == "manual" || prefix(v, true, 0), true
	case "pve-ipv6-config":
		return v == "dhcp" || v == "manual" || v == "auto" || prefix(v, false, 8), true
	case "CIDRv4", "CIDRv6":
		return prefix(v, name == "CIDRv4", 8), true
	case "CIDR":
		return is("CIDRv4") || is("CIDRv6"), true
	case "lxc-ip-with-ll-iface":
		// A link-local address may name its interface.
		a, err := netip.ParseAddr(v)
		return err == nil && (a.Zone() == "" || a.IsLinkLocalUnicast()), true
	case "pve-volume-id-or-qm-path":
		return v == "none" || v == "cdrom" || strings.HasPrefix(v, "/") || is("pve-volume-id"), true
	case "pve-volume-id-or-absolute-path":
		return strings.HasPrefix(v, "/") || is("pve-volume-id"), true
	case "pve-lxc-mp-string":
		return v != "" && !dotted(v), true
	case "pve-lxc-dev-string":
		return strings.HasPrefix(v, "/dev/") && !dotted(v), true
	case "pve-task-status-type":
		return slices.Contains(strings.Fields("ok error warning unknown"), v), true
	case "pve-storage-content":
		return slices.Contains(strings.Fields("none images rootdir vztmpl iso backup snippets import"), v), true
	case "urlencoded":
		_, err := url.PathUnescape(v)
		return err == nil && strings.Trim(v, "-%abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.!~*'()") == "", true
	case "pve-startup-order":
		return startup(v), true
	case "storage-pair":
		from, to, pair := strings.Cut(v, ":")
		id := patterns()["pve-storage-id"]
		return v == "1" || id.MatchString(from) && (!pair || id.MatchString(to)), true
	case "pve-hotplug-features":
		return hotplug(v), true
	case "pve-qm-bootdisk":
		return true, true // its pattern decides
	case "email":
		return strings.Contains(strings.Trim(v, "@"), "@"), true
	}
	return false, false
}

func prefix(v string, four bool, bits int) bool {
	p, err := netip.ParsePrefix(v)
	return err == nil && p.Addr().Is4() == four && p.Bits() >= bits
}

func hotplug(v string) bool {
	if v == "0" || v == "1" {
		return true
	}
	for _, f := range splitList(v) {
		if !slices.Contains([]string{"network", "disk", "cpu", "memory", "usb", "cloudinit"}, f) {
			return false
		}
	}
	return len(splitList(v)) > 0
}

func dotted(v string) bool { return slices.Contains(strings.Split(v, "/"), "..") }

func startup(v string) bool {
	seen := map[string]bool{}
	for p := range strings.SplitSeq(v, ",") {
		k, n, ok := strings.Cut(strings.TrimSpace(p), "=")
		if !ok {
			k, n = "order", k
		}
		if !slices.Contains([]string{"order", "up", "down"}, k) || n == "" || strings.Trim(n, "0123456789") != "" || seen[k] {
			return false
		}
		seen[k] = true
	}
	return true
}

// named are the property strings that have a name instead of their keys.
var named = sync.OnceValue(func() map[string]map[string]*Property {
	str := func(format string) *Property { return &Property{Type: "string", Format: format, Optional: true} }
	re := func(pattern string) *Property {
		return &Property{Type: "string", Pattern: regexp.MustCompile("^(?:" + pattern + ")$"), Optional: true}
	}
	enum := func(of ...string) *Property { return &Property{Type: "string", Enum: of, Optional: true} }
	flag := func() *Property { return &Property{Type: "boolean", Optional: true} }
	count := func(low, high float64) *Property {
		return &Property{Type: "integer", Min: &low, Max: &high, Optional: true}
	}
	key := func(p *Property) *Property { p.DefaultKey = true; return p }
	needs := func(p *Property, other string) *Property { p.Requires = other; return p }
	const text, pci = `[A-Za-z0-9+/]+={0,2}|[^,]+`, `(?:[a-f0-9]{4}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?`
	smbios := map[string]*Property{"uuid": re(`[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}`), "base64": flag()}
	for _, k := range []string{"version", "serial", "manufacturer", "product", "sku", "family"} {
		smbios[k] = re(text)
	}
	return maps.Clone(map[string]map[string]*Property{
		"pve-qm-ipconfig": {
			"ip": str("pve-ipv4-config"), "gw": needs(str("ipv4"), "ip"), "ip6": str("pve-ipv6-config"), "gw6": needs(str("ipv6"), "ip6"),
		},
		"pve-qm-cicustom": {"user": str("pve-volume-id"), "network": str("pve-volume-id"), "meta": str("pve-volume-id"), "vendor": str("pve-volume-id")},
		"pve-qm-boot":     {"legacy": key(re(`[acdn]{1,4}`)), "order": re(`(?:(?:ide|sata|scsi|virtio|net|hostpci|usb)\d+)?(?:[;\s]+(?:ide|sata|scsi|virtio|net|hostpci|usb)\d+)*;?`)},
		"pve-qm-smbios1":  smbios,
		"pve-qm-watchdog": {"model": key(enum("i6300esb", "ib700")), "action": enum("reset", "shutdown", "poweroff", "pause", "debug", "none")},
		"pve-qm-rng":      {"source": key(&Property{Type: "string", Enum: []string{"/dev/urandom", "/dev/random", "/dev/hwrng"}}), "max_bytes": {Type: "integer", Optional: true}, "period": {Type: "integer", Optional: true}},
		"pve-qm-hostpci": {
			"host": key(re(pci + `(?:;` + pci + `)*`)), "mapping": str("pve-configid"), "rombar": flag(), "romfile": re(`[^,;]+`), "pcie": flag(), "x-vga": flag(),
			"legacy-igd": flag(), "mdev": re(`[^/.:]+`), "vendor-id": re(`0x[0-9a-fA-F]{4}`), "device-id": re(`0x[0-9a-fA-F]{4}`),
			"sub-vendor-id": re(`0x[0-9a-fA-F]{4}`), "sub-device-id": re(`0x[0-9a-fA-F]{4}`),
		},
		"pve-vm-cpu-conf": {
			"cputype": key(re(`custom-[-_.\w]+|host|max|kvm64|kvm32|qemu64|qemu32|486|athlon|phenom|core2duo|coreduo|pentium[23]?|x86-64-v2(?:-AES)?|x86-64-v[34]|(?:Broadwell|Cascadelake|Conroe|Cooperlake|EPYC|GraniteRapids|Haswell|Icelake|IvyBridge|KnightsMill|Nehalem|Opteron|Penryn|SandyBridge|SapphireRapids|Skylake|Westmere)[-A-Za-z0-9]*`)),
			"hidden":  flag(), "hv-vendor-id": re(`[a-zA-Z0-9]{1,12}`), "flags": re(`[+-][a-zA-Z0-9\-_.]+(?:;[+-][a-zA-Z0-9\-_.]+)*`),
			"phys-bits": re(`host|[0-9]{1,2}`), "guest-phys-bits": count(32, 64), "reported-model": re(`[-\w]+`),
		},
	})
})
