package desired

import (
	"slices"
	"strings"
)

// needsOf checks what a guest waits for.
func (l *loader) needsOf(g *guest) {
	for _, node := range g.items("needs") {
		if node.form != scalarForm {
			continue
		}
		doc, ok := l.reference(g.item, node.src(), "needs", node.text, KindVM, KindContainer, KindHost)
		if !ok {
			continue
		}
		if doc.id == g.id {
			l.wrong(g.item, node.src(), "needs: %s can't wait for itself: take it out", g.id)
			continue
		}
		if other := l.guest(doc.id); other != nil && other.State != Running && !other.bad["state"] && g.State == Running {
			l.wrong(g.item, node.src(), "needs: %s is %s (%s) and never ready: take it out, or let it run", doc.id, other.State, other.set.at("state").place())
		}
	}
}

// finish makes the resources, with what each needs.
func (l *loader) finish() {
	l.fleet.Resources = make([]*Resource, 0, len(l.guests)+len(l.datas)+len(l.playbooks)+len(l.edges))
	for _, g := range l.guests {
		l.guestResource(g)
	}
	l.dataResources()
	l.imageResources()
	for _, p := range l.playbooks {
		r := l.resource(p.item, p.Playbook, p.Ignore)
		r.Needs = append(r.Needs, p.Targets...)
		for _, after := range p.After {
			r.Needs = append(r.Needs, ID(after))
		}
		for _, q := range l.playbooks {
			if q.Order < p.Order && q.unasked() && p.unasked() && sharesTarget(p.Targets, q.Targets) {
				r.Needs = append(r.Needs, q.id)
			}
		}
	}
	for _, e := range l.edges {
		l.edgeNeeds(l.resource(e.item, e.Edge, e.Ignore), e)
	}
	slices.SortFunc(l.fleet.Resources, func(a, b *Resource) int { return strings.Compare(string(a.ID), string(b.ID)) })
	l.fleet.reindex()
	for _, r := range l.fresh {
		slices.Sort(r.Needs)
		r.Needs = slices.Compact(r.Needs)
		r.Needs = slices.DeleteFunc(r.Needs, func(id ID) bool { return l.fleet.index[id] == nil })
	}
	if len(l.problems) == 0 {
		l.circles()
	}
}

// guestResource makes the resource of a guest.
func (l *loader) guestResource(g *guest) {
	if g.settled != nil && g.State != Absent {
		l.fleet.Resources = append(l.fleet.Resources, g.settled.resource)
		return
	}
	if g.settled != nil {
		// It needs the images alone that others use.
		r := *g.settled.resource
		r.Needs = l.guestNeeds(g)
		l.add(&r)
		return
	}
	r := l.resource(g.item, nil, g.Ignore)
	g.resource = r
	if g.vm != nil {
		r.Spec = g.vm
	} else {
		r.Spec = g.ct
	}
	if g.site != nil {
		r.Site = g.site.name
	}
	r.Needs = l.guestNeeds(g)
}

// guestNeeds are the resources that a guest names.
func (l *loader) guestNeeds(g *guest) []ID {
	var needs []ID
	if g.site != nil {
		for _, d := range g.Disks {
			if data, _, ok := strings.Cut(d.Volume, "/"); ok {
				needs = append(needs, MakeID(KindData, data))
			}
			for _, image := range []string{d.Image, d.ISO} {
				if i := l.images[image]; i != nil && i.sites[g.site.name] {
					needs = append(needs, imageID(image, g.site.name))
				}
			}
		}
	}
	for _, need := range g.Needs {
		needs = append(needs, ID(need))
	}
	return needs
}

// unasked tells whether a playbook runs without being asked.
func (p *playbook) unasked() bool { return p.Automatic() || p.Scheduled() }

func sharesTarget(a, b []ID) bool {
	for _, id := range a {
		if _, ok := slices.BinarySearch(b, id); ok {
			return true
		}
	}
	return false
}

func (l *loader) resource(it *item, spec any, ignore List) *Resource {
	r := &Resource{ID: it.id, Spec: spec, Set: l.settler.settings(&it.set), Source: it.src}
	for _, path := range ignore {
		r.Ignore = append(r.Ignore, Path(path))
	}
	slices.Sort(r.Ignore)
	r.Ignore = slices.Compact(r.Ignore)
	l.add(r)
	return r
}

// add puts a resource to the fleet's, of which its needs are to be put in order.
func (l *loader) add(r *Resource) {
	l.fleet.Resources = append(l.fleet.Resources, r)
	l.fresh = append(l.fresh, r)
}

// edgeNeeds are the guests that an edge leads to, the one that it stands on, and the
// playbooks that make the services there. Of what is routed early, none is waited for.
func (l *loader) edgeNeeds(r *Resource, e *edge) {
	routed := map[ID]bool{}
	need := func(t Target, made bool) {
		if id, _, ok := t.Guest(); ok && id.Guest() {
			routed[id] = routed[id] || made
		}
	}
	if id := ID(e.At); id.Guest() {
		routed[id] = true
	}
	lead := func(t Target, made bool) {
		if up, named := e.Upstreams[t.Text]; named {
			for _, server := range up.Servers {
				need(server.To, made)
			}
			return
		}
		need(t, made)
	}
	lead(e.TLS.Default, true)
	lead(e.HTTP.Default, true)
	for path, targets := range e.tables() {
		for key, t := range targets {
			lead(t, len(e.Early) == 0 || !e.Early[path.Sub(key)])
		}
	}
	for _, up := range e.Upstreams {
		for _, server := range up.Servers {
			need(server.To, false)
		}
	}
	for id := range routed {
		r.Needs = append(r.Needs, id)
	}
	for _, p := range l.playbooks {
		if p.Automatic() && slices.ContainsFunc(p.Targets, func(id ID) bool { return routed[id] }) {
			r.Needs = append(r.Needs, p.id)
		}
	}
}

// waits tells whether what an id names may wait for something itself.
func (id ID) waits() bool {
	return !strings.HasPrefix(string(id), KindImage+"/") && !strings.HasPrefix(string(id), KindData+"/")
}

// circles refuses resources that wait for each other.
func (l *loader) circles() {
	done := map[ID]bool{}
	var stack []ID
	var visit func(r *Resource)
	visit = func(r *Resource) {
		// Most guests wait for images alone, and nothing that those wait for.
		if !slices.ContainsFunc(r.Needs, ID.waits) || done[r.ID] {
			return
		}
		if begin := slices.Index(stack, r.ID); begin >= 0 {
			l.circle(append(slices.Clone(stack[begin:]), r.ID))
			return
		}
		stack = append(stack, r.ID)
		for _, id := range r.Needs {
			visit(l.fleet.index[id])
		}
		stack = stack[:len(stack)-1]
		done[r.ID] = true
	}
	for _, r := range l.fleet.Resources {
		visit(r)
	}
}

func (l *loader) circle(ids []ID) {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	doc := l.named[ids[0]]
	src, what := doc.src, "needs"
	if doc.kind.word == "Playbook" {
		what = "after and order"
	}
	for _, layer := range append(slices.Clip(doc.layers), doc.tree) {
		for _, key := range []string{"needs", "after"} {
			if t := layer.get(key); t != nil {
				src = t.src()
			}
		}
	}
	l.report(src, doc.id, what+": a circle, "+strings.Join(words, " → ")+": take one out")
}
