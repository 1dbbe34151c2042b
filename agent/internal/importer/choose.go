package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox"
	"berth/desired"
)

// Pick chooses guests: whatever one of its words names. The zero Pick chooses all.
type Pick struct {
	Names, Pools, Tags []string
	IDs                []int
}

func (p Pick) empty() bool { return len(p.Names)+len(p.Pools)+len(p.Tags)+len(p.IDs) == 0 }

// named tells whether a guest is meant by its name or VMID, not as one of many.
func (p Pick) named(g *proxmox.Surveyed) bool {
	return slices.Contains(p.IDs, g.VMID) || g.Name != "" && slices.ContainsFunc(p.Names, func(n string) bool { return strings.EqualFold(n, g.Name) })
}

func (p Pick) takes(g *proxmox.Surveyed) bool {
	return p.empty() || p.named(g) || g.Pool != "" && slices.Contains(p.Pools, g.Pool) ||
		slices.ContainsFunc(p.Tags, func(t string) bool { return slices.Contains(g.Tags, t) })
}

// check refuses words that name nothing: they are mistyped, or the token does not
// see what they name.
func (p Pick) check(guests []*proxmox.Surveyed) error {
	names := func(one Pick) bool { return slices.ContainsFunc(guests, one.takes) }
	say := func(flag, word string) error {
		return fmt.Errorf("--%s %s: the token sees no such guest on the site; agent import --help tells how to choose", flag, word)
	}
	for _, n := range p.Names {
		if !names(Pick{Names: []string{n}}) {
			return say("name", n)
		}
	}
	for _, id := range p.IDs {
		if !names(Pick{IDs: []int{id}}) {
			return say("id", strconv.Itoa(id))
		}
	}
	for _, pool := range p.Pools {
		if !names(Pick{Pools: []string{pool}}) {
			return say("pool", pool)
		}
	}
	for _, t := range p.Tags {
		if !names(Pick{Tags: []string{t}}) {
			return say("tag", t)
		}
	}
	return nil
}

// choose parts the guests that get a manifest from those that don't.
func (m *maker) choose() error {
	if err := m.Pick.check(m.survey.Guests); err != nil {
		return err
	}
	for _, g := range m.survey.Guests {
		if m.mine(g) {
			m.out.Ours++
			continue
		}
		if !m.Pick.takes(g) {
			m.out.Unasked++
			m.foreign = append(m.foreign, g.VMID)
			continue
		}
		if reason := m.unfit(g); reason != "" {
			m.leaveOut(g, reason)
			continue
		}
		m.docs = append(m.docs, newDoc(g))
	}
	m.holders()
	return nil
}

func (m *maker) leaveOut(g *proxmox.Surveyed, reason string) {
	if g.Unread != "" {
		m.out.Unread++
	}
	m.foreign = append(m.foreign, g.VMID)
	m.out.LeftOut = append(m.out.LeftOut, LeftOut{VMID: g.VMID, What: g.What(), Reason: reason})
}

// mine tells whether the manifests have the guest already.
func (m *maker) mine(g *proxmox.Surveyed) bool {
	if m.before == nil {
		return false
	}
	return slices.ContainsFunc(m.before.Resources, func(r *desired.Resource) bool {
		guest := m.before.Machine(r.ID)
		return guest != nil && r.Site == m.Site.Name && guest.VMID == g.VMID
	})
}

// unfit says why a guest can't have a manifest; "" if it can.
func (m *maker) unfit(g *proxmox.Surveyed) string {
	switch {
	case g.Unread != "":
		return "it could not be read: " + g.Unread
	case g.Lock == "create" || g.Lock == "clone":
		return "it is being made, or what a broken creation left behind (lock: " + g.Lock + ")"
	case g.Template:
		return "it is a template, which no manifest changes"
	case g.Archived:
		return "it is archived"
	case g.Fleet != "" && !m.lost(g):
		return "it belongs to fleet " + g.Fleet + " (uid " + g.UID + ")"
	case uuid(g) == "" && firstMAC(g) == "":
		return "it has neither an SMBIOS uuid nor a MAC, by which adoption could tell it from another"
	}
	if m.before != nil {
		for _, r := range m.site.Foreign {
			if r.Contains(g.VMID) {
				return "site " + m.site.Name + " lists it as foreign: take it out there first (" + m.site.Source.File + ")"
			}
		}
	}
	return ""
}

// lost tells whether a guest belongs to the very fleet that is made: its manifests
// are lost, and the guests remember what they were.
func (m *maker) lost(g *proxmox.Surveyed) bool {
	return m.before == nil && g.Fleet == m.Fleet && g.UID == m.UID && g.ID != ""
}

var regexpUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// uuid is a guest's SMBIOS uuid; "" where it has none that is one.
func uuid(g *proxmox.Surveyed) string {
	if !regexpUUID.MatchString(g.UUID) {
		return ""
	}
	return g.UUID
}

func firstMAC(g *proxmox.Surveyed) string {
	for _, slot := range slots(g.NICs) {
		if mac := g.NICs[slot].MAC; mac != "" {
			return mac
		}
	}
	return ""
}

func newDoc(g *proxmox.Surveyed) *doc {
	d := &doc{live: g, spec: g.Spec, keep: make(map[desired.Path]bool), refused: make(map[desired.Path]bool), null: make(map[desired.Path]bool)}
	switch spec := g.Spec.(type) {
	case *desired.VM:
		d.kind, d.guest = "VM", &spec.Guest
	case *desired.Container:
		d.kind, d.guest = "Container", &spec.Guest
	}
	if d.guest != nil {
		d.ignore = &d.guest.Ignore
	}
	return d
}

// holders makes data VMs of those that never run and whose disks others use.
func (m *maker) holders() {
	used := make(map[int]bool)
	for _, g := range m.survey.Guests {
		for _, v := range g.Volumes {
			if v.Owner != 0 && v.Owner != g.VMID {
				used[v.Owner] = true
			}
		}
	}
	for _, d := range m.docs {
		known := d.live.ID.Kind() == desired.KindData && m.lost(d.live)
		if d.kind != "VM" || !known && (!used[d.live.VMID] || d.live.Running || d.guest.Startup != "never") {
			continue
		}
		g := d.guest
		holder := &desired.DataVM{
			Description: g.Description, Node: g.Node, VMID: g.VMID, Tags: g.Tags, Pool: g.Pool, Protection: g.Protection,
			Disks: g.Disks, State: desired.Stopped, Startup: "never",
		}
		d.kind, d.spec, d.guest, d.ignore = "DataVM", holder, nil, &holder.Ignore
	}
}
