package report

import (
	"slices"
	"strings"

	"berth/drift"
)

// Proposal is how a commit that is only proposed stands to the one that is enforced.
type Proposal struct {
	// Onto is the commit that is enforced.
	Onto Commit `json:"onto"`
	// How is ahead, merged, older or apart: whether the proposed commit was built upon
	// Onto; else whether what is planned are the files of both merged, or those of the
	// proposed commit alone, which then take back what it lacks.
	How string `json:"how"`
	// Both are the files, where there are any, that both sides have changed: they can't
	// be merged without somebody who knows.
	Both []string `json:"both,omitempty"`
}

// words say what was planned.
func (p *Proposal) words() string {
	onto := ShortHash(p.Onto.Hash)
	switch p.How {
	case "ahead":
		return "proposed: planned as it would be on top of " + onto + "; nothing of it is done before it is merged"
	case "merged":
		return "proposed: it lacks the newest commits; planned as it would be merged with " + onto + "; nothing of it is done before that"
	case "older":
		return "not up to date: " + onto + " was built upon it, so that the plan takes back what came since"
	default:
		text := "not up to date, and it can't be merged with " + onto + " as it is"
		if len(p.Both) > 0 {
			some, more := p.Both, ""
			if len(some) > 5 {
				some, more = some[:5], " and "+grouped(len(p.Both)-5)+" more"
			}
			text += " (both have changed " + neutral(strings.Join(some, ", ")) + more + ")"
		}
		return text + ": it is planned alone, so that the plan also takes back what it lacks; bring it up to date"
	}
}

// dangersTold is how many are named of each kind.
const dangersTold = 10

// Dangers are what a plan would destroy, or take out of service, in words for a heading:
// "delete vm/old and vm/older". What is held is not among them.
func Dangers(r *Report) []string {
	if r.Plan == nil {
		return nil
	}
	var all []string
	for _, kind := range []struct {
		step  drift.Step
		words string
	}{
		{drift.Delete, "delete"},
		{drift.Archive, "archive (stop, and keep for a while)"},
		{drift.Detach, "detach a drive from"},
		{drift.Reboot, "reboot"},
		{drift.Stop, "stop"},
		{drift.Migrate, "move"},
	} {
		var ids []string
		for i := range r.Plan.Changes {
			c := &r.Plan.Changes[i]
			if c.Step != kind.step || c.Held != "" || !c.Goes() || slices.Contains(ids, string(c.ID)) {
				continue
			}
			// What is archived is stopped first, which goes without saying.
			if c.Step == drift.Stop && (r.Plan.Change(drift.Key{ID: c.ID, Step: drift.Archive}) != nil || r.Plan.Change(drift.Key{ID: c.ID, Step: drift.Delete}) != nil) {
				continue
			}
			ids = append(ids, string(c.ID))
		}
		if len(ids) == 0 {
			continue
		}
		slices.Sort(ids)
		if more := len(ids) - dangersTold; more > 0 {
			ids = append(ids[:dangersTold], grouped(more)+" more")
		}
		text := ids[0]
		if n := len(ids); n > 1 {
			text = strings.Join(ids[:n-1], ", ") + " and " + ids[n-1]
		}
		all = append(all, kind.words+" "+text)
	}
	return all
}

// Prose writes foreign text for a Markdown document: it can neither format, link, mention
// anybody nor bring HTML in.
func Prose(s string) string { return prose(neutral(s)) }
