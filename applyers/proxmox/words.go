package proxmox

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// wording puts a guest in the manifest's words. Where Proxmox knows several
// ways to say one thing, it says it as the manifest does.
type wording struct {
	fleet *desired.Fleet
	site  *desired.Site
	// want is the manifest's own side; nil for what is gone from Git.
	want *desired.Resource
	// volumes are the disks of data VMs as references say them, by volume.
	volumes map[string]string
	// ask is what asked answers, once it was asked.
	ask *desired.Guest
}

// sets tells whether the manifest sets a path.
func (w *wording) sets(path desired.Path) bool {
	return w.want != nil && w.want.Set.Has(path)
}

// asked is what the manifest asks of a guest; the zero Guest if nothing.
func (w *wording) asked() *desired.Guest {
	if w.ask == nil && w.want != nil {
		w.ask = guestOf(w.want)
	}
	if w.ask == nil {
		w.ask = &desired.Guest{}
	}
	return w.ask
}

// guest is what virtual machines and containers share.
func (w *wording) guest(g *found) desired.Guest {
	v, ask := g.conf.Values, w.asked()
	out := desired.Guest{
		Name: g.stamp.ID.Name(), Description: g.words, Site: w.site.Name, Node: g.node, VMID: g.vmid,
		State: desired.Stopped, Startup: w.startup(v["onboot"], v["startup"]),
		Protection: notation.Flag(v["protection"], false),
		Disks:      make(map[string]desired.Disk), Networks: make(map[string]desired.NIC),
		Pool: g.pool, Hookscript: v["hookscript"], Options: w.verbatim(g),
	}
	out.Clone.Template, _, _ = strings.Cut(g.stamp.Clone, ":")
	switch {
	case !g.stamp.Archived.IsZero():
		out.State = desired.Archived
	case g.running:
		out.State = desired.Running
	}
	// Proxmox adds or strips the last newline.
	if strings.TrimSpace(ask.Description) == strings.TrimSpace(out.Description) {
		out.Description = ask.Description
	}
	for _, tag := range stamp.ParseTags(v["tags"]) {
		if !stamp.OwnTag(tag) {
			out.Tags = append(out.Tags, sameTag(tag, ask.Tags))
		}
	}
	return out
}

// sameTag is the wanted tag that differs from this one in its case alone, which
// only a cluster with case-sensitive tags keeps (FACTS 4).
func sameTag(tag string, wanted []string) string {
	for _, other := range wanted {
		if strings.EqualFold(tag, other) {
			return other
		}
	}
	return tag
}

// absent words what shall not be there and is not.
func (w *wording) absent(out *desired.Guest) {
	for slot, d := range w.asked().Disks {
		if _, there := out.Disks[slot]; !there && d.State == string(desired.Absent) {
			out.Disks[slot] = desired.Disk{State: d.State}
		}
	}
	for slot, n := range w.asked().Networks {
		if _, there := out.Networks[slot]; !there && n.State == string(desired.Absent) {
			out.Networks[slot] = desired.NIC{State: n.State}
		}
	}
}

// startup names the phase whose order and delays a guest has.
func (w *wording) startup(onboot, startup string) string {
	if !notation.Flag(onboot, false) {
		return "never"
	}
	if strings.TrimSpace(startup) == "" {
		return "yes"
	}
	have := notation.Parse("order", startup)
	is := func(name string) bool {
		phase, ok := w.site.Phases[name]
		return ok && have.Equal(phaseProps(phase))
	}
	if name := w.asked().Startup; is(name) {
		return name
	}
	for _, name := range slices.Sorted(maps.Keys(w.site.Phases)) {
		if is(name) {
			return name
		}
	}
	return startup
}

// phaseProps is a phase as Proxmox writes it.
func phaseProps(phase desired.Phase) notation.Props {
	p := notation.Props{}
	p.Set("order", strconv.Itoa(phase.Order))
	seconds := func(d desired.Duration) string {
		if d == 0 {
			return ""
		}
		return strconv.FormatInt(int64(time.Duration(d)/time.Second), 10)
	}
	p.Set("up", seconds(phase.Up))
	p.Set("down", seconds(phase.Down))
	return p
}

// spec is the guest as the manifest would write it.
func (w *wording) spec(g *found) any {
	guest := w.guest(g)
	for key, value := range g.conf.Values {
		switch {
		case diskSlot(g.kind, key, value), cdromSlot(g.kind, key, value):
			guest.Disks[key] = w.disk(key, value, g)
		case nicSlot(key):
			guest.Networks[key] = w.nic(key, value, g)
		}
	}
	w.absent(&guest)
	if g.kind == desired.KindContainer {
		return w.container(guest, g)
	}
	if g.stamp.ID.Kind() == desired.KindData {
		guest.Hostname = g.conf.Values["name"]
		return w.data(guest)
	}
	return w.vm(guest, g)
}
