package turn_test

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"berth/agent/internal/logs"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// unsteady are the parts of log lines that differ from run to run.
var unsteady = regexp.MustCompile(`time=\S+ | turn=\S+| (requests|writes)=\d+| duration=\S+`)

// TestLogTellsWhatIsLeftUndone holds that whoever reads but the log of a service finds
// there what a turn leaves as it is, with the reason, once, until it changes.
func TestLogTellsWhatIsLeftUndone(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		var docs []string
		for n := range 6 {
			docs = append(docs, ct(fmt.Sprintf("c%d", n), 4001+n, ""))
		}
		l.push("aaaa", append(docs, vm("web", 4010, ""))...)
		l.apply()
		agent, stop := l.agent("journal")
		defer stop()
		var lines logLines
		agent.Log = slog.New(logs.Belonging(slog.NewTextHandler(&lines, nil)))
		said := func(why, want string) {
			l.t.Helper()
			if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run, Why: why}); err != nil {
				l.t.Fatal(err)
			}
			got := strings.TrimSpace(unsteady.ReplaceAllString(lines.take(), ""))
			if want = strings.TrimSpace(want); got != want {
				l.t.Errorf("%s: the log says\n%s\nwant\n%s", why, got, want)
			}
		}
		const held = `level=WARN msg="left as it is" as=held what="ct/c0, ct/c1, ct/c2, ct/c3, ct/c4 and 1 more" reason="6 guests would go in one turn (ct/c0, ct/c1, ct/c2, ct/c3, ct/c4 and 1 more), the limit is 2: remove fewer in one commit, raise guards.deletes of the Fleet, or write an Approval (allow: shrink-fleet)"`
		l.push("bbbb", vm("web", 4010, ""))
		said("nothing goes", held+`
level=INFO msg="turn ended" mode=run why="nothing goes" commit=bbbb changes=6 failed=0 held=6 unknown=0`)
		said("nothing is new", `level=INFO msg="turn ended" mode=run why="nothing is new" commit=bbbb changes=6 failed=0 held=6 unknown=0`)
		l.push("cccc", vm("web", 4010, "tags: [new]\n"))
		said("beside a step that goes", `level=INFO msg="step done" resource=vm/web step=online
level=INFO msg="turn ended" mode=run why="beside a step that goes" commit=cccc changes=7 failed=0 held=6 unknown=0`)
		good := l.token
		l.token = "berth@pve!agent=00000000-0000-4000-8000-000000000000"
		said("the token is wrong", `level=WARN msg="left as it is" as=unknown what="site home" reason="401, the token has expired or is wrong: make one with pveum user token add, and put it where the site's token points"
level=INFO msg="turn ended" mode=run why="the token is wrong" commit=cccc changes=0 failed=0 held=0 unknown=1`)
		l.token = good
		said("", held+`
level=INFO msg="turn ended" mode=run why="asked for" commit=cccc changes=6 failed=0 held=6 unknown=0`)
	})
}
