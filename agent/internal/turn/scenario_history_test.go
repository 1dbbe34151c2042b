package turn_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	past "berth/agent/internal/history"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift/report"
)

// historyDir is within a land's directory.
const historyDir = "history"

// history is what a land's history tells, the newest first, a line each.
func (l *land) history(q past.Query) []string {
	l.t.Helper()
	story, err := past.Read(l.path(historyDir), q)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(story.Passed) > 0 {
		l.t.Errorf("the history passes over %v", story.Passed)
	}
	var all []string
	for _, line := range story.Lines {
		text := strings.TrimSpace(string(line.ID) + " " + string(line.What))
		if line.Reason != "" {
			text += ": " + line.Reason
		}
		words := []string{text}
		for _, f := range line.Fields {
			words = append(words, string(f.Path)+" "+f.Before+" → "+f.After)
		}
		all = append(all, strings.Join(words, "; "))
	}
	return all
}

func (l *land) happened(id desired.ID, want ...string) {
	l.t.Helper()
	if diff := cmp.Diff(want, l.history(past.Query{ID: id})); diff != "" {
		l.t.Errorf("the history of %s (-want +got):\n%s", id, diff)
	}
}

// What happens to a guest in its life is told, and nothing else.
func TestHistoryOfAGuest(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		prepared(l)
		l.push("aaaa", ct("cache", 4002, ""))
		l.turn()
		l.turn()
		l.sim.Edit("root@pam", 4002, map[string]string{"memory": "2048"})
		l.turn()
		l.push("bbbb")
		l.turn()
		l.push("cccc", ct("cache", 4002, ""))
		l.turn()
		l.happened(
			"ct/cache",
			"ct/cache restored: back in Git",
			"ct/cache archived: gone from Git: keep for 7d",
			"ct/cache stopped",
			"ct/cache changed; memory 2GiB → 512MiB",
			"ct/cache created: new in Git",
		)
	})
}

// A turn that can't be made leaves a trace, once for each reason, and its recovery does.
func TestTracesOfTurnsThatCouldNotBeMade(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		prepared(l)
		traces := func() int {
			all, err := filepath.Glob(l.path("journal/*.failed"))
			if err != nil {
				l.t.Fatal(err)
			}
			return len(all)
		}
		agent, stop := l.agent("journal")
		defer stop()
		turns := func(n int, want int) {
			l.t.Helper()
			for range n {
				pass(time.Minute)
				_, _ = agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
				_, _ = agent.Run(l.t.Context(), turn.Request{Mode: report.Drift})
			}
			if got := traces(); got != want {
				l.t.Errorf("%d traces, want %d", got, want)
			}
		}
		l.repo.err = errors.New("read tcp 10.0.0.2:40123: connection reset")
		turns(3, 1)
		l.repo.err = errors.New("no such host")
		turns(3, 2)
		l.repo.err = errors.New("read tcp 10.0.0.2:40124: connection reset")
		turns(1, 2)
		l.repo.err = nil
		turns(2, 2)
		if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run, Only: []string{"vm/none"}}); err == nil {
			l.t.Error("vm/none is asked for, and no error")
		}
		l.push("bbbb", "---\nkind: Container\nname: broken\n")
		turns(3, 3)
		archive := past.Archive{Journal: l.path("journal"), History: l.path(historyDir)}
		list, err := archive.Turns(past.Query{Limit: 4})
		if err != nil {
			l.t.Fatal(err)
		}
		var results []string
		for _, one := range list.Turns {
			results = append(results, one.Result)
		}
		if diff := cmp.Diff([]string{"refused", "recovered", "refused", "refused"}, results); diff != "" {
			l.t.Errorf("results (-want +got):\n%s", diff)
		}
		shown, err := archive.Show("last-failed")
		if err != nil || shown.Turn.ID != list.Turns[0].ID || !strings.Contains(string(shown.Report), "does not load") {
			l.t.Errorf("last-failed: %v %+v", err, shown)
		}
	})
}
