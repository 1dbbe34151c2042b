package proxmox

import (
	"context"
	"fmt"
	"slices"

	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// proves tells whether a guest's stamp names this fleet, this site and the very
// guest that it stands on; otherwise it says why not, and what to do.
func (s *sweep) proves(g *found) (ours bool, reason, remedy string) {
	fleet := s.fleet.Spec
	switch {
	case slices.ContainsFunc(s.site.Foreign, func(r desired.IDRange) bool { return r.Contains(g.vmid) }):
		return false, "the site lists this VMID as foreign", ""
	case g.stamped && g.stamp.Version > stamp.Version:
		return false, "its stamp is of a newer Berth", "upgrade this one"
	case g.stamped && !g.stamp.Of(s.fleet):
		return false, "it belongs to fleet " + g.stamp.Fleet + " (uid " + g.stamp.UID + ")", ""
	case g.stamped && g.stamp.Site != s.site.Name:
		return false, "its stamp names site " + g.stamp.Site, "if it was moved here, write the stamp's site anew"
	case g.stamped && g.stamp.VMID != g.vmid:
		return false, fmt.Sprintf("its stamp names VMID %d: it is a copy of %s made by hand", g.stamp.VMID, g.stamp.ID),
			fmt.Sprintf("take the last line of its description and the tag %s off", stamp.FleetTag(fleet.Name))
	case g.stamped && machineKind(g.stamp.ID) != g.kind:
		return false, "its stamp names " + string(g.stamp.ID) + ", which it is not", ""
	case g.stamped && g.template:
		return false, "it was made into a template", "make a copy of it, and give the copy another VMID"
	case g.stamped:
		return true, "", ""
	case tagged(s.fleet, g.tags):
		return false, "it bears our tag and no stamp: ownership lost", ""
	}
	return false, "it is not ours", ""
}

// sort parts the guests that are ours, by resource, and reports the others.
func (s *sweep) sort(ctx context.Context, read []*found) map[desired.ID][]*found {
	mine := make(map[desired.ID][]*found)
	var others []*found
	for _, g := range read {
		if ours, _, _ := s.proves(g); ours {
			g.identify(s.fleet, s.wants.renames)
			mine[g.stamp.ID] = append(mine[g.stamp.ID], g)
		} else {
			others = append(others, g)
		}
	}
	for _, id := range sortedIDs(mine) {
		if list := mine[id]; len(list) > 1 {
			for _, g := range list {
				s.out.Foreign = append(s.out.Foreign, twice(id, s.site.Name, g.what()))
			}
		}
		s.displaced(id, mine)
	}
	for _, g := range others {
		s.other(ctx, g, mine)
	}
	return mine
}

// twice is what is said of each guest that bears a proof which another bears too.
func twice(id desired.ID, site, what string) drift.Foreign {
	return drift.Foreign{
		ID: id, Site: site, What: what, Reason: "another guest proves to be " + string(id) + " just as well; neither is touched",
		Remedy: "take the last line of the description off the one that is not",
	}
}

// displaced reports a guest of ours that has the VMID which another one wants.
func (s *sweep) displaced(id desired.ID, mine map[desired.ID][]*found) {
	for _, g := range mine[id] {
		if r := s.wants.byVMID[g.vmid]; r != nil && r.ID != id && len(mine[r.ID]) == 0 {
			reason, remedy := fmt.Sprintf("it is %s of this fleet and keeps its VMID until it is deleted", id),
				fmt.Sprintf("give %s another id, or wait until %s is gone", r.ID, id)
			if s.wants.byID[id] != nil {
				reason = fmt.Sprintf("it is %s of this fleet and keeps the VMID that it was made with", id)
				remedy = fmt.Sprintf("give %s an id of its own, or write id: %d at %s, so that another is taken here", r.ID, g.vmid, id)
			}
			s.foreign(r.ID, g.what(), reason, remedy)
		}
	}
}

// other reports a guest that is not ours, if it is in the way or bears our signs.
func (s *sweep) other(ctx context.Context, g *found, mine map[desired.ID][]*found) {
	_, reason, remedy := s.proves(g)
	if r := s.wants.byVMID[g.vmid]; r != nil && len(mine[r.ID]) == 0 {
		s.inTheWay(ctx, g, r, mine, reason, remedy)
		return
	}
	namesake := s.wants.byName[g.name]
	var id desired.ID
	if namesake != nil && !g.stamped {
		reason = fmt.Sprintf("it is not ours and has the name that %s wants", namesake.ID)
		if len(mine[namesake.ID]) == 0 {
			// Nothing is made beside it: two guests of one name may have one
			// address and one purpose.
			id = namesake.ID
			remedy = fmt.Sprintf("give %s another hostname, or rename or remove that guest", id)
		}
	}
	if namesake == nil && !g.stamped && remedy == "" {
		remedy = "take the tag " + stamp.FleetTag(s.fleet.Spec.Name) + " off it"
	}
	s.foreign(id, g.what(), reason, remedy)
}

// inTheWay reports what stands on a wanted VMID.
func (s *sweep) inTheWay(ctx context.Context, g *found, want *desired.Resource, mine map[desired.ID][]*found, reason, remedy string) {
	switch {
	case !g.stamped && (g.lock == "create" || g.lock == "clone"):
		s.stub(ctx, g, want)
		return
	case s.adopts(want, g):
		if reason, remedy = s.mismatch(want, g); reason == "" {
			g.adopting, g.stamp = true, stamp.Stamp{ID: want.ID}
			mine[want.ID] = []*found{g}
			return
		}
	case !g.stamped && tagged(s.fleet, g.tags):
		remedy = fmt.Sprintf("if it is %s: agent adopt %s", want.ID, want.ID)
	case remedy == "":
		remedy = fmt.Sprintf("give %s another id, or remove that guest", want.ID)
	}
	s.foreign(want.ID, g.what(), reason, remedy)
}

// stub tells a guest that is being made from what a broken creation left behind.
func (s *sweep) stub(ctx context.Context, g *found, want *desired.Resource) {
	upid, err := s.activeTask(ctx, g.node, g.vmid)
	if err == nil && upid == "" && guestOf(want).Clone.Template != "" {
		upid, err = s.cloneTask(ctx, s.fleet, want, s.templates())
	}
	switch {
	case err != nil:
		s.unknown(want.ID, fmt.Sprintf("%s is a stub of a creation, and whether that still runs can't be read: %v", g.what(), err), s.helpWith(err))
	case upid != "":
		reason := g.what() + " is being created"
		if !s.Ledger.Own(upid) {
			reason += ", by another agent or an earlier life of this one: task " + upid
		}
		s.unknown(want.ID, reason, "")
	default:
		tool := tool(g.kind)
		s.foreign(want.ID, g.what(), "it is what a broken creation left behind (lock: "+g.lock+"), and a token can't clear that",
			fmt.Sprintf("as root on %s: %s unlock %d && %s destroy %d", g.node, tool, g.vmid, tool, g.vmid))
	}
}

// tool is the command that handles a kind of guest on its node.
func tool(kind string) string {
	if kind == desired.KindContainer {
		return "pct"
	}
	return "qm"
}

func sortedIDs[V any](m map[desired.ID]V) []desired.ID {
	ids := make([]desired.ID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
