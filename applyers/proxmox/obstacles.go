package proxmox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// premises is what a look learnt of a site beside its guests, so that Steps, which
// sees nothing but the World, can tell what would fail.
type premises struct {
	// obstacles say why what is not there can't be made as the manifests ask.
	obstacles map[desired.ID]string
	// shared are the storages that every node reaches.
	shared map[string]bool
	// granter knows the token's rights.
	pve.Granter
}

// premisesOf is what a look learnt of a site; empty if nothing.
func premisesOf(w *drift.World, site string) *premises {
	if p, ok := w.Premises[site].(*premises); ok {
		return p
	}
	return &premises{}
}

// obstacle says what keeps a resource from being made; "" if nothing is known to.
func obstacle(w *drift.World, want *desired.Resource) string {
	return premisesOf(w, want.Site).obstacles[want.ID]
}

// need is a storage that something shall be put on.
type need struct {
	node, store, content string
	// size is how much; 0 where that is not known.
	size desired.Size
	// from is where the manifests name it.
	from string
}

// shelf is what could be learnt of a storage; err says why nothing could.
type shelf struct {
	store
	err error
}

// premises judges everything that is wanted and not there.
func (s *sweep) premises(ctx context.Context) {
	p := &premises{obstacles: make(map[desired.ID]string), shared: s.inv.shared(), Granter: pve.Granter{Rights: s.rights, Token: s.TokenName()}}
	shelves := make(map[need]shelf)
	lacking := make(map[string][]string)
	needs := make(map[desired.ID][]need)
	for _, r := range s.absent {
		needs[r.ID] = s.needs(r)
		for _, n := range needs[r.ID] {
			at := need{node: n.node, store: n.store}
			if _, asked := shelves[at]; !asked {
				shelves[at] = s.shelf(ctx, n.node, n.store)
			}
			// One command gives a storage all that is missing, since it replaces
			// what there was.
			if !shelves[at].takes(n.content) && !slices.Contains(lacking[n.store], n.content) {
				lacking[n.store] = append(lacking[n.store], n.content)
			}
		}
	}
	unseen := make(map[string]bool)
	for _, r := range s.absent {
		if why := s.astray(s.nodesFor(r)); why != "" {
			p.obstacles[r.ID] = why + s.nodeFrom(r)
			continue
		}
		if g := guestOf(r); g != nil && s.noPool[g.Pool] != "" {
			p.obstacles[r.ID] = s.noPool[g.Pool]
			continue
		}
		if why := imageless(r); why != "" {
			p.obstacles[r.ID] = why
			continue
		}
		if why := s.templateObstacle(ctx, r); why != "" {
			p.obstacles[r.ID] = why
			continue
		}
		for _, n := range needs[r.ID] {
			shelf := shelves[need{node: n.node, store: n.store}]
			if why := s.unfit(n, shelf, lacking[n.store]); why != "" && p.obstacles[r.ID] == "" {
				p.obstacles[r.ID] = why
			}
			if pve.Status(shelf.err) == 403 && !unseen[n.store] {
				unseen[n.store] = true
				s.note("", "", fmt.Sprintf("the token may not see storage %q of site %s%s; it may see %s: %s",
					n.store, s.site.Name, n.from, strings.Join(s.inv.storeNames(""), ", "), s.grant("/storage/"+n.store, "Datastore.Audit")))
			}
		}
	}
	s.passwords(ctx, p)
	s.bridges(ctx, p)
	s.space(p, needs, shelves)
	s.addresses(ctx, p)
	s.out.Premises = map[string]any{s.site.Name: p}
}

// obstaclesTo say which paths of a guest that is there can't be changed as its
// manifest asks.
func (s *sweep) obstaclesTo(want *desired.Resource, h *handle) {
	if want == nil {
		return
	}
	g := guestOf(want)
	if g == nil {
		return
	}
	if why := s.noPool[g.Pool]; why != "" {
		h.obstruct(poolPath, why)
	}
	if g.Pin {
		if why := s.noWayTo(g.Node); why != "" {
			h.obstruct(nodePath, why)
		}
	}
}

// obstruct says why a path can't be changed.
func (h *handle) obstruct(path desired.Path, why string) {
	if h.obstacles == nil {
		h.obstacles = make(map[desired.Path]string)
	}
	h.obstacles[path] = why
}

// nodesFor are the nodes that the manifests put a resource on.
func (s *sweep) nodesFor(r *desired.Resource) []string {
	if image, ok := r.Spec.(*desired.ImageAt); ok {
		return usingNodes(s.fleet, r, image)
	}
	if g := guestOf(r); g != nil && g.Node != "" {
		return []string{g.Node}
	}
	return nil
}

// astray says that none of these nodes is the cluster's; "" if one is, or if the
// manifests name none.
func (s *sweep) astray(nodes []string) string {
	all := s.inv.nodes()
	if len(nodes) == 0 || len(all) == 0 || slices.ContainsFunc(nodes, func(n string) bool { return slices.Contains(all, n) }) {
		return ""
	}
	return fmt.Sprintf("site %s has no node %q: it has %s", s.site.Name, nodes[0], strings.Join(all, ", "))
}

// nodeFrom is where the manifests name a resource's node: the site, or else the
// guest, whose node is none of what is compared.
func (s *sweep) nodeFrom(r *desired.Resource) string {
	if slices.Contains(s.nodesFor(r), s.site.Node) {
		return source("node of site "+s.site.Name, s.site.Source)
	}
	if guestOf(r) != nil {
		return source("node of "+string(r.ID), r.Source)
	}
	return ""
}

// source is a remark in brackets on where the manifests say something.
func source(what string, src desired.Source) string {
	if place := src.String(); place != "" {
		what += ", " + place
	}
	return " (" + what + ")"
}

// needs are the storages that making a resource takes.
func (s *sweep) needs(r *desired.Resource) []need {
	if image, ok := r.Spec.(*desired.ImageAt); ok {
		from := s.storeFrom(s.site.Images, "images of site "+s.site.Name, s.site.Source)
		if image.Storage != "" {
			from = s.storeFrom(image.Storage, "image "+image.Name, r.Source)
		}
		var all []need
		for _, node := range s.imageNodes(r, image) {
			all = append(all, need{node: node, store: image.Store, content: image.Content, from: from})
		}
		return all
	}
	g := guestOf(r)
	if g == nil || g.State == desired.Absent || s.astray(s.nodesFor(r)) != "" {
		return nil
	}
	node := s.nodeOf(r)
	content := "images"
	if r.ID.Kind() == desired.KindContainer {
		content = "rootdir"
	}
	var all []need
	for _, slot := range slices.Sorted(maps.Keys(g.Disks)) {
		name := g.Disks[slot].Storage
		if store := storeOn(s.site, name, node); store != "" {
			all = append(all, need{node, store, content, g.Disks[slot].Size, s.storeFrom(name, "disk "+slot+" of "+string(r.ID), r.Source)})
		}
	}
	if vm, ok := r.Spec.(*desired.VM); ok && vm.CloudInit != nil && !vm.CloudInit.Native {
		if store := seedStore(s.site, node); store != "" {
			all = append(all, need{node: node, store: store, content: "import", from: s.storeFrom(s.site.Seeds, "seeds of site "+s.site.Name, s.site.Source)})
		}
	}
	return all
}

// storeFrom is where the manifests name a storage: a class of the site, or else
// what uses it.
func (s *sweep) storeFrom(name, user string, src desired.Source) string {
	if _, class := s.site.Storage[name]; class {
		return source("storage class "+name, s.site.Source)
	}
	return source(user, src)
}

// shelf finds a storage among those that the token sees. Where others are seen
// and this one is not, the storage itself is asked for: that a list lacks it may
// be for want of a right, and proves nothing.
func (s *sweep) shelf(ctx context.Context, node, name string) shelf {
	if found, ok := s.inv.storeOn(node, name); ok {
		return shelf{store: found}
	}
	unknown := shelf{store: store{node: node, name: name}}
	if node == "" || len(s.inv.storeNames("")) == 0 || s.inv.unreachable(node) != "" {
		return unknown
	}
	var answer struct{ Type, Content string }
	unknown.err = s.Get(ctx, "/nodes/"+node+"/storage/"+name+"/status", &answer)
	unknown.plugin, unknown.content = answer.Type, splitList(answer.Content)
	return unknown
}

// unfit says why a storage can't take what shall be put on it; "" if it can, or
// if that is not known.
func (s *sweep) unfit(n need, on shelf, lacking []string) string {
	switch {
	case pve.Says(on.err, "does not exist"):
		return fmt.Sprintf("site %s has no storage %q: it has %s%s", s.site.Name, n.store, strings.Join(s.inv.storeNames(""), ", "), n.from)
	case pve.Says(on.err, "is not available on node"):
		return fmt.Sprintf("node %s has no storage %q: it has %s%s", n.node, n.store, strings.Join(s.inv.storeNames(n.node), ", "), n.from)
	case on.takes(n.content):
		return ""
	}
	what := fmt.Sprintf("storage %s of %s", n.store, on.node)
	if !on.able(n.content) {
		better := s.inv.storesTaking(n.node, n.content)
		if len(better) == 0 {
			better = []string{"one of type dir"}
		}
		return fmt.Sprintf("%s is of type %s, which can't take %s: name another, as %s%s",
			what, on.plugin, contentWords(n.content), strings.Join(better, " or "), n.from)
	}
	able := slices.DeleteFunc(slices.Clone(lacking), func(c string) bool { return !on.able(c) })
	slices.Sort(able)
	return fmt.Sprintf("%s does not take %s: pvesm set %s --content %s%s",
		what, contentWords(n.content), n.store, strings.Join(append(slices.Sorted(slices.Values(on.content)), able...), ","), n.from)
}
