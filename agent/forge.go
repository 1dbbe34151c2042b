package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/agent/internal/forge"
	"berth/agent/internal/proposals"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// forgeWatch is what the agent does at the forge, beside its turns: it tells how commits
// fare, and what pull requests would do.
type forgeWatch struct {
	statuses *forge.Statuses    // nil sets none
	plans    *proposals.Watcher // nil makes none
	fleet    func() string
}

// newForge sets up what the settings say; nil where they say nothing.
func (s *service) newForge() (*forgeWatch, error) {
	place, ok := s.settings.ForgeOf()
	if !ok {
		return nil, nil //nolint:nilnil // No forge is what was asked for.
	}
	set := s.settings.Forge
	o := forge.Options{
		Kind: place.Kind, URL: place.URL, Repository: place.Repository,
		Token: s.reader(set.Token), TokenName: set.Token.String(),
		Asked: s.observed.metrics.ForgeAsked,
	}
	if o.CAName = set.CA; o.CAName == "" {
		o.CAName = s.settings.Repository.CA
	}
	if o.CAName != "" {
		var err error
		if o.CA, err = os.ReadFile(o.CAName); err != nil {
			return nil, fmt.Errorf("read forge.ca: %w", err)
		}
	}
	client, err := forge.New(o)
	if err != nil {
		return nil, err
	}
	if client.Exposed() {
		s.log.Warn("the forge's token travels unencrypted; use an https URL", slog.String("forge", client.String()))
	}
	w := &forgeWatch{fleet: func() string {
		if known := s.turner.Known(); known != nil {
			return known.Fleet.Spec.Name
		}
		return ""
	}}
	if set.Statuses() {
		w.statuses = forge.NewStatuses(client, filepath.Join(s.settings.State, "forge.json"), s.log)
	}
	if set.Plans.On {
		p := proposals.Options{
			Forge: client, Branch: s.settings.Repository.Branch, Drafts: set.Plans.Drafts, Forks: set.Plans.Forks,
			Fleet: w.fleet, File: filepath.Join(s.settings.State, "proposals.json"), Place: string(place.Kind) + " " + place.URL + " " + place.Repository, Every: time.Duration(s.settings.Poll), Log: s.log,
			Base: func() string {
				if s.turner.Known() == nil {
					return "" // The first turn goes first.
				}
				commit, _ := s.repository.Accepted()
				return commit.Hash
			},
			Plan: func(ctx context.Context, number int, ref string) (*report.Report, error) {
				return s.loop.Ask(ctx, turn.Request{Mode: report.Drift, Commit: ref, Why: fmt.Sprintf("pull request %d", number)})
			},
		}
		if w.statuses != nil {
			p.Tell = w.statuses.Tell
		}
		w.plans = proposals.New(p)
	}
	return w, nil
}

// run does it until ctx is done.
func (w *forgeWatch) run(ctx context.Context) {
	var both sync.WaitGroup
	if w.statuses != nil {
		both.Go(func() { w.statuses.Run(ctx) })
	}
	if w.plans != nil {
		both.Go(func() { w.plans.Run(ctx) })
	}
	both.Wait()
}

// Began is no news to a forge.
func (w *forgeWatch) Began(turn.Request) {}

// Planned tells that a commit is about to be carried out.
func (w *forgeWatch) Planned(req turn.Request, rep *report.Report) {
	if w.statuses != nil && ofAll(req) {
		w.statuses.TellFirst(forge.Planned(rep))
	}
}

// Ended tells how the commit fares that was tried.
func (w *forgeWatch) Ended(req turn.Request, rep *report.Report, err error, waits []turn.Wait) {
	if w.statuses == nil || !ofAll(req) {
		return
	}
	for _, status := range forge.Verdicts(w.fleet(), rep, err, waits) {
		w.statuses.Tell(status)
	}
}

// ofAll tells whether a turn is about all of a commit, and carries it out.
func ofAll(req turn.Request) bool {
	return req.Mode == report.Run && len(req.Only) == 0 && req.Commit == ""
}
