package proxmox

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
)

// TestWithoutSyslogEveryPollIsASweep, and the report says once what would change that.
func TestWithoutSyslogEveryPollIsASweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		b.apply()
		b.token = b.sim.AddToken("deaf@pve", "agent", false, pvesim.ACL{Path: "/", Privs: []string{"VM.Audit", "Sys.Audit", "Datastore.Audit"}, Propagate: true})
		b.restart()
		seen := b.observe()
		b.mark()
		want := "site home: without Sys.Syslog on / the cluster log does not tell what others change"
		for range 2 {
			if got := b.polled(); got != want {
				t.Errorf("polled: %q", got)
			}
		}
		if got := len(b.sim.Requests()) - b.from; got != 0 {
			t.Errorf("%d requests to know that", got)
		}
		var notes []string
		for _, n := range seen.Notes {
			if strings.Contains(n.Text, "Sys.Syslog") {
				notes = append(notes, n.Text)
			}
		}
		if len(notes) != 1 || notes[0] != "site home: each poll reads all guests, since the token lacks Sys.Syslog on /: pveum acl modify / --users deaf@pve --tokens 'deaf@pve!agent' --roles PVESysAdmin" {
			t.Errorf("notes: %q", notes)
		}
	})
}

// TestWithoutTheLogEveryPollIsASweep, and the report says why.
func TestWithoutTheLogEveryPollIsASweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML)
		b.sim.Inject(pvesim.Fault{Method: "GET", Path: "/cluster/log", Status: 500, Reason: "no log", Count: -1})
		const why = "the cluster log can't be read: read /cluster/log?max=500: 500 no log"
		notes := b.observe().Notes
		if len(notes) != 1 || notes[0].Text != "site home: each poll reads all guests, since "+why {
			t.Errorf("notes: %+v", notes)
		}
		if got := b.polled(); got != "site home: "+why {
			t.Errorf("polled: %q", got)
		}
		b.sim.Heal()
		if notes := b.observe().Notes; len(notes) > 0 {
			t.Errorf("with the log again: %+v", notes)
		}
		b.quiet(1, "with the log again")
	})
}

func TestPollsBeforeAWholeLook(t *testing.T) {
	b := newBench(t, webYAML)
	want := "site home: it has not been looked at as a whole yet"
	if got := b.polled(); got != want {
		t.Errorf("polled: %q", got)
	}
	if _, err := b.a.Observe(t.Context(), b.fleet, applyers.Scope{IDs: []desired.ID{"vm/web-1"}}); err != nil {
		t.Fatal(err)
	}
	if got := b.polled(); got != want {
		t.Errorf("after a narrow look: %q", got)
	}
	b.observe()
	b.quiet(1, "after a whole look")
	b.manifests(webYAML, cacheYAML)
	if got := b.polled(); got != want {
		t.Errorf("with other manifests: %q", got)
	}
}

// TestPollsOfADarkSite knock, and a site that refuses the token is left alone until
// there is another.
func TestPollsOfADarkSite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML)
		down := pvesim.Fault{Drop: true, Count: -1}
		b.sim.Inject(down)
		if got := b.polled(); !strings.HasPrefix(got, "site home: read /cluster/resources: ") {
			t.Errorf("the first poll of a site that is down: %q", got)
		}
		b.observe()
		b.quiet(3, "down")
		b.sim.Heal()
		if got := b.polled(); got != "site home: it answers again" {
			t.Errorf("back: %q", got)
		}
		b.observe()
		b.quiet(1, "back and looked at")

		good := b.token
		b.token = "berth@pve!agent=00000000-0000-4000-8000-000000000000"
		b.restart()
		b.observe()
		b.mark()
		b.quiet(5, "refused")
		if got := len(b.sim.Requests()) - b.from; got != 0 {
			t.Errorf("a token that was refused is sent again, %d times", got)
		}
		b.token = good
		if got := b.polled(); got != "site home: it answers again" {
			t.Errorf("with another token: %q", got)
		}
	})
}

// TestPollsWaitForAQuorum before they take a torn cluster for back.
func TestPollsWaitForAQuorum(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML)
		b.sim.SetQuorum(false)
		b.observe()
		b.quiet(3, "without a quorum")
		b.sim.SetQuorum(true)
		if got := b.polled(); got != "site home: it answers again" {
			t.Errorf("with a quorum: %q", got)
		}
	})
}

// TestRefusedInAPoll has the token expire between two looks.
func TestRefusedInAPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML)
		b.sim.Inject(pvesim.Fault{Status: 401, Reason: "authentication failure", Count: -1})
		if got := b.polled(); got != "site home: read /cluster/resources: 401 authentication failure" {
			t.Errorf("refused: %q", got)
		}
		b.observe()
		b.quiet(3, "refused")
	})
}

// TestAGuestThatCannotBeRead is news once, and again when it can.
func TestAGuestThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML)
		b.sim.Inject(pvesim.Fault{Path: "/nodes/pve1/qemu/4001/pending", Status: 403, Reason: "Permission check failed (/vms/4001, VM.Audit)", Count: -1})
		if got := b.polled(); !strings.HasPrefix(got, "vm/web-1: vm 4001 on pve1 can't be read any more: ") {
			t.Errorf("refused: %q", got)
		}
		b.observe()
		b.quiet(3, "it can't be read still")
		b.sim.Heal()
		if got := b.polled(); got != "vm/web-1: vm 4001 on pve1 can be read again" {
			t.Errorf("allowed: %q", got)
		}
	})
}

// TestANodeWhoseListsCannotBeRead: its guests' configurations can be, which is no news
// as long as a whole look would make nothing of them.
func TestANodeWhoseListsCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, family := range []string{"qemu", "lxc"} {
		synctest.Test(t, func(t *testing.T) {
			b := watched(t, webYAML)
			b.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/pve1/" + family, Status: 500, Reason: "a mount hangs", Count: -1})
			if seen := b.observe(); len(seen.Blind) == 0 {
				t.Fatal("all can be read")
			}
			b.quiet(3, "the list of "+family+" can't be read")
			b.sim.Heal()
			if got := b.polled(); got != "vm/web-1: vm 4001 on pve1 can be read again" {
				t.Errorf("it can: %q", got)
			}
		})
	}
}

func TestPollEndsWithItsContext(t *testing.T) {
	b := newBench(t, webYAML)
	b.observe()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if got := b.a.Watch(ctx, b.fleet); got != nil {
		t.Errorf("a poll that was broken off says %v", got)
	}
}
