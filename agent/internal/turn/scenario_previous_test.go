package turn_test

import (
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// origin is which side moved, as a report tells of one field.
func origin(t *testing.T, rep *report.Report, id desired.ID, path desired.Path) drift.Origin {
	t.Helper()
	for _, c := range rep.Plan.Changes {
		for _, f := range c.Fields {
			if c.ID == id && f.Path == path {
				return f.Origin
			}
		}
	}
	t.Errorf("%s %s does not differ", id, path)
	return ""
}

// noted counts the notes that a value is no longer managed.
func noted(rep *report.Report, id desired.ID) int {
	n := 0
	for _, note := range rep.Plan.Notes {
		if note.ID == id && strings.Contains(note.Text, "no longer managed") {
			n++
		}
	}
	return n
}

// TestOneHeldGuestHidesNoOthersOrigins holds that a guest which can't be made as
// Git has it keeps no other from being told apart: what Git moved, what somebody
// did by hand, and what is no longer managed. Each agent is a new one, as with
// `agent sync --once`.
func TestOneHeldGuestHidesNoOthersOrigins(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, "tags: [a]\n"), vm("stuck", 4003, ""))
		l.apply()
		stuck := strings.Replace(vm("stuck", 4003, ""), "size: 8GiB", "size: 4GiB", 1)

		l.push("bbbb", vm("web", 4001, "tags: [b]\n"), stuck)
		rep := l.turn()
		if got := origin(t, rep, "vm/web", "tags"); got != drift.FromGit {
			t.Errorf("Git's edit is %q", got)
		}
		l.sim.Edit("root@pam", 4001, map[string]string{"tags": "berth.lab;by-hand"})
		rep = l.turn()
		if got := origin(t, rep, "vm/web", "tags"); got != drift.FromLive {
			t.Errorf("the edit by hand is %q", got)
		}
		if got := origin(t, rep, "vm/stuck", "disks.scsi0.size"); got != drift.FromGit {
			t.Errorf("what is held is %q", got)
		}

		l.push("cccc", vm("web", 4001, ""), stuck)
		if n := noted(l.turn(), "vm/web"); n != 1 {
			t.Errorf("noted %d times in the first turn", n)
		}
		if n := noted(l.turn(), "vm/web"); n != 0 {
			t.Errorf("noted %d times in the second turn", n)
		}
	})
}
