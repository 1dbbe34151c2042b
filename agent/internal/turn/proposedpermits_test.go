package turn

import (
	"context"
	"io/fs"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"berth/agent/internal/checkout"
	"berth/desired"
)

// winding is a repository in which whatever was proposed has a long history.
type winding struct {
	Repository
	read int
}

func (w *winding) Parent(context.Context, checkout.Commit) (checkout.Commit, bool, error) {
	w.read++
	return checkout.Commit{Hash: strconv.Itoa(w.read)}, true, nil
}

func (w *winding) Tree(context.Context, checkout.Commit) (fs.FS, error) { return nil, context.Canceled }

// What somebody proposes neither has its whole history read nor uses up what the branch
// has an approval for.
func TestProposalUsesUpNoApproval(t *testing.T) {
	until := time.Now().AddDate(0, 0, 30)
	approved := func(resources ...*desired.Resource) *desired.Fleet {
		f := &desired.Fleet{Approvals: []*desired.Approval{{Allow: "shrink-fleet", Until: until.Format(time.DateOnly), Ends: until}}}
		return f.Of(resources)
	}
	web := &desired.Resource{ID: "ct/web", Spec: &desired.Container{Guest: desired.Guest{Name: "web", State: desired.Running}}}
	repo := &winding{}
	base := &source{commit: checkout.Commit{Hash: "base"}, fleet: approved()}
	p := permitOf(base.fleet.Approvals[0])
	turner := &Turner{Repository: repo, Now: time.Now, Log: slog.New(slog.DiscardHandler), permits: permits{commit: "base", of: map[permit]*uses{p: {stood: map[desired.ID]bool{}}}}}
	head := &source{commit: checkout.Commit{Hash: "head"}, fleet: approved(web)}
	if err := turner.spendOnto(t.Context(), head, base); err != nil {
		t.Fatal(err)
	}
	if repo.read > 0 {
		t.Errorf("%d commits of the proposal's history were read", repo.read)
	}
	if left := turner.permits; left.commit != "base" || len(left.of[p].stood) > 0 {
		t.Errorf("the branch holds that %v stood at %s", left.of[p].stood, left.commit)
	}
	// What the branch took out after the approval came is not approved, and stays so.
	turner.permits.of[p].stood["ct/db"] = true
	head.fleet = approved(web)
	if err := turner.spendOnto(t.Context(), head, base); err != nil {
		t.Fatal(err)
	}
	if spent := head.fleet.Approvals[0].Spent; spent["ct/db"] == "" || spent["ct/web"] != "" {
		t.Errorf("spent is %v", spent)
	}
}
