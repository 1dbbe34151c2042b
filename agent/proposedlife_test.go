package main

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"berth/agent/internal/health"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// However long a proposal takes, the agent that plans it is not taken for dead: whoever
// opens a pull request could have it killed.
func TestAgentLivesWhileItPlansAProposal(t *testing.T) {
	p := newProposals(t)
	p.push(proposalFleet)
	p.turn(turn.Request{Mode: report.Run})
	var mu sync.Mutex
	now := time.Now()
	s := newService(p.w)
	s.observed = newObserved(t.TempDir(), slog.New(slog.DiscardHandler))
	s.observed.health = health.New(func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	asked, dial := false, p.w.dial
	p.w.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		asked, now = true, now.Add(9*time.Minute)
		mu.Unlock()
		if why := s.observed.health.Alive(); why != "" {
			t.Errorf("while it plans: %s", why)
		}
		return dial(ctx, network, address)
	}
	p.propose("refs/heads/evil", proposalFleet+"# more\n")
	if _, err := s.turn(t.Context(), turn.Request{Mode: report.Drift, Commit: "evil"}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	if !asked || s.observed.health.Alive() == "" {
		t.Errorf("asked: %t; an hour after it, it is still taken to be at work", asked)
	}
}
