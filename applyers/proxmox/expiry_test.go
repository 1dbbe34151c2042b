package proxmox

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

// tokenOf is what a look says of the site's token, with how often it has asked.
func (b *bench) tokenOf() (drift.Expiry, int) {
	b.t.Helper()
	b.mark()
	var found drift.Expiry
	for _, e := range b.observe().Expiries {
		if e.Kind == drift.TokenExpiry {
			found = e
		}
	}
	asked := 0
	for _, r := range b.sim.Requests()[b.from:] {
		if strings.HasPrefix(r.Path, "/access/users") {
			asked++
		}
	}
	return found, asked
}

// TestTheTokensExpiryIsAskedForOnceADay also holds who of token and user goes first.
func TestTheTokensExpiryIsAskedForOnceADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{}))
		b.manifests(webYAML)
		in := func(days int) (time.Time, string) {
			at := time.Now().AddDate(0, 0, days).UTC()
			return at, strconv.FormatInt(at.Unix(), 10)
		}
		want := drift.Expiry{Kind: drift.TokenExpiry, ID: "site/home", What: strings.Split(b.token, "=")[0]}
		name, id, _ := strings.Cut(want.What, "!")
		user := "/access/users/" + name
		is := func(what string, times int) {
			t.Helper()
			got, asked := b.tokenOf()
			if diff := cmp.Diff(want, got); diff != "" || asked != times {
				t.Errorf("%s: asked %d times (-want +got):\n%s", what, asked, diff)
			}
		}
		is("one that never expires", 1)
		is("the next look", 0)
		token, text := in(30)
		b.people()(http.MethodPut, user+"/token/"+id, url.Values{"expire": {text}})
		is("within a day", 0)
		<-time.After(24 * time.Hour)
		want.At = token
		is("a day later", 1)
		account, text := in(10)
		b.people()(http.MethodPut, user, url.Values{"expire": {text}})
		b.restart()
		want.At = account
		is("a user who goes first, after a restart", 1)

		// A plan notes what is soon to be over, once.
		var notes []string
		for _, n := range b.plan().Notes {
			if n.ID == "site/home" && strings.Contains(n.Text, "expires") {
				notes = append(notes, n.Text)
			}
		}
		if len(notes) != 1 || !strings.HasPrefix(notes[0], "token "+want.What+" expires on 12 Jan 2000, in 10 days: make another and put it where the site's token points, or prolong it: pveum user token modify "+name+" "+id+" --expire 0, and pveum user modify "+name+" --expire 0 if") {
			t.Errorf("noted: %q", notes)
		}

		// Then the site is closed to it.
		<-time.After(11 * 24 * time.Hour)
		if seen := b.observe(); len(seen.Blind) != 1 || !strings.Contains(seen.Blind[0].Reason, "401") {
			t.Errorf("expired: %+v", seen.Blind)
		}
	})
}

// TestATokenThatMayNotAskForItsExpiryIsToldWhatItLacks asks for nothing in vain.
func TestATokenThatMayNotAskForItsExpiryIsToldWhatItLacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{}))
		b.manifests(webYAML)
		b.token = b.sim.AddToken("few@pve", "agent", true, pvesim.ACL{Path: "/", Role: "PVEAuditor"}, pvesim.ACL{Path: "/vms", Role: "PVEAuditor", Propagate: true})
		got, asked := b.tokenOf()
		if asked != 0 || !got.At.IsZero() || got.Unknown != "the token lacks Sys.Audit on /access/groups: pveum acl modify /access/groups --users few@pve --tokens 'few@pve!agent' --roles PVEAuditor" {
			t.Errorf("asked %d times: %+v", asked, got)
		}
	})
}

// TestClocksThatAreApartAreTold holds that it is said where deletions are held for it.
func TestClocksThatAreApartAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for ahead, want := range map[time.Duration][]drift.Clock{time.Minute: nil, 10 * time.Minute: {{Site: "home", Ahead: 10 * time.Minute}}} {
			b := benchOn(t, pvesim.New(pvesim.Options{Now: func() time.Time { return time.Now().Add(ahead) }}))
			b.manifests(webYAML)
			if diff := cmp.Diff(want, b.observe().Clocks); diff != "" {
				t.Errorf("%s ahead (-want +got):\n%s", ahead, diff)
			}
		}
	})
}
