package proxmox

import (
	"fmt"

	"berth/desired"
	"berth/drift"
)

// Steps says which steps a difference takes, and holds those for which the token
// lacks a right. It is pure.
func (a *Applyer) Steps(w *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	changes := steps(w, want, have, fields)
	holdUnlicensed(w, want, have, changes)
	return changes
}

func steps(w *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	id := desired.ID("")
	switch {
	case want != nil:
		id = want.ID
	case have != nil:
		id = have.ID
	}
	if id.Kind() == desired.KindImage {
		return imageSteps(w, want, fields)
	}
	p := planner{world: w, want: want, have: have, fields: fields, id: id}
	if have != nil {
		p.handle, _ = have.Handle.(*handle)
	}
	if p.handle == nil {
		p.handle = &handle{}
	}
	switch {
	case want == nil && have != nil:
		return p.gone()
	case want == nil:
		return nil
	case p.handle.adopting:
		return []drift.Change{p.adoption()}
	case p.handle.renamed != "":
		return append([]drift.Change{p.renaming()}, p.wanted()...)
	}
	return p.wanted()
}

// wanted plans what the manifest asks of what is ours, or not there.
func (p *planner) wanted() []drift.Change {
	have := p.have
	switch {
	case p.guest().State == desired.Absent && have == nil:
		return nil
	case have == nil:
		return p.make("new in Git")
	case p.guest().State == desired.Absent:
		return p.unmixed(p.away(drift.Delete, "state: absent in Git"))
	case have.Archived:
		return p.unmixed(p.restore())
	case p.handle.making:
		return p.unmixed(p.make("its creation was interrupted: it goes on"))
	}
	return p.unmixed(p.differences())
}

// unmixed holds all of it where the manifest names the VMID on which another guest
// of ours stands, as when two names were swapped: what it asks is then meant for
// that one.
func (p *planner) unmixed(changes []drift.Change) []drift.Change {
	vmid := p.guest().VMID
	if vmid == p.handle.vmid || !p.want.Has("id") {
		return changes
	}
	for _, live := range p.world.Lives() {
		if h, ok := live.Handle.(*handle); !ok || h.site != p.site() || h.vmid != vmid || h.adopting {
			continue
		}
		for i := range changes {
			changes[i].Held = fmt.Sprintf("its manifest is written for VMID %d, where %s stands, and it stands on %d itself: write id: %d; where names were swapped, rename them back, and then one after the other, with renamedFrom",
				vmid, live.ID, p.handle.vmid, p.handle.vmid)
		}
	}
	return changes
}

func imageSteps(w *drift.World, want *desired.Resource, fields []drift.Field) []drift.Change {
	if want == nil || len(fields) == 0 {
		return nil
	}
	image, ok := want.Spec.(*desired.ImageAt)
	if !ok {
		return nil
	}
	lanes := []string{"site:" + want.Site}
	for _, node := range usingNodes(w.Fleet, want, image) {
		lanes = append(lanes, "node:"+want.Site+"/"+node)
	}
	return []drift.Change{{
		Key: drift.Key{ID: want.ID, Step: drift.Fetch}, Fields: fields, Lanes: lanes,
		Reason: "not on storage " + image.Store, Needs: want.Needs, Held: obstacle(w, want),
	}}
}

// planner plans the steps of one guest.
type planner struct {
	world  *drift.World
	want   *desired.Resource
	have   *drift.Live
	fields []drift.Field
	id     desired.ID
	handle *handle
}

func (p *planner) change(step drift.Step, reason string, fields []drift.Field) drift.Change {
	site, node, vmid := p.handle.site, p.handle.node, p.handle.vmid
	if p.have == nil {
		g := p.guest()
		site, node, vmid = p.want.Site, g.Node, g.VMID
	}
	return drift.Change{
		Key: drift.Key{ID: p.id, Step: step}, Site: site, Reason: reason, Fields: fields,
		Lanes: []string{"site:" + site, fmt.Sprintf("node:%s/%s", site, node), fmt.Sprintf("guest:%s/%d", site, vmid)},
	}
}

func (p *planner) guest() *desired.Guest { return guestOf(p.want) }

// runs tells whether the guest shall run.
func (p *planner) runs() bool { return p.guest().State != desired.Stopped }

// make plans a creation, or the rest of one.
func (p *planner) make(reason string) []drift.Change {
	create := p.change(drift.Create, reason, nil)
	if p.have == nil {
		create.Fields = p.fields
	}
	create.Needs = p.want.Needs
	create.Held = obstacle(p.world, p.want)
	p.heldForRoot(create.Fields)
	p.take(&create, slotsOf(p.guest())...)
	for _, need := range p.want.Needs {
		if need.Kind() == desired.KindImage && p.world.Live(need) == nil && create.Held == "" {
			create.Held = "whether " + string(need) + " is there could not be read"
		}
	}
	return p.ready([]drift.Change{create}, p.runs())
}

func (p *planner) ready(changes []drift.Change, needed bool) []drift.Change {
	if needed {
		changes = append(changes, p.change(drift.Ready, "", nil))
	}
	return changes
}
