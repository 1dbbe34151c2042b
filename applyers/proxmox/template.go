package proxmox

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// templatesIn are the templates of a cluster.
func templatesIn(rows []*resourceRow) []*row {
	var all []*row
	for _, r := range rows {
		if g := r.guest(); g != nil && g.template {
			all = append(all, g)
		}
	}
	return all
}

// sharedIn are the storages that every node of the cluster reaches.
func sharedIn(rows []*resourceRow) map[string]bool {
	shared := make(map[string]bool)
	for _, r := range rows {
		if r.Type == "storage" && r.Shared.Yes() {
			shared[r.Storage] = true
		}
	}
	return shared
}

// fits are the templates that a manifest means.
func fits(find desired.Find, kind string, templates []*row) []*row {
	var all []*row
	for _, t := range templates {
		switch {
		case t.kind != kind:
		case find.ID != 0 && t.vmid == find.ID, find.Name != "" && t.name == find.Name,
			find.Tag != "" && slices.ContainsFunc(t.tags, func(tag string) bool { return strings.EqualFold(tag, find.Tag) }):
			all = append(all, t)
		}
	}
	return all
}

// findTemplate reads the template that a guest is to be made from. Where several
// fit, it is the newest.
func (c *cluster) findTemplate(ctx context.Context, fleet *desired.Fleet, want *desired.Resource, templates []*row) (*found, error) {
	name := guestOf(want).Clone.Template
	t := fleet.Templates[name]
	if t == nil {
		return nil, heldf("there is no Template %s in the manifests", name)
	}
	fitting := fits(t.Find, machineKind(want.ID), templates)
	if len(fitting) == 0 {
		return nil, heldf("%s", c.noTemplate(t, want, templates))
	}
	read := make([]*found, 0, len(fitting))
	for _, r := range fitting {
		conf, err := c.ReadConfig(ctx, r.kind, r.node, r.vmid)
		if err != nil {
			return nil, fmt.Errorf("read template %s: %w", r.what(), err)
		}
		read = append(read, newFound(*r, conf))
	}
	return slices.MaxFunc(read, func(a, b *found) int { return cmp.Or(cmp.Compare(born(a), born(b)), cmp.Compare(a.vmid, b.vmid)) }), nil
}

// born is when a virtual machine was made, in seconds; 0 where nothing tells.
func born(g *found) int {
	return notation.Whole(notation.Lookup("", g.conf.Values["meta"], "ctime"), 0)
}

// noTemplate says that there is none, and which there are.
func (c *cluster) noTemplate(t *desired.Template, want *desired.Resource, templates []*row) string {
	with := "with tag " + t.Find.Tag
	switch {
	case t.Find.ID != 0:
		with = "on VMID " + strconv.Itoa(t.Find.ID)
	case t.Find.Name != "":
		with = "of the name " + t.Find.Name
	}
	family := map[string]string{desired.KindVM: "VM", desired.KindContainer: "container"}[machineKind(want.ID)]
	text := fmt.Sprintf("no %s template %s on site %s", family, with, c.site.Name)
	var all []string
	for _, r := range templates {
		if r.kind == machineKind(want.ID) {
			all = append(all, r.what())
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return text + ": it has none at all, or none that the token may see"
	}
	return text + ": it has " + strings.Join(all, ", ")
}

// strayTemplate says why a clone can't be made on a node; "" if it can.
func strayTemplate(t *found, node string, shared map[string]bool) string {
	if t.node == node {
		return ""
	}
	for _, at := range volumesOf(t.kind, t.conf.Values) {
		store, _, _ := strings.Cut(at.volid, ":")
		if ownerOf(at.volid) == t.vmid && !shared[store] {
			return fmt.Sprintf("template %s has its disks on %s's own storage %s: write node: %s, or make a template on %s", t.what(), t.node, store, t.node, node)
		}
	}
	return ""
}

// templates are those of the site.
func (s *sweep) templates() []*row {
	var all []*row
	for _, vmid := range slices.Sorted(maps.Keys(s.inv.rows)) {
		if s.inv.rows[vmid].template {
			all = append(all, s.inv.rows[vmid])
		}
	}
	return all
}

// templateObstacle says at plan time why a guest can't be cloned.
func (s *sweep) templateObstacle(ctx context.Context, r *desired.Resource) string {
	g := guestOf(r)
	if g == nil || g.Clone.Template == "" || g.State == desired.Absent {
		return ""
	}
	t, err := s.findTemplate(ctx, s.fleet, r, s.templates())
	if err != nil {
		return err.Error()
	}
	if ct, ok := r.Spec.(*desired.Container); ok && len(ct.Keys) > 0 {
		return "a clone has the keys of its template, and can't be given others: take keys out, or make it from an image"
	}
	if g.Node == "" {
		return ""
	}
	return strayTemplate(t, g.Node, s.inv.shared())
}
