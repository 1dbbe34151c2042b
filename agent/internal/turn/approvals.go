package turn

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"berth/agent/internal/checkout"
	"berth/applyers"
	"berth/desired"
)

// permits is what the history of the manifests says of the approvals that a commit
// has. Git is the only record of it: nothing else outlives the agent, and every other
// agent, and everybody who reads the history, comes to the same.
type permits struct {
	commit string
	of     map[permit]*uses
}

// permit is an approval as one permission: with another end or reason it is another.
type permit struct{ allow, until, why string }

func permitOf(a *desired.Approval) permit { return permit{a.Allow, a.Until, a.Why} }

// uses is what stood in Git beside an approval, from the commit that brought it on.
type uses struct {
	// stood are the resources that were to be there, for one of the whole fleet.
	stood map[desired.ID]bool
	// away tells that what it names was gone, back that it has come back since.
	away, back bool
	// lost tells that the commit that brought it was not found.
	lost bool
}

// approvalReach is how many commits are read to find the one that brought an
// approval: each costs loading its manifests, once.
const approvalReach = 64

// spend marks the approvals of a commit that have permitted already what they may:
// one change each. An approval of the whole fleet is for what was gone when it came,
// be it by the same commit; one of a single resource is for its going once.
func (t *Turner) spend(ctx context.Context, src *source) error {
	if !slices.ContainsFunc(src.fleet.Approvals, func(a *desired.Approval) bool { return a.Counts(t.Now()) }) {
		t.permits = permits{}
		return nil
	}
	if t.permits.commit != src.commit.Hash {
		if err := t.recount(ctx, src); err != nil {
			return err
		}
	}
	src.fleet = t.permits.mark(src.fleet)
	return nil
}

// mark is a fleet whose approvals say for what they don't count any more.
func (p permits) mark(from *desired.Fleet) *desired.Fleet {
	fleet := from.Of(from.Resources)
	fleet.Approvals = nil
	for _, a := range from.Approvals {
		marked := *a
		marked.Spent = p.of[permitOf(a)].spent(a, from)
		fleet.Approvals = append(fleet.Approvals, &marked)
	}
	return fleet
}

// recount reads the history back to where each approval came in, or to the commit
// whose history is known.
func (t *Turner) recount(ctx context.Context, src *source) error {
	path := []*desired.Fleet{src.fleet}
	open := make(map[permit]bool)
	for _, a := range src.fleet.Approvals {
		open[permitOf(a)] = true
	}
	known := permits{}
	at, end := src.commit, false
	// Commits that do not load count, too: each costs as much.
	for reach := 1; len(open) > 0 && reach < approvalReach; reach++ {
		parent, ok, err := t.Repository.Parent(ctx, at)
		if ctx.Err() != nil {
			return applyers.ErrLeft
		}
		if err != nil {
			t.Log.WarnContext(ctx, "what approvals have been used for can't be told", slog.String("commit", at.Hash), slog.Any("error", err))
			break
		}
		if end = !ok; end {
			break
		}
		if parent.Hash == t.permits.commit {
			known, end = t.permits, true
			break
		}
		fleet := t.then(ctx, parent)
		at = parent
		if fleet == nil {
			continue // It was never enforced.
		}
		path = append(path, fleet)
		has := make(map[permit]bool)
		for _, a := range fleet.Approvals {
			has[permitOf(a)] = true
		}
		for p := range open {
			if !has[p] {
				delete(open, p)
			}
		}
	}
	now := permits{commit: src.commit.Hash, of: make(map[permit]*uses)}
	for _, a := range src.fleet.Approvals {
		p := permitOf(a)
		u := known.of[p].clone()
		u.lost = u.lost || open[p] && !end
		for _, fleet := range slices.Backward(path) {
			if slices.ContainsFunc(fleet.Approvals, func(b *desired.Approval) bool { return permitOf(b) == p }) {
				u.see(a, fleet)
			}
		}
		now.of[p] = u
	}
	t.permits = now
	return nil
}

// then are the manifests of an earlier commit; nil where they do not load.
func (t *Turner) then(ctx context.Context, c checkout.Commit) *desired.Fleet {
	for _, known := range t.loaded {
		if known.commit.Hash == c.Hash && known.commit.Path == c.Path {
			return known.fleet
		}
	}
	src, err := t.read(ctx, c)
	if err != nil {
		t.Log.DebugContext(ctx, "an earlier commit can't be read", slog.String("commit", c.Hash), slog.Any("error", err))
		return nil
	}
	return src.fleet
}

func (u *uses) clone() *uses {
	if u == nil {
		return &uses{stood: make(map[desired.ID]bool)}
	}
	// What stood is only ever added to.
	return &uses{stood: u.stood, away: u.away, back: u.back, lost: u.lost}
}

// see takes in a commit that has the approval, and is newer than those seen.
func (u *uses) see(a *desired.Approval, fleet *desired.Fleet) {
	if a.Target != "" {
		stands := stands(fleet, a.Target)
		u.back = u.back || u.away && stands
		u.away = u.away || !stands
		return
	}
	for _, r := range fleet.Resources {
		if r.ID.Machine() && stands(fleet, r.ID) {
			u.stood[r.ID] = true
		}
	}
}

// stands tells whether a machine is to be there.
func stands(fleet *desired.Fleet, id desired.ID) bool {
	g := fleet.Machine(id)
	return g != nil && g.State != desired.Absent
}

// spent says for which resources an approval does not count, and why.
func (u *uses) spent(a *desired.Approval, fleet *desired.Fleet) map[desired.ID]string {
	if u == nil {
		return nil
	}
	const anew = "write it anew, with another until or why"
	spent := make(map[desired.ID]string)
	switch {
	case u.back:
		spent[a.Target] = fmt.Sprintf("the Approval at %s was for an earlier time, %s has come back since: %s", a.Source, a.Target, anew)
	case u.lost:
		// For one of the whole fleet the key "" stands for every resource.
		spent[a.Target] = fmt.Sprintf("whether the Approval at %s has been used is not known, the commit that brought it is not among the last %d: %s", a.Source, approvalReach, anew)
	case a.Target == "":
		for id := range u.stood {
			if !stands(fleet, id) {
				spent[id] = fmt.Sprintf("the Approval at %s was there before this was taken out, and is for what went with it or before: %s", a.Source, anew)
			}
		}
	}
	return spent
}
