package forge

import (
	"errors"
	"fmt"

	"berth/agent/internal/turn"
	"berth/drift"
	"berth/drift/report"
)

// Context is the name of the statuses of a fleet's commits.
func Context(fleet string) string {
	if fleet == "" {
		return "berth"
	}
	return "berth/" + fleet
}

// Planned is the status of a commit that a turn is about to carry out.
func Planned(rep *report.Report) Status {
	return Status{Commit: rep.Commit.Hash, Context: Context(rep.Fleet), State: Pending, Description: rep.Headline()}
}

// Verdicts are how the commits fare that a turn has tried, after what came of it:
//
//	failure   it is refused or does not load; or something has failed
//	pending   something of it is still to come: it is held, waits, or could not be read
//	success   all is as the commit says
//
// fleet is the fleet's name as it was known before, for a commit that does not load.
func Verdicts(fleet string, rep *report.Report, err error) []Status {
	if refused, ok := errors.AsType[*turn.RefusedError](err); ok {
		return []Status{{Commit: refused.Commit.Hash, Context: Context(fleet), State: Failure, Description: refused.Reason()}}
	}
	if err != nil || rep == nil || rep.Commit.Hash == "" {
		return nil
	}
	s := Status{Commit: rep.Commit.Hash, Context: Context(rep.Fleet), State: Success, Description: rep.Headline()}
	sum := rep.Summary
	switch {
	case rep.Error != "":
		s.State, s.Description = Failure, rep.Error
	case sum.Failed > 0:
		s.State = Failure
		if why := first(rep, drift.Failed); why != "" {
			s.Description += ": " + why
		}
	case sum.Held+sum.Waiting+sum.Unknown+sum.Skipped+sum.Left > 0:
		s.State = Pending
		if why := waits(rep); why != "" {
			s.Description += ": " + why
		}
	}
	all := []Status{s}
	if r := rep.Refused; r != nil && !r.Unreachable() {
		all = append(all, Status{Commit: r.Commit.Hash, Context: Context(rep.Fleet), State: Failure, Description: Refusal(r)})
	}
	return all
}

// Refusal says why a commit is refused: by its first mistake, where it does not load.
func Refusal(r *report.Refusal) string {
	if len(r.Problems) == 0 {
		return r.Reason
	}
	if more := len(r.Problems) - 1; more > 0 {
		return fmt.Sprintf("%s (and %d more)", clip(r.Problems[0], maxDescription-20), more)
	}
	return r.Problems[0]
}

// first is the first outcome of a kind, with its reason.
func first(rep *report.Report, status drift.Status) string {
	for i := range rep.Outcomes {
		if o := &rep.Outcomes[i]; o.Status == status {
			return string(o.ID) + ": " + o.Reason
		}
	}
	return ""
}

// waits is what keeps a commit from being done, the first of it.
func waits(rep *report.Report) string {
	if rep.Plan == nil {
		return ""
	}
	if len(rep.Plan.Blind) > 0 {
		b := rep.Plan.Blind[0]
		what := string(b.ID)
		if what == "" {
			what = b.Site + b.Kind
		}
		return what + " is unknown: " + b.Reason
	}
	for i := range rep.Plan.Changes {
		c := &rep.Plan.Changes[i]
		if c.Held != "" {
			return string(c.ID) + ": " + c.Held
		}
		for j := range c.Fields {
			if c.Fields[j].Held != "" {
				return string(c.ID) + ": " + c.Fields[j].Held
			}
		}
	}
	return first(rep, drift.Held)
}
