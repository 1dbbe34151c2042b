package drift_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

// TestAPlanTellsWhatComesByItself sorts what several sites found, notes what is soon to be
// over, and leaves what would be done as it is.
func TestAPlanTellsWhatComesByItself(t *testing.T) {
	at := func(days int) time.Time { return approvalDay.AddDate(0, 0, days) }
	token := drift.Expiry{Kind: drift.TokenExpiry, ID: "site/home", What: "a@pve!b", At: at(14)}
	cert := drift.Expiry{Kind: drift.CertificateExpiry, ID: "site/home", What: "https://10.1.1.11:8006", At: at(15)}
	over := drift.Expiry{Kind: drift.CertificateExpiry, ID: "site/lab", What: "https://10.1.2.11:8006", At: at(-1)}
	early, late := drift.Archived{ID: "vm/b", Site: "lab", Until: at(1)}, drift.Archived{ID: "vm/a", Site: "home", Until: at(2)}
	var observed drift.Observed
	observed.Add(drift.Observed{Outlook: drift.Outlook{Archives: []drift.Archived{late}, Expiries: []drift.Expiry{over, token}, Clocks: []drift.Clock{{Site: "lab"}}}})
	observed.Add(drift.Observed{Outlook: drift.Outlook{Archives: []drift.Archived{early}, Expiries: []drift.Expiry{cert}, Clocks: []drift.Clock{{Site: "home"}}}})
	observed.Lives = []drift.Live{up("one", "")}
	f := fleet()
	used, idle := approve(1, desired.AllowDelete, "vm/one", "", 3), approve(2, desired.AllowDelete, "vm/gone", "", 3)
	f.Approvals = []*desired.Approval{used, idle, approve(3, desired.AllowDelete, "vm/one", "", -1)}
	in := drift.Input{
		Fleet: f, Now: approvalDay, Steps: map[string]drift.Steps{desired.KindVM: guests}, Observed: observed,
		Guards: []drift.Guard{drift.Amount(desired.Guards{}), drift.Approvals()},
	}
	p := plan(t, in)
	approval := func(a *desired.Approval, unused bool) drift.Expiry {
		return drift.Expiry{Kind: drift.ApprovalExpiry, ID: desired.MakeID(desired.KindApproval, a.Allow), What: a.Allow, At: a.Ends, Unused: unused, Source: a.Source}
	}
	want := drift.Outlook{
		Archives: []drift.Archived{early, late},
		Expiries: []drift.Expiry{approval(idle, true), approval(used, false), cert, token, over},
		Clocks:   []drift.Clock{{Site: "home"}, {Site: "lab"}},
	}
	if diff := cmp.Diff(want, p.Outlook); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var noted []string
	for _, n := range p.Notes {
		if n.ID.Kind() == desired.KindSite {
			text, _, _ := strings.Cut(n.Text, ": ")
			noted = append(noted, string(n.ID)+": "+text)
		}
	}
	if diff := cmp.Diff([]string{
		"site/home: token a@pve!b expires on 4 Dec 2026, in 14 days",
		"site/lab: certificate of https://10.1.2.11:8006 has expired on 19 Nov 2026",
	}, noted); diff != "" {
		t.Errorf("noted (-want +got):\n%s", diff)
	}
	in.Observed.Outlook = drift.Outlook{}
	if other := plan(t, in); other.Digest != p.Digest {
		t.Error("the digest depends on it")
	}
}

func TestExpiryInWords(t *testing.T) {
	for want, e := range map[string]drift.Expiry{
		"token a@pve!b never expires":                                              {Kind: drift.TokenExpiry, What: "a@pve!b"},
		"token a@pve!b: when it expires is not known: the token lacks Sys.Audit":   {Kind: drift.TokenExpiry, What: "a@pve!b", Unknown: "the token lacks Sys.Audit"},
		"certificate of https://h:8006 expires on 20 Nov 2026, in less than a day": {Kind: drift.CertificateExpiry, What: "https://h:8006", At: approvalDay.Add(time.Hour)},
		"approval delete vm/a expires on 21 Nov 2026, in a day":                    {Kind: drift.ApprovalExpiry, What: "delete vm/a", At: approvalDay.AddDate(0, 0, 1)},
		"token a@pve!b has expired on 20 Nov 2026":                                 {Kind: drift.TokenExpiry, What: "a@pve!b", At: approvalDay},
	} {
		if got := e.Text(approvalDay); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
