package turn_test

import (
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

// Two guests can't have each other's address in one step: each says what to do.
func TestGuardSwappedAddresses(t *testing.T) {
	guarded(t, "preflight-addresses-swapped", pvesim.Options{}, func(l *land, s *story) {
		one, two := ct("one", 4002, ""), ct("two", 4003, "")
		there, back := strings.Replace(one, "10.1.1.2", "10.1.1.3", 1), strings.Replace(two, "10.1.1.3", "10.1.1.2", 1)
		l.push("aaaa", one, two)
		l.apply()
		l.push("bbbb", there, back)
		l.held(s, "two guests swap their addresses in one commit")
		l.push("cccc", one, strings.Replace(two, "10.1.1.3", "10.1.1.99", 1))
		l.goes(s, "one gets a free address first")
		l.push("dddd", there, back)
		l.goes(s, "and then both")
		l.goes(s, "the next turn")
		l.settled()
	})
}

// A guest whose tag was taken off by hand is not found any more once its manifest is
// gone, and that is said.
func TestGuardTagTakenOff(t *testing.T) {
	guarded(t, "ownership-tag-taken-off", pvesim.Options{}, func(l *land, s *story) {
		l.push("aaaa", ct("cache", 4002, ""), ct("web", 4003, ""))
		l.apply()
		l.sim.Edit("root@pam", 4002, map[string]string{"tags": ""})
		l.push("bbbb", ct("web", 4003, ""))
		l.held(s, "its manifest is gone in the same turn")
		l.sim.Edit("root@pam", 4002, map[string]string{"tags": "berth.pegasus"})
		l.goes(s, "the tag is put back")
	})
}
