package report

import (
	"cmp"

	"berth/desired"
	"berth/drift"
)

// resource is all that a report says about one resource's changes.
type resource struct {
	id       desired.ID
	changes  []*drift.Change
	outcomes map[drift.Step]*drift.Outcome
	// steps holds the changes by step.
	steps map[drift.Step]*drift.Change
	// fates holds how whole steps ended, as far as that was asked for: each row asks
	// again, and an edge may have a row for each of thousands of names.
	fates map[drift.Step]fate
	// soon is when is done what waits for nothing else.
	soon string
	// ended holds how every change of the plan ended, by key.
	ended map[drift.Key]drift.Status
	// wholes holds how changes ended of which not all is told by their outcomes.
	wholes map[*drift.Change]fate
}

// resources groups the plan's changes, in the plan's order.
func (r *Report) resources() []*resource {
	var all []*resource
	if r.Plan == nil {
		return nil
	}
	ended := make(map[drift.Key]drift.Status)
	for _, o := range r.Outcomes {
		ended[o.Key] = o.Status
	}
	byID := make(map[desired.ID]*resource)
	for i := range r.Plan.Changes {
		c := &r.Plan.Changes[i]
		res := byID[c.ID]
		if res == nil {
			res = &resource{
				id: c.ID, ended: ended, soon: r.soon(),
				outcomes: make(map[drift.Step]*drift.Outcome), steps: make(map[drift.Step]*drift.Change),
				fates: make(map[drift.Step]fate),
			}
			byID[c.ID] = res
			all = append(all, res)
		}
		res.changes = append(res.changes, c)
		res.steps[c.Step] = c
	}
	for i := range r.Outcomes {
		if res := byID[r.Outcomes[i].ID]; res != nil {
			res.outcomes[r.Outcomes[i].Step] = &r.Outcomes[i]
		}
	}
	return all
}

// fate is how a change, or one field of it, ended.
type fate struct {
	status drift.Status
	reason string
}

// fate tells what became of a change, or of a field if f is not nil. Its status
// is "" where nothing was tried.
func (res *resource) fate(c *drift.Change, f *drift.Field) fate {
	o := res.outcomes[c.Step]
	switch {
	case o == nil:
		return fate{}
	case f != nil:
		return res.fieldFate(o, f)
	}
	end, known := res.fates[c.Step]
	if !known {
		end = res.wholeFate(o, c)
		res.fates[c.Step] = end
	}
	return end
}

func (res *resource) wholeFate(o *drift.Outcome, c *drift.Change) fate {
	if o.Status != drift.Done {
		return fate{o.Status, o.Reason}
	}
	// It is asked for at each of the change's rows.
	whole, known := res.wholes[c]
	if !known {
		whole = fate{status: drift.Done}
		for i := range c.Fields {
			if res.fieldFate(o, &c.Fields[i]).status == drift.Failed {
				whole = fate{drift.Failed, o.Reason}
				break
			}
		}
		if res.wholes == nil {
			res.wholes = make(map[*drift.Change]fate)
		}
		res.wholes[c] = whole
	}
	return whole
}

// fieldFate tells how one field went: its step's way, unless it is held, waited
// in vain, or went its own.
func (res *resource) fieldFate(o *drift.Outcome, f *drift.Field) fate {
	if f.Held != "" {
		return fate{drift.Held, f.Held}
	}
	reason, told := o.Results[f.Path]
	if told && reason == "" {
		return fate{status: drift.Done}
	}
	for _, k := range f.Wait {
		if status := res.ended[k]; status != "" && status != drift.Done {
			return fate{drift.Skipped, cmp.Or(reason, "waits for "+k.String()+", which "+was(status))}
		}
	}
	switch {
	case told:
		return fate{drift.Failed, reason}
	case o.Status == drift.Done && len(o.Results) > 0:
		return fate{drift.Skipped, "it was not tried"}
	default:
		return fate{o.Status, o.Reason}
	}
}

// was says how something ended, after "which".
func was(s drift.Status) string {
	switch s {
	case drift.Failed:
		return "failed"
	case drift.Skipped:
		return "was skipped"
	case drift.Left:
		return "was left"
	case drift.Held:
		return "is held"
	default:
		return "is done"
	}
}

// worst is the most serious end that a step or field of the resource came to.
func (res *resource) worst() drift.Status {
	worst := drift.Done
	rank := map[drift.Status]int{drift.Failed: 3, drift.Skipped: 2, drift.Left: 1}
	for _, c := range res.changes {
		if s := res.fate(c, nil).status; rank[s] > rank[worst] {
			worst = s
		}
		for i := range c.Fields {
			if s := res.fate(c, &c.Fields[i]).status; rank[s] > rank[worst] {
				worst = s
			}
		}
	}
	return worst
}

// held tells whether anything of the resource must not be done, and whether anything
// only waits for an unlock.
func (res *resource) held() (held, waiting bool) {
	add := func(reason string) {
		if desired.WaitsForUnlock(reason) {
			waiting = true
		} else {
			held = true
		}
	}
	for _, c := range res.changes {
		told := false
		for _, f := range c.Fields {
			if f.Held != "" {
				add(f.Held)
				told = true
			}
		}
		end := res.fate(c, nil)
		switch {
		case c.Held != "" && !told:
			add(c.Held)
		case end.status == drift.Held && !told:
			add(end.reason)
		}
	}
	return held, waiting
}
