package turn

import (
	"cmp"
	"context"
	"fmt"

	"berth/desired"
	"berth/drift"
)

// guards are what every plan passes.
func (t *Turner) guards(ctx context.Context, src *source, previous *desired.Fleet, req Request, only *narrowed) []drift.Guard {
	var vital drift.Vital
	if t.Surroundings != nil {
		vital = t.Surroundings.vital(ctx, cmp.Or(src.reached, src.fleet))
	}
	guards := []drift.Guard{
		drift.Ownership(), drift.KeepVital(vital), drift.Protection(), drift.Unknown(), drift.Routed(),
		drift.Amount(src.fleet.Spec.Guards), drift.Windows(), drift.Approvals(), renumbered(src.fleet, previous),
	}
	if req.AcceptSource {
		guards = append(guards, newSource)
	}
	if only != nil {
		guards = append(guards, only.guard)
	}
	return append(guards, t.backoff.guard(t.Now()))
}

// newSource holds destructive steps in the turn that takes another repository,
// branch or path: what is missing there may only be missing by mistake.
func newSource(_ *drift.World, p *drift.Plan) {
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Step.Destructive() && c.Held == "" {
			c.Held = "the manifests come from another source than before: look at `agent drift`, the next turn does it"
		}
	}
}

// renumbered holds the making of a guest that had another VMID in the last applied
// commit: that one may be there and not be seen, and then it would be made twice.
func renumbered(fleet, previous *desired.Fleet) drift.Guard {
	return func(_ *drift.World, p *drift.Plan) {
		if previous == nil {
			return
		}
		for i := range p.Changes {
			c := &p.Changes[i]
			now, was := fleet.Machine(c.ID), previous.Machine(c.ID)
			if c.Step != drift.Create || c.Held != "" || now == nil || was == nil || now.VMID == was.VMID {
				continue
			}
			c.Held = fmt.Sprintf("it had VMID %d in the last applied commit, and a changed VMID is another guest: write id: %d, or remove the manifest in one commit and add it anew in the next",
				was.VMID, was.VMID)
		}
	}
}
