package proxmox

import (
	"maps"
	"slices"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// toldElsewhere tells the options that say nothing which a manifest would want to say,
// or that are told elsewhere.
func toldElsewhere(kind, key string) bool {
	switch key {
	case "digest", "meta", "vmgenid", "parent", "snaptime", "template", "lock", "name", "hostname", "description", "tags", "arch":
		return true
	case "ostype":
		// A container's is read from what is in it (FACTS 4).
		return kind == desired.KindContainer
	}
	return strings.HasPrefix(key, "unused") || cloudInitOption(kind, key)
}

// unsaid finds what the words leave out, by trying: an option, or a part of one,
// that could be anything else without the words changing is one that they don't
// tell. What a token may set goes to the guest's options, verbatim.
func (v *viewer) unsaid(g *Surveyed) {
	for _, key := range slices.Sorted(maps.Keys(g.found.conf.Values)) {
		value := g.found.conf.Values[key]
		volume, drive := g.Volumes[key]
		switch {
		case toldElsewhere(g.Kind, key) || drive && (volume.Seed || volume.ID == "none"):
		case key == "smbios1":
			if len(notation.Parse("", value).Parts) > 1 {
				g.Unsaid = append(g.Unsaid, Unsaid{key, "it is who the guest is: Berth keeps it, and sets none"})
			}
		case drive && volume.CDROM:
			g.Unsaid = append(g.Unsaid, Unsaid{key, "what is in a CD-ROM drive comes from an Image, with url and checksum, which Proxmox does not know"})
		case drive && volume.Host:
			g.Unsaid = append(g.Unsaid, Unsaid{key, "a path or device of the node: root@pam only, a token can't set it"})
		case structured(key):
			v.parts(g, key, value)
		case v.sees(g.found, key):
		case beyondTokens(key, value):
			g.Unsaid = append(g.Unsaid, Unsaid{key, "root@pam only, a token can't set it"})
		default:
			option(g.Spec, key, value)
		}
	}
}

// option puts an option among those that are written verbatim.
func option(spec any, key, value string) {
	guest := guestPart(spec)
	if guest.Options == nil {
		guest.Options = make(map[string]string)
	}
	guest.Options[key] = value
}

// structured tells the options that are made of parts.
func structured(key string) bool {
	stem := strings.TrimRight(key, "0123456789")
	return slices.Contains([]string{
		"scsi", "virtio", "sata", "ide", "efidisk", "tpmstate", "net", rootfs, "mp", "agent", "cpu", "vga", "machine", "features", "startup",
	}, stem)
}

// parts finds the parts of an option that the words leave out.
func (v *viewer) parts(g *Surveyed, key, value string) {
	p := notation.Parse(firstOf(g.Kind, key), value)
	for _, part := range p.Parts {
		switch part.Key {
		case "size", "type", "media", "efitype", "version", firstOf(g.Kind, key):
			continue
		}
		stem := strings.TrimRight(key, "0123456789")
		name := g.Kind + " " + stem + " " + part.Key
		seen, known := v.seen[name]
		if !known {
			seen = v.seesPart(g.found, key, p, part.Key)
			v.seen[name] = seen
		}
		if !seen && part.Value != "0" && part.Value != "" {
			g.Unsaid = append(g.Unsaid, Unsaid{key + " " + part.Key, "the language has no word for it: it is kept as it is"})
		}
	}
}

// firstOf is the key of the part that stands without one.
func firstOf(kind, key string) string {
	switch stem := strings.TrimRight(key, "0123456789"); stem {
	case "agent":
		return "enabled"
	case "cpu":
		return "cputype"
	case "memory":
		return "current"
	case "vga", "machine":
		return "type"
	case "startup":
		return "order"
	case "net", "features":
		return ""
	}
	return volumeKey(kind)
}

// alike tells whether two values of an option mean the same, however they are
// written: Proxmox lets "2048" wait beside "current=2048" until the next start
// (FACTS 4), which nobody needs to know.
func alike(kind, key, a, b string) bool {
	first := firstOf(kind, key)
	return a != "" && b != "" && notation.Parse(first, a).Equal(notation.Parse(first, b))
}

// guesses are values of which at least one differs in meaning from whatever is
// there.
func guesses() []string {
	return []string{
		"0", "1", "7", "513", "zz", "on", "none", "native", "64M", "10.9.8.7/24", "10.9.8.1", "fd00::7/64", "fd00::1", "socket",
		"ovmf", "q35", "order=scsi9", "writeback", "AA:BB:CC:00:00:07", "discard;noatime", "/zz", "x=1", "local:zz",
	}
}

func (v *viewer) sees(g *found, key string) bool {
	// The language may have a word for serial0 alone.
	name := g.kind + " " + key
	if seen, known := v.seen[name]; known {
		return seen
	}
	seen := v.changes(g, key, append(guesses(), ""))
	v.seen[name] = seen
	return seen
}

func (v *viewer) seesPart(g *found, key string, p notation.Props, part string) bool {
	var values []string
	for _, try := range append(guesses(), "") {
		other := notation.Props{First: p.First, Parts: slices.Clone(p.Parts)}
		other.Set(part, try)
		values = append(values, other.String())
	}
	return v.changes(g, key, values)
}

// changes tells whether any of some values changes the words.
func (v *viewer) changes(g *found, key string, values []string) bool {
	are := v.leaves(g)
	return slices.ContainsFunc(values, func(value string) bool { return !maps.Equal(are, v.leaves(g.with(key, value))) })
}

// beyondTokens tells what no token may set (FACTS 11).
func beyondTokens(key, value string) bool {
	switch stem := strings.TrimRight(key, "0123456789"); stem {
	case "args", "lock", "hookscript", "affinity", "hugepages", "keephugepages", "amd-sev", "arch", "parallel", "dev", "entrypoint", "env":
		return true
	case "serial":
		return value != "socket"
	case "usb", "hostpci":
		p := notation.Parse("host", value)
		return p.Value("mapping") == ""
	}
	return strings.HasPrefix(key, "lxc.") || key == "lxc"
}

// guestPart is what virtual machines and containers share; an empty one for
// whatever is neither.
func guestPart(spec any) *desired.Guest {
	switch s := spec.(type) {
	case *desired.VM:
		return &s.Guest
	case *desired.Container:
		return &s.Guest
	}
	return &desired.Guest{}
}
