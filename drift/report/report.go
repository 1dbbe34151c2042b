package report

import (
	"slices"
	"time"

	"berth/desired"
	"berth/drift"
	"berth/drift/explain"
	"berth/drift/routes"
)

// Version is the newest version of the report that this package reads, and the
// one that it writes.
const Version = 1

// Mode is what a turn was asked for.
type Mode string

// The modes.
const (
	// Drift only looks.
	Drift Mode = "drift"
	// Run carries the plan out.
	Run Mode = "run"
)

// Report is everything there is to say about one turn.
type Report struct {
	Version int `json:"version"`
	// Turn names the turn; "" while nobody keeps it.
	Turn string `json:"turn,omitempty"`
	Mode Mode   `json:"mode"`
	// Fleet is the fleet's name; "" if the repository has none.
	Fleet string `json:"fleet,omitempty"`
	// Commit is the one that is enforced.
	Commit Commit `json:"commit,omitzero"`
	// Refused is a newer commit that is not enforced; nil if there is none.
	Refused *Refusal `json:"refused,omitempty"`
	// Proposal is set where Commit is only proposed, and nothing enforces it.
	Proposal *Proposal `json:"proposal,omitempty"`
	// Paused says why nothing is changed for now, who has paused the agent, and until
	// when; "" if nobody has.
	Paused   string   `json:"paused,omitempty"`
	Contents Contents `json:"contents,omitzero"`
	// Plan is nil where the turn ended before there was one.
	Plan *drift.Plan `json:"plan,omitempty"`
	// Routes are the names and where they go; nil where nobody asked for them.
	Routes *routes.Table `json:"routes,omitempty"`
	// Explained is one resource; nil where nobody asked.
	Explained *explain.Explanation `json:"explained,omitempty"`
	// Outcomes is what became of the plan's changes; nil if none was tried.
	Outcomes []drift.Outcome `json:"outcomes,omitempty"`
	Stats    Stats           `json:"stats,omitzero"`
	Started  time.Time       `json:"started,omitzero"`
	Ended    time.Time       `json:"ended,omitzero"`
	// Error is why the turn as a whole went wrong; "" if it did not.
	Error string `json:"error,omitempty"`
	// Summary is derived by [Report.Summarize].
	Summary Summary `json:"summary"`
}

// Commit is a commit as people know it.
type Commit struct {
	Hash    string `json:"hash,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Author is the name that its author goes by; "" where it is not known.
	Author string    `json:"author,omitempty"`
	Time   time.Time `json:"time,omitzero"`
	URL    string    `json:"url,omitempty"`
	Branch string    `json:"branch,omitempty"`
}

// Refusal is a commit that is newer than the one enforced and was not taken.
type Refusal struct {
	// Commit has no hash where none could be had: the repository can't be asked.
	Commit Commit `json:"commit"`
	// Since is when the repository could not be asked first, as far back as the
	// agent knows; zero for a commit that was refused.
	Since time.Time `json:"since,omitzero"`
	// Reason says why in a sentence: "it does not load".
	Reason string `json:"reason,omitempty"`
	// Problems are its mistakes, a line each.
	Problems []string `json:"problems,omitempty"`
	// Signature is what it is refused for, if that is it.
	Signature *Signature `json:"signature,omitempty"`
}

// Unreachable tells that no commit could be had: the repository can't be asked. The nil
// Refusal is none.
func (r *Refusal) Unreachable() bool { return r != nil && r.Commit.Hash == "" }

// Signature is one that is missing, or not taken.
type Signature struct {
	// Commit is the one that lacks it: the refused one, or the first such that it brings.
	Commit Commit `json:"commit"`
	// Key is the fingerprint of the key that it says it is by or, where tags count, the
	// first tag on it; "" if there is none.
	Key string `json:"key,omitempty"`
}

// Contents is what the manifests ask for, for the heading.
type Contents struct {
	Documents int      `json:"documents,omitempty"`
	Sites     []string `json:"sites,omitempty"`
	// Edges holds the number of names of each edge.
	Edges     map[string]int `json:"edges,omitempty"`
	Playbooks int            `json:"playbooks,omitempty"`
}

// ContentsOf counts what a fleet asks for.
func ContentsOf(f *desired.Fleet) Contents {
	c := Contents{Documents: f.Documents}
	for name := range f.Sites {
		c.Sites = append(c.Sites, name)
	}
	slices.Sort(c.Sites)
	for _, r := range f.Resources {
		switch spec := r.Spec.(type) {
		case *desired.Edge:
			if c.Edges == nil {
				c.Edges = make(map[string]int)
			}
			c.Edges[r.ID.Name()] = len(spec.TLS.Routes)
		case *desired.Playbook:
			c.Playbooks++
		}
	}
	return c
}

// Stats is what a turn cost.
type Stats struct {
	// Requests by method, to everything outside.
	Requests map[string]int `json:"requests,omitempty"`
	// Writes is how many of them, and of other steps, changed something.
	Writes   int           `json:"writes"`
	Duration time.Duration `json:"durationNanoseconds,omitempty"`
}

// IsZero tells whether nothing was counted: such a report is written without.
func (s Stats) IsZero() bool {
	return len(s.Requests) == 0 && s.Writes == 0 && s.Duration == 0
}

// count is how many guests a site has, if it was read.
func (r *Report) count(site string) (n drift.Count, known bool) {
	if r.Plan == nil {
		return n, false
	}
	n, known = r.Plan.Counts[site]
	return n, known
}
