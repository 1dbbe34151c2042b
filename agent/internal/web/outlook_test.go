package web_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift"
	"berth/drift/report"
)

// ends has a standing hear of a turn.
func ends(s *web.Standing, rep *report.Report, err error) web.Status {
	req := turn.Request{Mode: report.Run, ID: "t"}
	s.Began(req)
	s.Ended(req, rep, err, nil)
	return s.Status()
}

func TestStandingTellsWhatComesByItself(t *testing.T) {
	s := stood()
	plan := &drift.Plan{
		Notes: []drift.Note{
			{ID: "vm/web-1", Path: "memory", Text: "memory 1GiB → 2GiB waits for a reboot", Unless: drift.Reboot},
			{ID: "vm/asker", Text: "address unknown: it claims 10.1.1.5, which is ct/cache's", Unknown: true},
			{Text: "a remark"},
		},
		Changes: []drift.Change{{Key: drift.Key{ID: "vm/db-1", Step: drift.Reboot}, Held: "no window is open"}},
		Outlook: drift.Outlook{
			Archives: []drift.Archived{{ID: "vm/old", Site: "home", Until: noon.Add(time.Hour)}},
			Expiries: []drift.Expiry{{Kind: drift.TokenExpiry, ID: "site/home", What: "a@pve!b", At: noon.AddDate(0, 0, 14)}},
			Clocks:   []drift.Clock{{Site: "home", Ahead: time.Hour}},
		},
	}
	rep := &report.Report{Plan: plan, Outcomes: []drift.Outcome{
		{Key: drift.Key{ID: "play/base", Step: drift.Run}, Status: drift.Skipped, Reason: "it waits for vm/web-9 create"},
	}}
	got := ends(s, rep, nil)
	want := got
	want.Reboots = []web.Held{{What: "vm/web-1", Reason: "memory 1GiB → 2GiB waits for a reboot"}, {What: "vm/db-1", Reason: "no window is open"}}
	want.Unknown = []web.Held{{What: "vm/asker", Reason: "address unknown: it claims 10.1.1.5, which is ct/cache's"}}
	want.Skipped = []web.Held{{What: "play/base run", Reason: "it waits for vm/web-9 create"}}
	want.Archives, want.Expiries, want.Clocks = plan.Archives, plan.Expiries, plan.Clocks
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(got.Expiring(noon)) != 1 || len(got.Expiring(noon.Add(-time.Second))) != 0 {
		t.Errorf("soon: %+v", got.Expiring(noon))
	}
	// All of it is told of the turn that looked, and no other.
	if got = ends(s, &report.Report{Plan: &drift.Plan{}}, nil); len(got.Reboots)+len(got.Unknown)+len(got.Skipped)+len(got.Archives)+len(got.Expiries)+len(got.Clocks) != 0 {
		t.Errorf("still told: %+v", got)
	}
}

func TestWellTellsWhetherThereIsSomethingToDo(t *testing.T) {
	now := time.Now()
	for what, row := range map[string]struct {
		status web.Status
		well   bool
	}{
		"nothing":                      {web.Status{}, true},
		"in the archive":               {web.Status{Archives: []drift.Archived{{ID: "vm/old"}}}, true},
		"a token that goes on":         {web.Status{Expiries: []drift.Expiry{{Kind: drift.TokenExpiry, At: now.AddDate(0, 0, 15)}}}, true},
		"a token that never expires":   {web.Status{Expiries: []drift.Expiry{{Kind: drift.TokenExpiry}}}, true},
		"an Approval that ends":        {web.Status{Expiries: []drift.Expiry{{Kind: drift.ApprovalExpiry, At: now.Add(time.Hour)}}}, true},
		"a token that expires":         {web.Status{Expiries: []drift.Expiry{{Kind: drift.TokenExpiry, At: now.AddDate(0, 0, 13)}}}, false},
		"a certificate that has":       {web.Status{Expiries: []drift.Expiry{{Kind: drift.CertificateExpiry, At: now.AddDate(0, 0, -1)}}}, false},
		"a clock":                      {web.Status{Clocks: []drift.Clock{{Site: "home"}}}, false},
		"what takes a reboot":          {web.Status{Reboots: []web.Held{{What: "vm/a"}}}, false},
		"what was skipped":             {web.Status{Skipped: []web.Held{{What: "vm/a"}}}, false},
		"a turn that could not be had": {web.Status{Last: &web.Turn{Error: "disk full"}}, false},
	} {
		row.status.Agent = &web.Agent{}
		if row.status.Well() != row.well {
			t.Errorf("%s: well is %t", what, !row.well)
		}
	}
}

// TestBehindSince follows the commit that is enforced and the one that is seen.
func TestBehindSince(t *testing.T) {
	at := noon
	s := &web.Standing{Now: func() time.Time { return at }}
	good, bad, worse := report.Commit{Hash: "aaaa"}, report.Commit{Hash: "bbbb", Author: "Sean"}, report.Commit{Hash: "cccc"}
	is := func(what string, got web.Status, seen report.Commit, since time.Time) {
		t.Helper()
		if got.Seen != seen || !got.BehindSince.Equal(since) {
			t.Errorf("%s: seen %+v since %s", what, got.Seen, got.BehindSince)
		}
	}
	is("as it should be", ends(s, &report.Report{Commit: good}, nil), good, time.Time{})
	at = at.Add(time.Minute)
	since := at
	is("refused", ends(s, &report.Report{Commit: good, Refused: &report.Refusal{Commit: bad}}, nil), bad, since)
	at = at.Add(time.Minute)
	is("another refused", ends(s, &report.Report{Commit: good, Refused: &report.Refusal{Commit: worse}}, nil), worse, since)
	is("the repository is away", ends(s, &report.Report{Commit: good, Refused: &report.Refusal{Since: at}}, nil), worse, since)
	is("no turn at all", ends(s, nil, errors.New("disk full")), worse, since)
	is("mended", ends(s, &report.Report{Commit: worse}, nil), worse, time.Time{})
	is("the repository is away again", ends(s, &report.Report{Commit: worse, Refused: &report.Refusal{Since: at}}, nil), worse, time.Time{})
}

func TestCertificateEnd(t *testing.T) {
	cert, key := pair(t)
	if at, err := web.CertificateEnd([]byte(key + cert)); err != nil || !at.Equal(noon) {
		t.Errorf("%s, %v", at, err)
	}
	for _, text := range []string{"", "x", key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if _, err := web.CertificateEnd([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
