package forge

import (
	"errors"
	"fmt"

	"berth/agent/internal/turn"
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
//	failure   it is refused or does not load; or something has failed, be it that it waits
//	          to be tried again
//	pending   something of it is still to come: it is held, waits, or could not be read
//	success   all is as the commit says
//
// fleet is the fleet's name as it was known before, for a commit that does not load. waits
// are what is tried again by itself.
func Verdicts(fleet string, rep *report.Report, err error, waits []turn.Wait) []Status {
	if refused, ok := errors.AsType[*turn.RefusedError](err); ok {
		return []Status{{Commit: refused.Commit.Hash, Context: Context(fleet), State: Failure, Description: refused.Reason()}}
	}
	if err != nil || rep == nil || rep.Commit.Hash == "" {
		return nil
	}
	s := Status{Commit: rep.Commit.Hash, Context: Context(rep.Fleet), State: Success, Description: rep.Headline()}
	sum, left := rep.Summary, turn.LeftBy(rep, waits)
	switch why := first(left); {
	case rep.Error != "":
		s.State, s.Description = Failure, rep.Error
	case len(left.Failing) > 0:
		s.State, s.Description = Failure, s.Description+": "+why
	case why != "":
		s.State, s.Description = Pending, s.Description+": "+why
	case sum.Failed+sum.Held+sum.Waiting+sum.Unknown+sum.Skipped+sum.Left > 0:
		s.State = Pending
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

// first is what keeps a commit from being done, the first of it; "" is nothing.
func first(l turn.Left) string {
	switch {
	case len(l.Failing) > 0:
		return l.Failing[0].String() + ": " + l.Failing[0].Reason
	case len(l.Unknown) > 0:
		return string(l.Unknown[0].What()) + " is unknown: " + l.Unknown[0].Text()
	case len(l.Waiting) > 0:
		return l.Waiting[0].String() + ": " + l.Waiting[0].Reason
	case len(l.Held) > 0:
		return l.Held[0].String() + ": " + l.Held[0].Reason
	case len(l.Skipped) > 0:
		return l.Skipped[0].String() + ": " + l.Skipped[0].Reason
	}
	return ""
}
