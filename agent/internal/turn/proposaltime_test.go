package turn

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/checkout"
	"berth/applyers"
	"berth/desired"
	"berth/drift/report"
)

// endless is a repository whose proposals never come.
type endless struct {
	Repository
	at checkout.Commit
}

func (e endless) Accepted() (checkout.Commit, bool) { return e.at, true }

func (endless) Propose(ctx context.Context, _ string, _ checkout.Commit) (*checkout.Proposal, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A proposal that takes for ever does not keep the branch's turns from being made.
func TestProposalIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := checkout.Commit{Hash: strings.Repeat("a", 40)}
		turner := &Turner{
			Repository: endless{at: at}, Now: time.Now, loaded: []*source{{commit: at, fleet: &desired.Fleet{}}},
			Proposal: func(*desired.Fleet, fs.FS) ([]applyers.Applyer, func() map[string]int, error) { return nil, nil, nil },
		}
		began := time.Now()
		_, err := turner.Run(t.Context(), Request{ID: "1", Mode: report.Drift, Commit: "evil"})
		if err == nil || !strings.Contains(err.Error(), "longer than 10m0s and was given up") || time.Since(began) != proposalFor {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if _, err := turner.Run(ctx, Request{ID: "2", Mode: report.Drift, Commit: "evil"}); err == nil || strings.Contains(err.Error(), "given up") {
			t.Errorf("told to stop, it says %v", err)
		}
	})
}
