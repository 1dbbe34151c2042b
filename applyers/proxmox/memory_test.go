package proxmox

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers"
	"berth/desired"
)

// TestAnotherAgentIsToldOnce, by a look at all, which a look at one guest in between
// does not forestall; and in the log, since nobody may read that report.
func TestAnotherAgentIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML)
		var lines bytes.Buffer
		b.a.opts.Log = slog.New(slog.NewTextHandler(&lines, nil))
		b.as(b.token)("POST", "/nodes/pve1/qemu/4001/status/stop", nil)
		synctest.Wait()
		if _, err := b.a.Observe(t.Context(), b.fleet, applyers.Scope{IDs: []desired.ID{"vm/web-1"}}); err != nil {
			t.Fatal(err)
		}
		const want = "another agent works with token berth@pve!agent: qmstop 4001 on pve1; "
		for _, told := range []bool{true, false} {
			lines.Reset()
			notes := b.observe().Notes
			if got := len(notes) == 1 && strings.HasPrefix(notes[0].Text, want); got != told || !told && len(notes) > 0 {
				t.Errorf("notes: %+v", notes)
			}
			if got := strings.Contains(lines.String(), `level=WARN msg="another agent works with this token" site=home tasks="qmstop 4001 on pve1"`); got != told {
				t.Errorf("logged: %s", &lines)
			}
		}
	})
}
