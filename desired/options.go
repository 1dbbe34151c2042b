package desired

import (
	"regexp"
	"slices"
	"strings"
)

// regexpOption is what Proxmox calls an option: "rng0", "amd-sev",
// "spice_enhancements".
var regexpOption = regexp.MustCompile(`^[a-z]+([_-][a-z]+)*[0-9]{0,3}$`)

// checkOptions checks what is given to Proxmox verbatim. What the language has a
// word for is refused, so that nothing is said in two places.
func (l *loader) checkOptions(g *guest) {
	t := g.merged.find("options")
	if t == nil || t.form != mapForm {
		return
	}
	for _, e := range t.entries {
		if g.bad[Path("options").Sub(e.key)] {
			continue
		}
		at := "options." + e.key
		text := g.Options[e.key]
		switch complaint := optionWord(g.kind.short, e.key, text); {
		case complaint != "":
			l.wrong(g.item, e.src(), "%s: %s", at, complaint)
		case !regexpOption.MatchString(e.key):
			l.wrong(g.item, e.src(), "%s: this is no option of Proxmox: write one as in rng0", at)
		case text == "":
			l.wrong(g.item, e.value.src(), "%s: nothing is written here: write a value, or null to take out what lower layers gave", at)
		case text == "true" || text == "false":
			l.wrong(g.item, e.value.src(), "%s: %s: Proxmox takes 1 and 0: write %s", at, text, map[string]string{"true": "1", "false": "0"}[text])
		case strings.ContainsAny(text, "\n\r"):
			l.wrong(g.item, e.value.src(), "%s: an option is one line: write it in one", at)
		case e.key == "smbios1" && !strings.Contains(text, "uuid="):
			l.wrong(g.item, e.value.src(), "%s: without uuid= the guest would lose what tells it from others: add it", at)
		}
	}
}

// optionWord says what to write instead of an option; "" if the language has no
// word for it.
func optionWord(short, key, text string) string {
	word := languageWord(short, key)
	switch {
	case word == key && asWritten(key) && len(text) <= 40 && !strings.ContainsAny(text, "=,\n"):
		return "the language has this: write " + key + ": " + text + " at the guest"
	case word == key:
		return "the language has this: write " + key + " at the guest"
	case word != "":
		return "the language has this: write " + word
	}
	bus, _, numbered := slot(key)
	switch {
	case short == KindContainer && key == "ostype":
		return "Proxmox reads it from the template: take it out"
	case slices.Contains([]string{"lock", "template", "digest", "meta", "vmgenid", "parent", "snaptime", "vmstate", "snapstate", "pending", "cdrom"}, key):
		return "this is Proxmox's own to keep: take it out"
	case slices.Contains([]string{"vmid", "node", "delete", "revert", "force", "skiplock", "start", "purge", "unique"}, key):
		return "this is a word of a request, not an option of a guest: take it out"
	case numbered && bus == "unused":
		return "this is Proxmox's own to keep: take it out"
	case slices.Contains([]string{"cipassword", "ssh-public-keys", "password"}, key):
		return "a secret can't stand here: a VM has keys alone, by cloudInit.users; revoke this one, it is in Git's history now"
	}
	return ""
}

// asWritten tells whether the language takes an option's value as Proxmox does.
func asWritten(key string) bool {
	return slices.Contains([]string{"hostname", "pool", "hookscript", "bios", "machine", "scsihw", "ostype", "vga", "serial0", "keyboard", "hotplug"}, key)
}

// languageWord is what the language calls an option of Proxmox; "" where it has
// no word for it. What kinds of guests call differently is told by kind.
func languageWord(short, key string) string {
	if bus, _, numbered := slot(key); numbered {
		switch bus {
		case "scsi", "virtio", "sata", "ide", "mp", "efidisk", "tpmstate":
			return "disks." + key
		case "net":
			return "networks." + key
		case "ipconfig":
			return "networks." + strings.Replace(key, "ipconfig", "net", 1) + ".address"
		}
	}
	switch key {
	case "name", "hostname":
		return "hostname"
	case "description", "tags", "protection", "hookscript", "pool":
		return key
	case "cores", "sockets", "numa":
		return "cpu." + key
	case "cpu":
		return "cpu.type and cpu.flags"
	case "smp":
		return "cpu"
	case "cpulimit", "cpuunits":
		return "cpu." + strings.TrimPrefix(key, "cpu")
	case "memory":
		return "memory"
	case "onboot", "startup":
		return "startup"
	case "nameserver":
		return "dns"
	case "searchdomain":
		return "search"
	case "rootfs":
		return "disks.rootfs"
	}
	if short == KindContainer {
		switch key {
		case "password":
			return "password: {secret: NAME} at the guest, and revoke this one, it is in Git's history now"
		case "swap", "unprivileged", "features":
			return key
		case "ssh-public-keys":
			return "keys at the guest"
		case "ostemplate":
			return "disks.rootfs.image"
		}
		return ""
	}
	switch key {
	case "agent", "bios", "machine", "scsihw", "ostype", "vga", "serial0", "tablet", "keyboard", "hotplug", "boot":
		return key
	case "bootdisk":
		return "boot"
	case "balloon":
		return "memory.min"
	case "cdrom":
		return "disks.ide2.iso"
	case "ciuser", "sshkeys":
		return "cloudInit.users"
	case "ciupgrade":
		return "cloudInit.upgrade"
	case "cicustom", "citype":
		return "cloudInit"
	}
	return ""
}
