package proxmox

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// verbatim words what the manifest writes in options: each is the manifest's own
// text where both say the same. Without a manifest it is all that the language
// has no word for.
func (w *wording) verbatim(g *found) map[string]string {
	out := make(map[string]string)
	if w.want == nil {
		for option, value := range g.conf.Values {
			if !spoken(g.kind, option, value) {
				out[option] = value
			}
		}
		return out
	}
	for option, ask := range w.asked().Options {
		have := g.conf.Values[option]
		if sameOption(option, have, ask) {
			have = ask
		}
		out[option] = have
	}
	return out
}

// spoken tells whether the language has a word for an option, or nobody sets it.
func spoken(kind, option, value string) bool {
	switch {
	case driveSlot(kind, option), nicSlot(option), strings.HasPrefix(option, "unused"), strings.HasPrefix(option, "ipconfig"):
		return true
	}
	return slices.Contains(spokenOptions(kind), option) || option == "serial0" && value == "socket"
}

func spokenOptions(kind string) []string {
	both := []string{
		"description", "tags", "onboot", "startup", "protection", "cores", "cpulimit", "cpuunits", "memory", "hookscript", "lock",
		"template", "digest", "ostype", "parent", "snaptime", "meta", "nameserver", "searchdomain",
	}
	if kind == desired.KindContainer {
		return append(both, "hostname", "swap", "features", "unprivileged", "arch")
	}
	return append(both, "name", "sockets", "cpu", "numa", "balloon", "agent", "bios", "machine", "scsihw", "vga", "tablet", "keyboard",
		"hotplug", "boot", "ciuser", "sshkeys", "ciupgrade", "smbios1", "vmgenid", "bootdisk")
}

// sameOption tells whether two texts say the same in an option: as lists of
// properties in whatever order, in which what Proxmox takes anyway need not stand.
func sameOption(option, have, ask string) bool {
	return slices.Equal(plainOption(option, have), plainOption(option, ask))
}

// plainOption is an option's text, taken apart, with what is usual left out.
func plainOption(option, text string) []notation.Part {
	stem := strings.TrimRight(option, "0123456789")
	usual := usualParts()[stem]
	p := notation.Parse(cmp.Or(firstKey(stem), stem), text)
	p.Parts = slices.DeleteFunc(p.Parts, func(part notation.Part) bool {
		standard, known := usual[part.Key]
		return known && (part.Value == standard || notation.Flag(part.Value, false) == notation.Flag(standard, true) && isFlag(part.Value) && isFlag(standard))
	})
	for i := range p.Parts {
		p.Parts[i].Value = strings.TrimSpace(p.Parts[i].Value)
	}
	return p.Sorted()
}

func isFlag(text string) bool { return notation.Flag(text, true) == notation.Flag(text, false) }

// firstKey is the key of an option's first part by the schema of Proxmox VE 8.4;
// "" where every part has its own, or where the option is one value.
func firstKey(stem string) string {
	return map[string]string{
		"rng": "source", "watchdog": "model", "usb": "host", "hostpci": "host", "virtiofs": "dirid", "amd-sev": "type", "dev": "path",
	}[stem]
}

// usualParts are what Proxmox VE 8.4 takes where an option, or a part of it, is
// not written. An option of one value stands under its own name.
var usualParts = sync.OnceValue(func() map[string]map[string]string {
	one := func(option, value string) map[string]string { return map[string]string{option: value} }
	return map[string]map[string]string{
		"acpi": one("acpi", "1"), "autostart": one("autostart", "0"), "freeze": one("freeze", "0"), "kvm": one("kvm", "1"),
		"localtime": one("localtime", "0"), "reboot": one("reboot", "1"), "tdf": one("tdf", "0"), "shares": one("shares", "1000"),
		"startdate": one("startdate", "now"), "migrate_downtime": one("migrate_downtime", "0.1"), "migrate_speed": one("migrate_speed", "0"),
		"console": one("console", "1"), "tty": one("tty", "2"), "cmode": one("cmode", "tty"), "debug": one("debug", "0"),
		"audio":              one("driver", "spice"),
		"rng":                {"max_bytes": "1024", "period": "1000"},
		"watchdog":           one("model", "i6300esb"),
		"usb":                one("usb3", "0"),
		"hostpci":            {"pcie": "0", "rombar": "1", "x-vga": "0", "legacy-igd": "0"},
		"virtiofs":           {"cache": "auto", "direct-io": "0", "expose-acl": "0", "expose-xattr": "0"},
		"spice_enhancements": {"foldersharing": "0", "videostreaming": "off"},
		"dev":                one("deny-write", "0"),
	}
})

// rootsAlone says why only root@pam may ask for a value, which no token is, not
// even one of root@pam's (FACTS 1, 11); "" if others may.
func rootsAlone(kind string, path desired.Path, value string) string {
	keys := path.Keys()
	if len(keys) == 0 {
		return ""
	}
	const text = " may be set by root@pam alone, never by a token"
	switch {
	case keys[0] == "hookscript":
		return "hookscript" + text
	case len(keys) == 3 && keys[0] == "disks" && keys[2] == "bind" && value != "":
		return keys[1] + " is a directory of the node, and such" + text
	case len(keys) == 2 && keys[0] == "options" && rootsOption(kind, keys[1], value):
		return keys[1] + text
	}
	return ""
}

// rootsOption tells whether an option is root@pam's (FACTS 11).
func rootsOption(kind, option, value string) bool {
	stem := strings.TrimRight(option, "0123456789")
	if kind == desired.KindContainer {
		return stem == "dev" || option == "hookscript" || option == "lock"
	}
	switch stem {
	case "args", "lock", "hookscript", "affinity", "hugepages", "keephugepages", "amd-sev", "arch", "parallel":
		return true
	case "serial":
		return value != "socket"
	case "usb":
		host := notation.Lookup("host", value, "host")
		return host != "" && !strings.HasPrefix(host, "spice")
	case "hostpci":
		return notation.Lookup("host", value, "host") != ""
	}
	return false
}
