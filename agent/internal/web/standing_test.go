package web_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/applyers"
	"berth/drift"
	"berth/drift/report"
)

const locked = "waiting for unlock: secret \"apps\" is locked: run `agent unlock` on the agent's host"

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func stood() *web.Standing { return &web.Standing{Now: func() time.Time { return noon }} }

func TestStandingTellsWhatATurnLeft(t *testing.T) {
	s := stood()
	s.Began(turn.Request{Mode: report.Run, ID: "t1", Why: "commit"})
	if now := s.Status().Now; now == nil || *now != (web.Underway{Turn: "t1", Why: "commit", Since: noon}) {
		t.Fatalf("under way: %+v", now)
	}
	rep := &report.Report{
		Turn: "t1", Mode: report.Run, Fleet: "lab", Commit: report.Commit{Hash: "aaaa"}, Started: noon, Ended: noon.Add(time.Second),
		Plan: &drift.Plan{
			Blind: []drift.Blind{{Site: "home", Reason: "read the token: " + locked}, {Site: "paris", Reason: "401", Remedy: "renew the token"}, {Kind: "edge", Reason: "no nginx"}},
			Changes: []drift.Change{
				{Key: drift.Key{ID: "play/base", Step: drift.Run}, Fields: []drift.Field{
					{Path: "hosts.web-2", Held: locked}, {Path: "hosts.web-1", Held: locked}, {Path: "hosts.web-3"}, {Path: "hosts.web-4", Held: "it does not answer"}, {Path: "hosts.web-5", Held: "tried again at 12:01"},
				}},
				{Key: drift.Key{ID: "play/late", Step: drift.Run}, Fields: []drift.Field{{Path: "hosts.web-1"}}},
				{Key: drift.Key{ID: "vm/db-1", Step: drift.Online}, Held: "it is protected"},
				{Key: drift.Key{ID: "vm/db-1", Step: drift.Reboot}, Held: "it waits for the step before"},
				{Key: drift.Key{ID: "vm/web-9", Step: drift.Create}, Held: "tried again at 12:01: no space"},
			},
		},
		Outcomes: []drift.Outcome{
			{Key: drift.Key{ID: "play/late", Step: drift.Run}, Status: drift.Held, Reason: locked},
			{Key: drift.Key{ID: "vm/web-8", Step: drift.Create}, Status: drift.Failed, Reason: "refused"},
		},
	}
	rep.Summary.Failed = 1
	waits := []turn.Wait{{ID: "play/base", Path: "hosts.web-5", Until: noon.Add(time.Minute), Reason: "task a: boom"}, {ID: "vm/web-9", Until: noon.Add(time.Minute), Reason: "no space"}}
	s.Ended(turn.Request{Mode: report.Run, ID: "t1", Why: "commit"}, rep, nil, waits)
	got := s.Status()
	want := web.Status{
		Fleet: "lab", Commit: rep.Commit, Seen: rep.Commit,
		Reboots: []web.Held{{What: "vm/db-1", Reason: "it waits for the step before"}},
		Last:    &web.Turn{ID: "t1", Why: "commit", Started: noon, Ended: noon.Add(time.Second), Summary: rep.Summary},
		Unknown: []web.Held{{What: "site/paris", Reason: "401: renew the token"}, {What: "edge/", Reason: "no nginx"}},
		Waiting: []turn.Waiting{{ID: "play/base", Hosts: []string{"web-1", "web-2"}, Reason: locked}, {ID: "play/late", Reason: locked}, {ID: "site/home", Reason: "read the token: " + locked}},
		Failing: []turn.Failing{
			{ID: "play/base", Field: "hosts.web-5", Reason: "task a: boom", Next: noon.Add(time.Minute)},
			{ID: "vm/web-8", Reason: "refused"},
			{ID: "vm/web-9", Reason: "no space", Next: noon.Add(time.Minute)},
		},
		Held: []web.Held{{What: "play/base hosts.web-4", Reason: "it does not answer"}, {What: "vm/db-1", Reason: "it is protected"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the turn (-want +got):\n%s", diff)
	}
	if got.Well() {
		t.Error("it is not well")
	}

	// Dry runs, plans that are others, and the end of the agent change nothing of it.
	for _, row := range []struct {
		req turn.Request
		err error
	}{
		{turn.Request{Mode: report.Drift}, nil},
		{turn.Request{Mode: report.Run, Plan: "d"}, &turn.PlanChangedError{Asked: "d", Now: "e"}},
		{turn.Request{Mode: report.Run}, applyers.ErrLeft},
		{turn.Request{Mode: report.Run, Only: []string{"vm/wbe"}}, fmt.Errorf("sync: %w", &turn.UnknownResourceError{Word: "vm/wbe"})},
		{turn.Request{Mode: report.Run, Run: []turn.Asking{{Play: "play/bsae"}}}, &turn.UnknownError{What: "play/bsae"}},
	} {
		s.Began(row.req)
		s.Ended(row.req, &report.Report{Mode: row.req.Mode}, row.err, nil)
		if diff := cmp.Diff(want, s.Status()); diff != "" {
			t.Errorf("after %+v, %v (-want +got):\n%s", row.req, row.err, diff)
		}
	}

	// A turn that could not be made says why; what was known stays.
	s.Began(turn.Request{Mode: report.Run, ID: "t2"})
	s.Ended(turn.Request{Mode: report.Run, ID: "t2"}, nil, errors.New("disk full"), waits)
	want.Last = &web.Turn{ID: "t2", Why: "sync", Started: noon, Ended: noon, Error: "disk full"}
	if diff := cmp.Diff(want, s.Status()); diff != "" {
		t.Errorf("after a turn that could not be made (-want +got):\n%s", diff)
	}

	// A turn about one resource tells of that alone: what is known of the others stays.
	part := turn.Request{Mode: report.Run, ID: "t2b", Only: []string{"vm/db-1"}}
	s.Began(part)
	s.Ended(part, &report.Report{
		Turn: "t2b", Mode: report.Run, Fleet: "lab", Commit: rep.Commit, Started: noon, Ended: noon,
		Plan: &drift.Plan{
			Blind:   []drift.Blind{{Site: "paris", Reason: "401", Remedy: "renew the token"}},
			Changes: []drift.Change{{Key: drift.Key{ID: "play/late", Step: drift.Run}, Fields: []drift.Field{{Path: "hosts.web-1", Held: "it does not answer"}}}},
		},
	}, nil, waits)
	want.Last = &web.Turn{ID: "t2b", Why: "sync", Started: noon, Ended: noon}
	want.Reboots = nil
	want.Unknown = []web.Held{want.Unknown[1], want.Unknown[0]}
	want.Waiting = []turn.Waiting{want.Waiting[0], want.Waiting[2]}
	want.Held = []web.Held{want.Held[0], {What: "play/late hosts.web-1", Reason: "it does not answer"}}
	if diff := cmp.Diff(want, s.Status(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("after a turn about one resource (-want +got):\n%s", diff)
	}

	// All well again.
	s.Began(turn.Request{Mode: report.Run, ID: "t3", Why: "sweep"})
	s.Ended(turn.Request{Mode: report.Run, ID: "t3"}, &report.Report{Turn: "t3", Mode: report.Run, Plan: &drift.Plan{}}, nil, nil)
	s.Set(func(s *web.Status) { s.Agent = &web.Agent{} })
	if now := s.Status(); !now.Well() || now.Last.Why != "sweep" {
		t.Errorf("all well: %+v", now)
	}
}
