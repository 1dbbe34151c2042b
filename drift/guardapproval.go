package drift

import (
	"fmt"
	"maps"
	"slices"

	"berth/desired"
)

// Allowed are the approvals that let a resource be taken away, whatever the limits
// and windows say; nil if it is not allowed. A data VM is where there is one for
// each of its disks.
func (w *World) Allowed(id desired.ID) []*desired.Approval {
	if id.Kind() != desired.KindData {
		if a := w.Fleet.Approved(desired.AllowDelete, id, "", w.Now); a != nil {
			return []*desired.Approval{a}
		}
		return nil
	}
	live := w.Live(id)
	if live == nil {
		return nil
	}
	data, ok := live.Spec.(*desired.DataVM)
	if !ok {
		return nil
	}
	var all []*desired.Approval
	for _, slot := range slices.Sorted(maps.Keys(data.Disks)) {
		a := w.Fleet.Approved(desired.AllowDestroyVolume, id, data.Disks[slot].Name, w.Now)
		if a == nil {
			return nil
		}
		all = append(all, a)
	}
	return all
}

// allow says which approvals let the change go.
func (c *Change) allow(approvals ...*desired.Approval) {
	for _, a := range approvals {
		if slices.Contains(c.Allowed, a.Source) {
			continue
		}
		c.Allowed = append(c.Allowed, a.Source)
		if c.Reason != "" {
			c.Reason += "; "
		}
		c.Reason += fmt.Sprintf("allowed by %s (%s, until %s)", a.Source, a.Allow, a.Until)
	}
}

// Approvals notes each approval that lets nothing go: one that is over, one that is
// too long, and one that nothing waits for. It comes after the guards that ask for
// approvals.
func Approvals() Guard {
	return func(w *World, p *Plan) {
		used := make(map[desired.Source]bool)
		away := make(map[desired.ID]bool)
		late := make(map[desired.Source]bool)
		for _, c := range p.Changes {
			for _, src := range c.Allowed {
				used[src] = true
			}
			away[c.ID] = away[c.ID] || c.Step.Destructive()
			if c.Step.Destructive() && c.Held != "" {
				for _, a := range w.Fleet.Approvals {
					late[a.Source] = late[a.Source] || a.Verb == desired.AllowShrinkFleet && (a.Spent[c.ID] != "" || a.Spent[""] != "")
				}
			}
		}
		p.Expiries = append(p.Expiries, w.approvals(func(src desired.Source) bool { return used[src] })...)
		p.sortExpiries()
		for _, a := range w.Fleet.Approvals {
			if text := idle(w, a, used[a.Source], away[a.Target], late[a.Source]); text != "" {
				p.Notes = append(p.Notes, Note{ID: desired.MakeID(desired.KindApproval, a.Allow), Text: text, Source: a.Source})
			}
		}
	}
}

// idle says why an approval lets nothing go; "" if it does, or if the loader has
// told.
func idle(w *World, a *desired.Approval, used, away, late bool) string {
	switch {
	case w.Now.IsZero() || a.Verb == desired.AllowRecreate:
		return ""
	case a.Expired(w.Now):
		return fmt.Sprintf("it was until %s: it permits nothing any more, take it out", a.Until)
	case a.TooFar(w.Now):
		return fmt.Sprintf("until %s is more than %d days ahead: it permits nothing, write %s or sooner",
			a.Until, desired.MaxApprovalDays, w.Now.In(a.Ends.Location()).AddDate(0, 0, desired.MaxApprovalDays).Format("2006-01-02"))
	case used:
		return ""
	case late:
		return "it lets nothing go that was taken out after it came: write it anew, with another until or why"
	case a.Spent[a.Target] != "" && !away:
		return "it has been used, and permits nothing any more: take it out"
	case away:
		return "it lets nothing go yet: what is held here is held by what this does not lift"
	}
	return "nothing waits for it: if what it permits is done, take it out"
}
