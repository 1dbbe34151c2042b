// Package proposals writes what open pull requests would do, as one comment on each that
// is kept up to date. It asks the forge in turn, so that nobody needs to reach the agent.
package proposals

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"berth/agent/internal/forge"
	"berth/agent/internal/retryafter"
	"berth/agent/internal/trouble"
	"berth/drift/report"
)

// Forge is where the pull requests are, as a [forge.Client] is.
type Forge interface {
	PullRequests(ctx context.Context, base string) ([]forge.PullRequest, error)
	Comment(ctx context.Context, number int, id, marker, body string) (string, error)
	// HTML tells whether comments may hold HTML.
	HTML() bool
}

// Options are what a Watcher works with.
type Options struct {
	Forge Forge
	// Plan plans a reference, as a turn of its own between the others.
	Plan func(ctx context.Context, number int, ref string) (*report.Report, error)
	// Tell has the status of a proposed commit set; nil sets none.
	Tell func(forge.Status)
	// Base is the commit that is enforced; "" before there is one. Fleet is its name.
	Base, Fleet func() string
	// Branch is the one that pull requests are to go into.
	Branch string
	// Drafts and Forks are planned, too.
	Drafts, Forks bool
	// File keeps what was written where, Place is where the repository is. What was written
	// at another place is forgotten: here its comments' ids are other people's.
	File, Place string
	// Every is how often the forge is asked; a minute unless set. Most is how many plans
	// are made each time; 5 unless set.
	Every time.Duration
	Most  int
	Log   *slog.Logger
	Now   func() time.Time
}

const (
	usualEvery = time.Minute
	usualMost  = 5
	// between is left between two plans, so that a commit's turn need not wait for more
	// than one.
	between = time.Second
	// planFor bounds how long a plan may take, with the turn before it.
	planFor = time.Hour
	// longestPause is waited at most while the forge can't be asked.
	longestPause = 15 * time.Minute
)

// Watcher looks after the comments on pull requests.
type Watcher struct {
	o     Options
	known map[int]*known
	// bodies are what the comments say, to say later that they are stale.
	bodies map[int]string
	failed trouble.Ongoing
}

// New reads what was written before.
func New(o Options) *Watcher {
	if o.Every == 0 {
		o.Every = usualEvery
	}
	if o.Most == 0 {
		o.Most = usualMost
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Watcher{o: o, known: make(map[int]*known), bodies: make(map[int]string)}
	if err := w.recall(); err != nil {
		o.Log.Warn("what was written on pull requests can't be read: they are planned once more", slog.Any("error", err))
	}
	return w
}

// Run looks until ctx is done.
func (w *Watcher) Run(ctx context.Context) {
	pause := w.o.Every
	for ctx.Err() == nil {
		err := w.poll(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := w.o.Every
		if err != nil {
			pause = min(2*pause, max(longestPause, w.o.Every))
			wait = pause
			if failed, ok := errors.AsType[*forge.Error](err); ok {
				wait = max(wait, failed.RetryAfter)
			}
		} else {
			pause = w.o.Every
		}
		w.say(ctx, err)
		if retryafter.Wait(ctx, wait) != nil {
			return
		}
	}
}

// say logs an error when it is news, and that it is over.
func (w *Watcher) say(ctx context.Context, err error) {
	if err == nil {
		if told, news := w.failed.Over(); news {
			w.o.Log.InfoContext(ctx, "pull requests are planned again", slog.Time("since", told.Since), slog.Int("failed", told.Times))
		}
		return
	}
	if told, due := w.failed.Due(w.o.Now(), err.Error()); due {
		w.o.Log.WarnContext(ctx, "pull requests can't be planned, it is tried again", slog.Any("error", err), slog.Time("since", told.Since), slog.Int("times", told.Times))
	}
}

// poll looks once. Of the errors of several pull requests it gives the first: one that
// can't be planned keeps no other from it.
func (w *Watcher) poll(ctx context.Context) error {
	base := w.o.Base()
	if base == "" {
		return nil // There is nothing yet to plan them onto.
	}
	open, err := w.o.Forge.PullRequests(ctx, w.o.Branch)
	if err != nil {
		return err
	}
	slices.SortFunc(open, func(a, b forge.PullRequest) int { return a.Number - b.Number })
	w.forget(open)
	made := 0
	var failed error
	for _, pr := range open {
		if !w.wanted(pr) || !w.due(pr, base) {
			continue
		}
		switch {
		case made < w.o.Most:
			made++
			err = w.plan(ctx, pr, base)
			if ctx.Err() == nil {
				_ = retryafter.Wait(ctx, between) // That ctx is done is seen below.
			}
		default:
			err = w.stale(ctx, pr, base)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// wanted tells whether a pull request is one that is planned.
func (w *Watcher) wanted(pr forge.PullRequest) bool {
	return pr.Ref != "" && (!pr.Draft || w.o.Drafts) && (!pr.Fork || w.o.Forks)
}

// due tells whether there is anything new to plan. What a crash has interrupted is not
// tried again by itself: it may have been the reason.
func (w *Watcher) due(pr forge.PullRequest, base string) bool {
	k := w.known[pr.Number]
	if k == nil {
		return true
	}
	if k.Trying == attempt(pr.Head, base) {
		return false
	}
	return k.Head != pr.Head || k.Base != base
}

// plan plans a pull request, and writes that down.
func (w *Watcher) plan(ctx context.Context, pr forge.PullRequest, base string) error {
	k := w.known[pr.Number]
	if k == nil {
		k = &known{}
		w.known[pr.Number] = k
	}
	k.Trying = attempt(pr.Head, base)
	if err := w.keep(); err != nil {
		return err
	}
	within, stop := context.WithTimeout(ctx, planFor)
	defer stop()
	rep, err := w.o.Plan(within, pr.Number, pr.Ref)
	k.Trying = ""
	if err != nil {
		return errors.Join(err, w.keep())
	}
	if !strings.HasPrefix(rep.Commit.Hash, pr.Head) && !strings.HasPrefix(headOf(rep), pr.Head) {
		return w.keep() // It has moved meanwhile: the next look tells where.
	}
	p := page{rep: rep, fleet: w.o.Fleet(), branch: w.o.Branch, at: w.o.Now(), html: w.o.Forge.HTML(), number: pr.Number}
	body := p.String()
	id, err := w.o.Forge.Comment(ctx, pr.Number, k.Comment, p.marker(), body)
	if err != nil {
		return errors.Join(err, w.keep())
	}
	w.bodies[pr.Number] = body
	k.Head, k.Base, k.Comment, k.Stale = pr.Head, base, id, false
	if rep.Proposal != nil {
		k.Base = rep.Proposal.Onto.Hash
	}
	if w.o.Tell != nil {
		w.o.Tell(verdict(p.fleet, rep))
	}
	w.o.Log.InfoContext(ctx, "pull request planned", slog.Int("number", pr.Number), slog.String("commit", headOf(rep)), slog.String("plan", rep.Headline()))
	return w.keep()
}

// headOf is the proposed commit, be it one that loads or not.
func headOf(rep *report.Report) string {
	if rep.Refused != nil {
		return rep.Refused.Commit.Hash
	}
	return rep.Commit.Hash
}

// verdict is the status of a proposed commit: it fails where it could not be planned.
func verdict(fleet string, rep *report.Report) forge.Status {
	s := forge.Status{Commit: headOf(rep), Context: forge.Context(fleet) + "/plan", State: forge.Success, Description: rep.Headline()}
	if rep.Refused != nil {
		s.State, s.Description = forge.Failure, forge.Refusal(rep.Refused)
	}
	if dangers := report.Dangers(rep); len(dangers) > 0 && s.State == forge.Success {
		s.Description = "would " + dangers[0] + " · " + s.Description
	}
	return s
}

// stale says on a comment that it is of another base, until it is planned anew.
func (w *Watcher) stale(ctx context.Context, pr forge.PullRequest, base string) error {
	k, body := w.known[pr.Number], w.bodies[pr.Number]
	if k == nil || k.Stale || k.Comment == "" || body == "" || k.Head != pr.Head {
		return nil
	}
	p := page{fleet: w.o.Fleet(), branch: w.o.Branch, html: w.o.Forge.HTML(), number: pr.Number}
	id, err := w.o.Forge.Comment(ctx, pr.Number, k.Comment, p.marker(), p.outdated(base)+body)
	if err != nil {
		return err
	}
	k.Comment, k.Stale = id, true
	return w.keep()
}
