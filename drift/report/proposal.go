package report

import "strings"

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
	onto := short(p.Onto.Hash)
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
