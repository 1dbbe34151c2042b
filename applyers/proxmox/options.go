package proxmox

import (
	"strings"

	"berth/desired"
)

// optionOf is the option of Proxmox in which a value of the manifest stands; ""
// for none.
func optionOf(kind string, path desired.Path) string {
	keys := path.Keys()
	if len(keys) == 0 {
		return ""
	}
	vm := kind == desired.KindVM
	switch keys[0] {
	case "hostname":
		if vm {
			return "name"
		}
		return "hostname"
	case "disks", "networks":
		if _, address := addressWord(keys); address && vm {
			return "ipconfig" + strings.TrimPrefix(keys[1], "net")
		}
		if len(keys) > 1 {
			return keys[1]
		}
		return ""
	case "options":
		if len(keys) > 1 {
			return keys[1]
		}
		return ""
	case "cloudInit":
		if len(keys) < 2 {
			return ""
		}
		return map[string]string{"user": "ciuser", "keys": "sshkeys", "upgrade": "ciupgrade"}[keys[1]]
	case "dns":
		return "nameserver"
	case "search":
		return "searchdomain"
	case "cpu":
		if len(keys) < 2 {
			return ""
		}
		switch keys[1] {
		case "cores", "sockets", "numa":
			return keys[1]
		case "type", "flags":
			return "cpu"
		case "units":
			return "cpuunits"
		case "limit":
			return "cpulimit"
		}
		return ""
	case "memory":
		if len(keys) > 1 && keys[1] != "size" {
			return "balloon"
		}
		return "memory"
	case "description", "startup", "tags", "protection", "swap", "features", "unprivileged", "hookscript",
		"bios", "machine", "scsihw", "ostype", "vga", "serial0", "tablet", "keyboard", "hotplug", "boot", "agent":
		return keys[0]
	}
	return ""
}
