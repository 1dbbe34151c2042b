package turn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"berth/agent/internal/checkout"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// Proposer is a Repository that gives commits which nobody has accepted; see
// [checkout.Repo.Propose].
type Proposer interface {
	Propose(ctx context.Context, ref string, onto checkout.Commit) (*checkout.Proposal, error)
}

// proposalFor bounds the plan of a proposal: however large somebody has made it, and
// however slow what it is fetched from, the branch's turns do not wait longer.
const proposalFor = 10 * time.Minute

// proposalInTime is [Turner.proposal], given up after [proposalFor].
func (t *Turner) proposalInTime(ctx context.Context, req Request) (*report.Report, error) {
	within, stop := context.WithTimeout(ctx, proposalFor)
	defer stop()
	rep, err := t.proposal(within, req)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("plan a proposed commit: it took longer than %s and was given up: see what is so large in it, or so slow: the repository, or a site", proposalFor)
	}
	return rep, err
}

// proposal is a turn for a commit that somebody proposes. Its manifests are an
// outsider's words, and have no say in whom the agent talks to: see [reachOf]. The
// appliers are made for the commit that is enforced, with its secrets.
//
// Nothing is accepted, applied, or remembered.
func (t *Turner) proposal(ctx context.Context, req Request) (rep *report.Report, err error) {
	if req.Mode != report.Drift {
		return nil, errors.New("plan a proposed commit: it is only looked at, never applied: merge it")
	}
	proposer, ok := t.Repository.(Proposer)
	if !ok || t.Proposal == nil {
		return nil, errors.New("plan a proposed commit: this agent can't")
	}
	started := t.Now()
	// These are of the branch: what approvals have been used for, what was loaded, and
	// what has failed and waits, which is nothing for a proposal.
	defer func(p permits, loaded []*source, loader desired.Loader, waits backoff) {
		t.permits, t.loaded, t.loader, t.backoff = p, loaded, loader, waits
	}(t.permits, t.loaded, t.loader, t.backoff)
	t.backoff = backoff{}
	base, err := t.enforcedNow(ctx)
	if err != nil {
		return nil, fmt.Errorf("plan a proposed commit: %w", err)
	}
	proposed, err := proposer.Propose(ctx, req.Commit, base.commit)
	if ctx.Err() != nil {
		return nil, applyers.ErrLeft
	}
	if err != nil {
		return nil, err
	}
	rep = &report.Report{
		Version: report.Version, Turn: req.ID, Mode: req.Mode, Started: started, Fleet: base.fleet.Spec.Name,
		Commit:   reportCommit(proposed.Head),
		Proposal: &report.Proposal{Onto: reportCommit(base.commit), How: string(proposed.How), Both: proposed.Both},
	}
	// A loader of its own: what it remembers is none of the branch's business.
	head, err := loadFiles(&desired.Loader{}, proposed.Files)
	if err != nil {
		rep.Refused = refusal(proposed.Head, err)
		rep.Ended = t.Now()
		rep.Summarize()
		return rep, nil
	}
	src := &source{commit: proposed.Head, files: proposed.Files, fleet: head, tip: proposed.Head.Hash}
	if err := t.spendOnto(ctx, src, base); err != nil {
		return nil, err
	}
	describe(rep, src)
	if err := t.planProposal(ctx, req, rep, src, base); err != nil {
		return nil, err
	}
	t.ended(ctx, req, rep)
	return rep, nil
}

// enforcedNow is the commit that is enforced; where none was accepted yet, the newest.
func (t *Turner) enforcedNow(ctx context.Context) (*source, error) {
	accepted, has := t.Repository.Accepted()
	if !has {
		var err error
		if accepted, err = t.Repository.Fetch(ctx); err != nil {
			return nil, err
		}
	}
	return t.load(ctx, accepted)
}

func loadFiles(loader *desired.Loader, files fs.FS) (*desired.Fleet, error) {
	fleet, err := loader.Load(files)
	if f, ok := files.(interface{ Rest() }); ok {
		f.Rest()
	}
	return fleet, err
}

// planProposal looks at what the enforced commit has looked at anyway, and plans from
// there.
func (t *Turner) planProposal(ctx context.Context, req Request, rep *report.Report, src, base *source) error {
	reach := reachOf(base.fleet, src.fleet)
	all, counted, err := t.Proposal(base.fleet, base.files)
	if err != nil {
		return err
	}
	defer t.release(ctx, all)
	kinds := applyers.ByKind(all...)
	previous := t.previous(ctx, src, base.commit, true)
	observed := reach.observe(ctx, all, req.Quick)
	if ctx.Err() != nil {
		return applyers.ErrLeft
	}
	observed.Notes = append(observed.Notes, goneSites(src.fleet, base.fleet)...)
	observed.Notes = append(observed.Notes, playsDue(base.fleet, src.fleet)...)
	only, err := narrow(req.Only, src.fleet, previous, observed.Lives)
	if err != nil {
		return err
	}
	// What the agent depends on is found by names: those of the enforced commit.
	asked := *src
	asked.reached = reach.fleet
	input := drift.Input{
		Commit: src.commit.Hash, Fleet: src.fleet, Previous: previous, Observed: observed, Now: t.Now(),
		Steps:  applyers.StepsByKind(kinds),
		Guards: t.guards(ctx, &asked, previous, req, only),
	}
	if rep.Plan, err = drift.Make(input); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	rep.Ended = t.Now()
	rep.Stats = stats(counted(), rep.Ended.Sub(rep.Started))
	rep.Summarize()
	if only != nil {
		only.answer(rep)
	}
	return nil
}

// playsDue notes of playbooks where they are due once a proposal is merged. They are not
// looked at: neither are their repositories read, nor do they run in check mode.
func playsDue(base, head *desired.Fleet) []drift.Note {
	var notes []drift.Note
	for _, r := range head.Resources {
		play, ok := r.Spec.(*desired.Playbook)
		if !ok {
			continue
		}
		var before map[string]desired.Run
		if was := playOf(base, r.ID); was != nil {
			before = was.Due
		}
		var due []string
		for _, host := range sortedKeys(play.Due) {
			was, had := before[host]
			if !play.Due[host].OnDemand && (!had || was.Digest != play.Due[host].Digest) {
				due = append(due, host)
			}
		}
		if len(due) == 0 {
			continue
		}
		text := "once merged it is due on " + some(due) + ", since its files or variables change"
		if before == nil {
			text = "once merged it is due on " + some(due) + ": it is new"
		}
		notes = append(notes, drift.Note{ID: r.ID, Source: r.Source, Text: text})
	}
	return notes
}

// some lists the first names.
func some(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// reach is what may be asked for a proposal, and why other things are not.
type reach struct {
	// fleet is the proposed one, without the sites and edges that are not asked.
	fleet *desired.Fleet
	dark  []drift.Blind
}

const (
	notAskedYet = "the proposal changes how it is reached; it is not asked before that is merged"
	newHere     = "it is new, and is not asked before it is merged"
	otherFleet  = "the proposal changes which guests are this fleet's; none is looked at before that is merged"
)

// reachOf tells what may be asked of a proposed fleet: that which is reached in the
// very way of the enforced one. All else would be an address, a key or a file that
// somebody has proposed: it is unknown until it is merged.
func reachOf(base, head *desired.Fleet) reach {
	var r reach
	fleet := *head
	fleet.Sites = make(map[string]*desired.Site)
	for _, name := range sortedKeys(head.Sites) {
		switch was := base.Sites[name]; {
		case !sameFleet(base, head):
			// It would show another fleet's guests as if they were ours.
			r.dark = append(r.dark, drift.Blind{Site: name, Reason: otherFleet})
		case was == nil:
			r.dark = append(r.dark, drift.Blind{Site: name, Reason: newHere})
		case !sameSite(was, head.Sites[name]):
			r.dark = append(r.dark, drift.Blind{Site: name, Reason: notAskedYet})
		default:
			fleet.Sites[name] = head.Sites[name]
		}
	}
	var rest []*desired.Resource
	for _, one := range head.Resources {
		edge, ok := one.Spec.(*desired.Edge)
		if !ok {
			rest = append(rest, one)
			continue
		}
		var was *desired.Edge
		if before := base.Resource(one.ID); before != nil {
			was, _ = before.Spec.(*desired.Edge)
		}
		switch {
		case was == nil:
			r.dark = append(r.dark, drift.Blind{ID: one.ID, Reason: newHere})
		case !sameEdge(base, was, head, edge):
			r.dark = append(r.dark, drift.Blind{ID: one.ID, Reason: notAskedYet})
		default:
			rest = append(rest, one)
		}
	}
	r.fleet = fleet.Of(rest)
	return r
}

// observe asks those that may be asked, by appliers of the enforced commit. Nobody asks
// after what is gone: where that was to be found is not for the proposal to say.
func (r reach) observe(ctx context.Context, all []applyers.Applyer, quick bool) drift.Observed {
	var first, then []applyers.Applyer
	for _, a := range all {
		if _, follows := a.(applyers.Follower); follows {
			then = append(then, a)
		} else {
			first = append(first, a)
		}
	}
	sum := together(ctx, first, r.fleet, applyers.Scope{Quick: quick})
	sum.Add(drift.Observed{Blind: slices.Clone(r.dark)})
	sum.Add(together(ctx, then, r.fleet, applyers.Scope{Others: sum, Quick: quick}))
	return sum
}
