package proxmox

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

const nasYAML = `
kind: Host
name: nas
address: 10.1.1.9
`

// TestAClaimedAddressOfAnotherIsRefused has a guest that was taken over say that it has
// the address of another: its own playbooks must not run there.
func TestAClaimedAddressOfAnotherIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML, dhcpYAML, agentYAML, nasYAML)
		b.apply()
		says := func(addresses ...string) {
			b.sim.SetGuestAgent(4011, pvesim.Interface{Name: "eth0", MAC: nicMAC(b.guest(4011)), Addresses: addresses})
		}
		address := func(seen drift.Observed) (addr, note string) {
			t.Helper()
			for _, live := range seen.Lives {
				if live.ID == "vm/asker" {
					addr = live.Facts[desired.FactAddress]
				}
			}
			for _, n := range seen.Notes {
				if n.ID == "vm/asker" {
					note = n.Text
				}
			}
			return addr, note
		}
		for what, row := range map[string]struct {
			says       []string
			addr, note string
		}{
			"its own":               {[]string{"10.1.1.77/24"}, "10.1.1.77", ""},
			"another's static one":  {[]string{"10.1.1.5/24"}, "", "address unknown: it claims 10.1.1.5, which is ct/cache's"},
			"a Host's":              {[]string{"10.1.1.9/24"}, "", "address unknown: it claims 10.1.1.9, which is host/nas's"},
			"another's lease":       {[]string{"198.18.15.170/24"}, "", "address unknown: it claims 198.18.15.170, which is ct/lease's"},
			"another's, first":      {[]string{"10.1.1.5/24", "10.1.1.78/24"}, "10.1.1.78", "it claims 10.1.1.5, which is ct/cache's: 10.1.1.78, which it claims as well, is taken for its own"},
			"another's, afterwards": {[]string{"10.1.1.77/24", "10.1.1.5/24"}, "10.1.1.77", ""},
		} {
			says(row.says...)
			addr, note := address(b.observe())
			if addr != row.addr || note != row.note {
				t.Errorf("%s: taken to be at %q, noted %q", what, addr, note)
			}
			some, err := b.a.Observe(t.Context(), b.fleet, applyers.Scope{IDs: []desired.ID{"vm/asker"}})
			if addr, note := address(some); err != nil || addr != row.addr || note != row.note {
				t.Errorf("%s, looked at alone: taken to be at %q, noted %q, %v", what, addr, note, err)
			}
		}

		// While the other one does not answer, its address is its own still, for a day.
		says("198.18.15.170/24")
		b.people()("POST", "/nodes/pve1/lxc/4010/status/stop", nil)
		<-time.After(time.Minute)
		if addr, note := address(b.observe()); addr != "" || !strings.Contains(note, "which is ct/lease's") {
			t.Errorf("while the other is down: taken to be at %q, noted %q", addr, note)
		}
		<-time.After(heardTime)
		if addr, note := address(b.observe()); addr != "198.18.15.170" || note != "" {
			t.Errorf("a day later: taken to be at %q, noted %q", addr, note)
		}
	})
}

// TestADisputeMakesTheOtherOneUnknownToo holds that of two who claim an address nobody
// is believed: which of them was taken over can't be told.
func TestADisputeMakesTheOtherOneUnknownToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dhcpYAML, agentYAML)
		b.apply()
		b.restart()
		b.sim.SetGuestAgent(4011, pvesim.Interface{Name: "eth0", MAC: nicMAC(b.guest(4011)), Addresses: []string{"198.18.15.170/24"}})
		seen := b.observe()
		for _, live := range seen.Lives {
			if live.Facts[desired.FactAddress] != "" {
				t.Errorf("%s is taken to be at %s", live.ID, live.Facts[desired.FactAddress])
			}
		}
		var notes []string
		for _, n := range seen.Notes {
			if n.Unknown {
				notes = append(notes, string(n.ID)+": "+n.Text)
			}
		}
		if want := []string{"ct/lease: address unknown: it claims 198.18.15.170, which is vm/asker's", "vm/asker: address unknown: it claims 198.18.15.170, which is ct/lease's"}; !slices.Equal(notes, want) {
			t.Errorf("noted %q", notes)
		}
	})
}

// TestANewGuestIsNotReadyAtAnothersAddress holds the same for a guest that is made.
func TestANewGuestIsNotReadyAtAnothersAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML, agentYAML+"ready: {port: 22}\n")
		time.AfterFunc(time.Minute, func() {
			b.sim.SetGuestAgent(4011, pvesim.Interface{Name: "eth0", MAC: nicMAC(b.guest(4011)), Addresses: []string{"10.1.1.5/24"}})
		})
		for _, o := range b.turn() {
			if o.ID == "vm/asker" && o.Step == drift.Ready {
				if o.Status != drift.Failed || !strings.Contains(o.Reason, "it claims 10.1.1.5, which is ct/cache's: see what runs in it") {
					t.Errorf("%+v", o)
				}
				return
			}
		}
		t.Error("nobody waited for it")
	})
}
