package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/notify"
	"berth/agent/internal/pause"
	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

func TestEventsOfTheSettingsAreThoseThatThereAre(t *testing.T) {
	if !slices.Equal(config.NotifyEvents(), notify.Kinds()) {
		t.Errorf("settings know %q, and there are %q", config.NotifyEvents(), notify.Kinds())
	}
}

// mute is a target that never answers, or fails at once.
type mute struct{ fails bool }

func (mute) Name() string { return "mute" }

func (m mute) Send(ctx context.Context, _ notify.Event) error {
	if m.fails {
		return errors.New("no")
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestNoTargetDelaysATurn makes a day of turns by the real loop, each of which has
// something to tell, with nobody to tell, and with targets that hang and fail: they take
// the same time, and come out the same.
func TestNoTargetDelaysATurn(t *testing.T) {
	day := func(t *testing.T, targets ...notify.Subscription) (turns int, took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			teller := notify.NewTeller(ctx, notify.Options{Targets: targets, Log: slog.New(slog.DiscardHandler)})
			all := audience{telling{teller}}
			loop := trigger.New(trigger.Work{
				Turn: func(_ context.Context, req turn.Request) (*report.Report, error) {
					began := time.Now()
					req.ID = strconv.Itoa(turns)
					turns++
					all.Began(req)
					rep := &report.Report{Mode: req.Mode, Turn: req.ID, Plan: &drift.Plan{}}
					key := drift.Key{ID: desired.MakeID("vm", req.ID), Step: drift.Start}
					rep.Plan.Changes = []drift.Change{{Key: key}}
					rep.Outcomes = []drift.Outcome{{Key: key, Status: drift.Failed, Reason: "no"}}
					all.Planned(req, rep)
					all.Ended(req, rep, nil, nil)
					took += time.Since(began)
					return rep, nil
				},
				Tip: func(context.Context) (string, error) { return "", nil }, Poll: time.Hour, Sweep: 10 * time.Minute, Log: slog.New(slog.DiscardHandler),
			})
			ended := make(chan struct{})
			go func() { defer close(ended); loop.Run(ctx) }()
			<-time.After(24*time.Hour + 5*time.Minute)
			stop()
			<-ended
			teller.Wait()
		})
		return turns, took
	}
	turns, took := day(t)
	with, tookWith := day(t, notify.Subscription{Name: "hangs", Target: mute{}}, notify.Subscription{Name: "fails", Target: mute{fails: true}})
	if turns < 140 || with != turns || took != 0 || tookWith != 0 {
		t.Errorf("%d turns in %v, with targets %d in %v", turns, took, with, tookWith)
	}
}

// TestWhatOfATurnIsNoNews has people ask for what can't be, for dry runs, and stop the
// agent: nobody is told.
func TestWhatOfATurnIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		told := make(told, 100)
		teller := notify.NewTeller(ctx, notify.Options{Targets: []notify.Subscription{{Name: "test", Target: told}}, Log: slog.New(slog.DiscardHandler)})
		tells := telling{teller}
		bad := &report.Report{Plan: &drift.Plan{Blind: []drift.Blind{{Site: "home", Reason: "no"}}}}
		run := turn.Request{Mode: report.Run}
		tells.Ended(turn.Request{Mode: report.Drift}, bad, nil, nil)
		for _, err := range []error{&turn.PlanChangedError{}, &turn.UnknownResourceError{}, &turn.UnknownError{}, applyers.ErrLeft, context.Canceled} {
			tells.Ended(run, bad, fmt.Errorf("turn: %w", err), nil)
		}
		synctest.Wait()
		if len(told) > 0 {
			t.Errorf("told %+v", <-told)
		}
		tells.Ended(turn.Request{Mode: report.Drift, Paused: true}, bad, nil, nil)
		tells.Ended(run, nil, errors.New("open the journal: no space left on device"), nil)
		synctest.Wait()
		var got []string
		for len(told) > 0 {
			e := <-told
			got = append(got, string(e.Kind))
		}
		if !slices.Equal(got, []string{"site-unknown", "turn-failed"}) {
			t.Errorf("told %q", got)
		}
		stop()
		teller.Wait()
	})
}

// told is a target that takes everything.
type told chan notify.Event

func (told) Name() string { return "told" }

func (c told) Send(_ context.Context, e notify.Event) error { c <- e; return nil }

func TestWhatHoldsAroundTurns(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	status := web.Status{Paused: &pause.Pause{Since: now.Add(-time.Hour), By: "ann", Reason: "the switch is replaced"}, Expiries: []drift.Expiry{
		{Kind: "token", ID: "site/home", What: "berth@pve!agent", At: now.Add(3 * 24 * time.Hour)},
		{Kind: "token", ID: "site/away", What: "berth@pve!agent", At: now.Add(300 * 24 * time.Hour)},
		{Kind: "token", ID: "site/odd", What: "berth@pve!agent", Unknown: "it may not be asked"},
		{Kind: drift.ApprovalExpiry, ID: "approval/delete vm/db-1", What: "delete vm/db-1", At: now.Add(time.Hour)},
		{Kind: drift.CertificateExpiry, ID: "site/home", What: "https://10.1.1.11:8006", At: now.Add(-time.Hour)},
	}}
	var got []string
	for _, c := range around(status, now) {
		got = append(got, fmt.Sprintf("%s %s %s %v %s", c.Kind, c.ID, c.Site, c.Unsure, c.Reason))
	}
	want := []string{
		"paused-reminder   false " + status.Paused.String(),
		"expiry site/home home false token berth@pve!agent expires on 25 Nov 2026, in 3 days",
		"expiry site/odd odd true token berth@pve!agent: when it expires is not known: it may not be asked",
		"expiry site/home home false certificate of https://10.1.1.11:8006 has expired on 22 Nov 2026",
	}
	if !slices.Equal(got, want) {
		t.Errorf("there are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
