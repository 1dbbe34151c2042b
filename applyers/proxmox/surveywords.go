package proxmox

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// viewer tells guests in the manifest's words where there is no manifest yet. It
// is the wording that comparison uses, asked for nothing.
type viewer struct {
	site *desired.Site
	// seen remembers which options, and parts of them, the words depend on.
	seen map[string]bool
}

// spec is the guest without the options that are told verbatim: those are chosen
// by what else is left out.
func (v *viewer) spec(g *found) any {
	bare := *g
	bare.stamp = stamp.Stamp{}
	spec := (&wording{fleet: &desired.Fleet{}, site: v.site}).spec(&bare)
	guestPart(spec).Options = nil
	return spec
}

// leaves are the words by their paths.
func (v *viewer) leaves(g *found) map[desired.Path]string {
	out := make(map[desired.Path]string)
	for _, leaf := range desired.Leaves(g.kind, v.spec(g)) {
		out[leaf.Path] = desired.Text(leaf.Value)
	}
	return out
}

// with is a guest with one option of another value; "" takes it away.
func (g *found) with(key, value string) *found {
	other := *g
	other.conf = &pve.Config{Values: maps.Clone(g.conf.Values), Now: g.conf.Now, Digest: g.conf.Digest}
	if value == "" {
		delete(other.conf.Values, key)
	} else {
		other.conf.Values[key] = value
	}
	return &other
}

// tell fills in what the configuration says.
func (v *viewer) tell(g *Surveyed) {
	f := g.found
	values := f.conf.Values
	g.Name, g.Tags, g.Lock = f.name, f.tags, f.lock
	g.Template = g.Template || f.template
	if f.stamped {
		g.Fleet, g.UID, g.ID = f.stamp.Fleet, f.stamp.UID, f.stamp.ID
		g.DiskNames, g.Images, g.Seeded, g.Archived = f.stamp.Disks, f.stamp.Images, f.stamp.Seed != "", !f.stamp.Archived.IsZero()
	}
	g.UUID = notation.Lookup("", values["smbios1"], "uuid")
	g.Volumes, g.NICs = make(map[string]Volume), make(map[string]Attachment)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		switch {
		case strings.HasPrefix(key, "unused"):
			g.Unused = append(g.Unused, values[key])
		case driveKey(g.Kind, key):
			g.Volumes[key] = volumeOf(g.Kind, values[key])
		case nicSlot(key):
			g.NICs[key] = attachment(g.Kind, key, values)
		}
		if at, ok := g.NICs["net0"]; ok && key == "net0" && at.Address == "" {
			// A seed's address stands in the stamp alone.
			at.Address = f.stamp.Address
			g.NICs[key] = at
		}
		if cloudInitOption(g.Kind, key) {
			g.CloudInit = append(g.CloudInit, key)
		}
	}
	if g.Kind == desired.KindVM {
		g.DNS, g.Search = strings.Fields(values["nameserver"]), strings.Fields(values["searchdomain"])
	}
	g.Spec = v.spec(f)
	g.Plain = v.spec(v.plain(f))
	v.unsaid(g)
	v.waiting(g)
}

// plain is a guest with nothing but its volumes and interfaces.
func (v *viewer) plain(g *found) *found {
	other := *g
	other.conf = &pve.Config{Values: make(map[string]string)}
	other.words, other.tags, other.running = "", nil, true
	for key, value := range g.conf.Values {
		switch {
		case driveKey(g.kind, key):
			first, _, _ := strings.Cut(value, ",")
			if media := notation.Lookup("file", value, "media"); media != "" {
				first += ",media=" + media
			}
			other.conf.Values[key] = first
		case nicSlot(key):
			p := notation.Parse("", value)
			bare := notation.Props{}
			model, mac := nicModel(p)
			if g.kind == desired.KindVM {
				bare.Set(model, mac)
			} else {
				bare.Set("hwaddr", p.Value("hwaddr"))
			}
			bare.Set("bridge", p.Value("bridge"))
			other.conf.Values[key] = bare.String()
		}
	}
	return &other
}

// driveKey tells whether an option is a drive or a volume, CD-ROMs included.
func driveKey(kind, key string) bool {
	stem := strings.TrimRight(key, "0123456789")
	if kind == desired.KindContainer {
		return key == rootfs || stem == "mp" && stem != key
	}
	return stem != key && slices.Contains([]string{"scsi", "virtio", "sata", "ide", "efidisk", "tpmstate"}, stem)
}

var regexpOwner = regexp.MustCompile(`^(?:vm|base|subvol)-(\d+)-`)

func volumeOf(kind, value string) Volume {
	p := notation.Parse(volumeKey(kind), value)
	out := Volume{ID: p.Value(volumeKey(kind)), CDROM: p.Value("media") == "cdrom"}
	_, name, stored := strings.Cut(out.ID, ":")
	out.Host = !stored && out.ID != "none" && out.ID != "cdrom"
	out.Seed = strings.Contains(name, "cloudinit")
	parts := strings.Split(name, "/")
	for i, part := range parts {
		m := regexpOwner.FindStringSubmatch(part)
		if m == nil {
			continue
		}
		owner, err := strconv.Atoi(m[1])
		switch {
		case err != nil:
		case i < len(parts)-1:
			out.Base = owner
		default:
			out.Owner = owner
		}
	}
	return out
}

func attachment(kind, key string, values map[string]string) Attachment {
	p := notation.Parse("", values[key])
	out := Attachment{Bridge: p.Value("bridge"), VLAN: notation.Whole(p.Value("tag"), 0), MAC: p.Value("hwaddr")}
	told := p
	if kind == desired.KindVM {
		_, out.MAC = nicModel(p)
		told = notation.Parse("", values["ipconfig"+strings.TrimPrefix(key, "net")])
	}
	out.Address, out.Gateway = told.Value("ip"), told.Value("gw")
	return out
}

func cloudInitOption(kind, key string) bool {
	if kind != desired.KindVM {
		return false
	}
	switch key {
	case "ciuser", "cipassword", "sshkeys", "citype", "ciupgrade", "cicustom", "nameserver", "searchdomain":
		return true
	}
	return strings.HasPrefix(key, "ipconfig")
}

// waiting tells what waits for a reboot.
func (v *viewer) waiting(g *Surveyed) {
	if len(g.found.conf.Now) == 0 {
		return
	}
	then := v.leaves(g.found)
	for _, key := range g.found.conf.Pending() {
		now := v.leaves(g.found.with(key, g.found.conf.Now[key]))
		told := false
		for _, path := range slices.Sorted(maps.Keys(then)) {
			if before, there := now[path]; !there || before != then[path] {
				g.Pending = append(g.Pending, Waiting{Path: path, Option: key, Now: before, Then: then[path]})
				told = true
			}
		}
		if !told {
			g.Pending = append(g.Pending, Waiting{Option: key})
		}
	}
}
