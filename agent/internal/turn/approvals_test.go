package turn_test

import (
	"fmt"
	"testing"
	"time"

	"berth/drift"
	"berth/drift/report"
)

// TestApprovalsAreTraced follows an approval of the whole fleet through the history:
// an agent that saw each commit, and one that reads them at once, say the same.
func TestApprovalsAreTraced(t *testing.T) {
	allow := fmt.Sprintf("---\nkind: Approval\nallow: shrink-fleet\nuntil: %s\n", time.Now().AddDate(0, 0, 30).Format(time.DateOnly))
	two := guest("web", "101", "512MiB") + guest("db", "102", "512MiB")
	for name, row := range map[string]struct {
		// commits are how many come between the approval and the last one; before
		// tells that the guests are gone before the approval comes, after that they
		// go at last.
		commits       int
		before, after bool
		held          bool
	}{
		"gone with it":            {},
		"gone before it":          {before: true},
		"gone long before":        {before: true, commits: 20},
		"gone after it":           {after: true, held: true},
		"gone long after it":      {after: true, commits: 20, held: true},
		"its coming out of reach": {before: true, commits: 80, held: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, daily := range []bool{true, false} {
				r, c := &repository{}, newCluster()
				turner := newTurner(t, r, c)
				r.push("start", base+two)
				run(t, turner, report.Run)
				look := func() *report.Report { return run(t, turner, report.Drift) }
				push := func(hash, docs string) {
					r.push(hash, base+docs)
					if daily {
						look()
					}
				}
				docs := ""
				if row.after {
					docs = two
				}
				if row.before {
					push("gone", "")
				}
				push("allowed", docs+allow)
				for i := range row.commits {
					push(fmt.Sprintf("more-%d", i), docs+allow+fmt.Sprintf("# %d", i))
				}
				push("last", allow)
				change := look().Plan.Change(drift.Key{ID: "ct/web", Step: drift.Archive})
				// Who saw the approval come needs no reach.
				held := row.held && (!daily || !row.before)
				if change == nil || (change.Held != "") != held {
					t.Errorf("daily %v: %+v", daily, change)
				}
			}
		})
	}
}
