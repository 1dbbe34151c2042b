package importer

import (
	"maps"
	"slices"

	"berth/applyers/proxmox"
	"berth/desired"
)

// newTemplates names the templates on whose disks guests stand: a linked clone is
// the one kind of clone that can be told.
func (m *maker) newTemplates() {
	m.templates = make(map[int]*desired.Template)
	names := make(map[string]int)
	for _, g := range m.survey.Guests {
		if g.Template {
			names[g.Name]++
		}
	}
	taken := make(map[string]bool)
	for _, d := range m.docs {
		if d.guest == nil {
			continue
		}
		base := baseOf(d.live)
		at := slices.IndexFunc(m.survey.Guests, func(g *proxmox.Surveyed) bool { return g.VMID == base && g.Template && g.Kind == d.live.Kind })
		if at < 0 || m.templates[base] != nil {
			continue
		}
		g := m.survey.Guests[at]
		t := &desired.Template{Name: within(taken, valid(g.Name), "template"), Find: desired.Find{ID: g.VMID}}
		if names[g.Name] == 1 {
			t.Find = desired.Find{Name: g.Name}
		}
		m.templates[g.VMID] = t
		m.out.LeftOut = slices.DeleteFunc(m.out.LeftOut, func(l LeftOut) bool { return l.VMID == g.VMID })
		m.foreign = slices.DeleteFunc(m.foreign, func(id int) bool { return id == g.VMID })
	}
	for _, vmid := range slices.Sorted(maps.Keys(m.templates)) {
		m.out.Templates = append(m.out.Templates, m.templates[vmid].Name)
	}
}

// baseOf is the VMID of the template on whose disk a guest stands; 0 for none.
func baseOf(g *proxmox.Surveyed) int {
	for _, slot := range slots(g.Volumes) {
		if base := g.Volumes[slot].Base; base != 0 {
			return base
		}
	}
	return 0
}

// clone writes what a guest was cloned from, and tells whether that is known.
func (m *maker) clone(d *doc) bool {
	t := m.templates[baseOf(d.live)]
	if t == nil || d.guest == nil {
		return false
	}
	d.guest.Clone = desired.Clone{Template: t.Name, Linked: true}
	d.write("clone.template", "clone.linked")
	return true
}

func (m *maker) templateText() ([]byte, error) {
	var docs []desired.Document
	for _, vmid := range slices.Sorted(maps.Keys(m.templates)) {
		t := m.templates[vmid]
		docs = append(docs, desired.Document{
			Kind: "Template", Name: t.Name, Spec: t,
			Keep: map[desired.Path]bool{"find.name": t.Find.Name != "", "find.id": t.Find.ID != 0},
		})
	}
	for i := range docs {
		docs[i].Keep = kept(docs[i].Keep)
	}
	return desired.Write(docs...)
}
