package proxmox

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"berth/desired"
	"berth/drift"
)

// gone plans the way out of what the manifests no longer mention.
func (p *planner) gone() []drift.Change {
	keep := time.Duration(p.world.Fleet.Spec.ArchiveFor)
	switch {
	case p.handle.making && !p.handle.running && !p.have.Archived:
		return p.away(drift.Delete, "gone from Git before its creation had ended")
	case p.have.Archived && p.handle.over && p.handle.running:
		c := p.change(drift.Delete, "gone from Git, and its time in the archive is over", nil)
		c.Held = archivedRuns
		return []drift.Change{c}
	case p.have.Archived && p.handle.over && p.handle.clock != "":
		all := p.away(drift.Delete, "gone from Git, and its time in the archive is over")
		last := &all[len(all)-1]
		last.Held = cmp.Or(last.Held, p.handle.clock)
		return all
	case p.have.Archived && p.handle.over:
		return p.away(drift.Delete, "gone from Git, and its time in the archive is over since "+p.handle.until.UTC().Format(time.DateOnly))
	case p.have.Archived && !p.handle.running:
		return p.letGoOfAll()
	case p.have.Archived:
		// Whoever started it has a reason, which only people know.
		c := p.change(drift.Stop, "gone from Git, and in the archive", nil)
		c.Held = archivedRuns
		return []drift.Change{c}
	case p.successor() != "":
		all := p.away(drift.Archive, "gone from Git")
		for i := range all {
			all[i].Held = fmt.Sprintf("%s has its VMID in Git: if that is a new name for it, write renamedFrom: %s there; if not, give %s another id",
				p.successor(), p.id.Name(), p.successor())
		}
		return all
	case p.handle.remove == release:
		c := p.change(drift.Release, "gone from Git: lifecycle.remove: release; it is left as it is, and no longer ours", nil)
		if p.id.Kind() == desired.KindData {
			p.keepData(&c)
		}
		return []drift.Change{c}
	case p.handle.remove == destroy && p.id.Kind() != desired.KindData:
		return p.away(drift.Delete, "gone from Git: lifecycle.remove: destroy")
	case keep == 0 && p.id.Kind() != desired.KindData:
		return p.away(drift.Delete, "gone from Git: archiveFor: 0")
	}
	return p.away(drift.Archive, "gone from Git: keep for "+p.world.Fleet.Spec.ArchiveFor.String())
}

// successor is the guest that the manifests put on the VMID of this one, which is
// gone from them; "" if there is none.
func (p *planner) successor() desired.ID {
	for _, r := range p.world.Fleet.Resources {
		if g := p.world.Fleet.Machine(r.ID); g != nil && r.Site == p.handle.site && g.VMID == p.handle.vmid {
			return r.ID
		}
	}
	return ""
}

// away takes a guest out of service before it is put away: what lets go of it
// comes before both.
func (p *planner) away(last drift.Step, reason string) []drift.Change {
	var all []drift.Change
	if p.handle.running {
		all = append(all, p.change(drift.Stop, "", nil))
	}
	if last == drift.Delete && len(p.handle.loose) > 0 {
		reason += "; with it goes what it keeps in no slot: " + strings.Join(p.handle.loose, ", ")
	}
	all = append(append(all, p.letGoOfAll()...), p.change(last, reason, nil))
	if last == drift.Delete {
		all[len(all)-1].Held = p.handle.apart
	}
	if p.id.Kind() == desired.KindData {
		p.keepData(&all[len(all)-1])
	}
	return all
}
