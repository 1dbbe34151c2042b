package turn_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// watched is an agent that runs, polls each minute, and sweeps but once a day.
type watched struct {
	*land
	agent *turn.Turner
	loop  *trigger.Loop
	// mu is held by turns and polls, and by what a test does in between.
	mu    sync.Mutex
	turns []turn.Request
	lines logLines
}

// logLines are what the agent logs.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *logLines) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

// take gives the lines so far, and begins anew.
func (j *logLines) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

// fetches are how often the repository was asked.
func (r *repository) fetches() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetched
}

// watch starts the loop, and waits for its first turn to end.
func (l *land) watch() (w *watched, stop func()) {
	l.t.Helper()
	agent, closeJournal := l.agent("journal")
	w = &watched{land: l, agent: agent}
	agent.Log = slog.New(slog.NewTextHandler(&w.lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.loop = trigger.New(trigger.Work{
		Turn: func(ctx context.Context, req turn.Request) (*report.Report, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.turns = append(w.turns, req)
			return agent.Run(ctx, req)
		},
		Look: func(ctx context.Context) string {
			w.mu.Lock()
			defer w.mu.Unlock()
			return agent.Look(ctx)
		},
		Retry: agent.Retry, Log: agent.Log,
		Tip: func(ctx context.Context) (string, error) {
			commit, err := l.repo.Fetch(ctx)
			return commit.Hash, err
		},
		Poll: time.Minute, Sweep: 24 * time.Hour,
	})
	ctx, cancel := context.WithCancel(l.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.loop.Run(ctx)
	}()
	// The second turn of a fleet that is being made looks whether all took.
	pass(10 * time.Minute)
	synctest.Wait()
	return w, func() {
		cancel()
		<-ended
		closeJournal()
	}
}

// set gives the agent another token.
func (w *watched) set(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token = token
}

// during counts the turns that come within a time, and what they and the polls ask.
func (w *watched) during(d time.Duration) (turns, requests int) {
	synctest.Wait()
	before, from := len(w.turns), len(w.sim.Requests())
	pass(d)
	synctest.Wait()
	return len(w.turns) - before, len(w.sim.Requests()) - from
}

func (w *watched) wantTurns(what string, d time.Duration, want int) {
	w.t.Helper()
	if turns, _ := w.during(d); turns != want {
		w.t.Errorf("%s: %d turns in %s, want %d\n%s", what, turns, d, want, w.lines.take())
	}
}

// allFiles are the contents and times of all that the agent keeps.
func (l *land) allFiles() map[string]string {
	all := l.files()
	for path, what := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			l.t.Fatal(err)
		}
		all[path] = what + "\n" + string(text)
	}
	info, err := os.Stat(filepath.Join(l.dir, "journal"))
	if err != nil {
		l.t.Fatal(err)
	}
	all["journal"] = info.ModTime().String()
	return all
}

// TestQuietPollsLeaveNoTrace lets an agent run for some hours with nothing to do.
func TestQuietPollsLeaveNoTrace(t *testing.T) {
	scenario(t, pvesim.Options{Lag: 10 * time.Second}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		w, stop := l.watch()
		defer stop()
		files, fetched := l.allFiles(), l.repo.fetches()
		w.lines.take()
		turns, requests := w.during(5 * time.Hour)
		lines, polls := w.lines.take(), l.repo.fetches()-fetched
		if turns != 0 {
			l.t.Errorf("%d turns with nothing to do:\n%s", turns, lines)
		}
		if polls < 290 || polls > 310 || requests != 4*polls {
			l.t.Errorf("%d polls of Git and %d requests in five hours, want four for each poll", polls, requests)
		}
		if got := l.allFiles(); !maps.Equal(got, files) {
			l.t.Error("quiet polls write to the disk")
		}
		for line := range strings.Lines(lines) {
			if !strings.Contains(line, `level=DEBUG msg=polled requests=4 duration=`) {
				l.t.Fatalf("a quiet poll logs: %s", line)
			}
		}
		if got := strings.Count(lines, "\n"); got != polls {
			l.t.Errorf("%d lines for %d polls", got, polls)
		}
	})
}

// TestChangesByOthersStartATurn at the next poll, which puts them right, and no second
// one.
func TestChangesByOthersStartATurn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(l *land)
		why    string
	}{
		"changed": {
			func(l *land) { l.sim.Edit("sean@pve", 4001, map[string]string{"tags": "berth.pegasus;x"}) },
			`why="changed: vm/web: its configuration has changed, by sean@pve"`,
		},
		"stopped": {
			func(l *land) { l.sim.SetRunning(4002, false); pass(11 * time.Second) },
			`why="changed: ct/cache: it has stopped"`,
		},
		"removed": {
			func(l *land) { l.sim.Remove(4002) },
			`why="changed: ct/cache: ct 4002 on pve1 is gone"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, pvesim.Options{Lag: 10 * time.Second, TaskTime: slowly}, func(l *land) {
				l.push("aaaa", vm("web", 4001, "tags: [a]\n"), ct("cache", 4002, ""))
				w, stop := l.watch()
				defer stop()
				before := len(w.turns)
				c.change(l) // It may take until a poll has come.
				w.during(70 * time.Second)
				turns := len(w.turns) - before
				if lines := w.lines.take(); turns == 0 || !strings.Contains(lines, c.why) {
					l.t.Fatalf("%d turns, want one with %s:\n%s", turns, c.why, lines)
				}
				pass(10 * time.Minute) // What was made takes its time.
				w.wantTurns("put right", 5*time.Hour, 0)
				stop()
				l.settled()
			})
		})
	}
}

// TestWhatIsHeldIsNoNews: a difference that may not be put right starts one turn.
func TestWhatIsHeldIsNoNews(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, "lifecycle: {reboot: never}\n"))
		w, stop := l.watch()
		defer stop()
		l.sim.Edit("sean@pve", 4001, map[string]string{"cpu": "host", "memory": "2048"})
		pass(10 * time.Minute)
		synctest.Wait()
		if len(w.turns) < 2 {
			l.t.Fatal("the change was not seen")
		}
		w.wantTurns("held", 5*time.Hour, 0)
	})
}

// TestDryRunsSwallowNoNews: what a dry run sees, it does nothing about.
func TestDryRunsSwallowNoNews(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, "tags: [a]\n"))
		w, stop := l.watch()
		defer stop()
		l.sim.Edit("sean@pve", 4001, map[string]string{"tags": "berth.pegasus;x"})
		if _, err := w.loop.Ask(l.t.Context(), turn.Request{Mode: report.Drift}); err != nil {
			l.t.Fatal(err)
		}
		if turns, _ := w.during(2 * time.Minute); turns == 0 {
			l.t.Error("the change was not put right")
		}
	})
}

// TestASiteThatIsDown has its one turn when it goes and one when it comes back, and is
// not asked to death in between.
func TestASiteThatIsDown(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""))
		w, stop := l.watch()
		defer stop()
		l.sim.Inject(pvesim.Fault{Drop: true, Count: -1})
		w.wantTurns("gone", 5*time.Minute, 1)
		turns, requests := w.during(time.Hour)
		if turns != 0 || requests > 60*5 {
			l.t.Errorf("down: %d turns, %d requests in an hour", turns, requests)
		}
		l.sim.Heal()
		w.wantTurns("back", 2*time.Minute, 1)
		w.wantTurns("quiet again", time.Hour, 0)
	})
}

// TestASiteThatIsOnlyHalfBack answers what is asked first and nothing else: turns for
// it come ever more seldom.
func TestASiteThatIsOnlyHalfBack(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""))
		w, stop := l.watch()
		defer stop()
		l.sim.Inject(pvesim.Fault{Path: "/cluster/resources", Status: 500, Reason: "no such thing", Count: -1})
		if turns, _ := w.during(5 * time.Hour); turns < 3 || turns > 12 {
			l.t.Errorf("%d turns in five hours", turns)
		}
		l.sim.Heal()
		w.wantTurns("back", 2*time.Hour, 1)
		w.wantTurns("quiet again", time.Hour, 0)
	})
}

// TestARefusedToken costs three seconds a request: polls leave the site alone until
// there is another.
func TestARefusedToken(t *testing.T) {
	scenario(t, pvesim.Options{AuthDelay: 3 * time.Second}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""))
		w, stop := l.watch()
		defer stop()
		good := l.token
		w.set("berth@pve!agent=00000000-0000-4000-8000-000000000000")
		l.sim.Inject(pvesim.Fault{Status: 401, Reason: "authentication failure", Count: -1})
		w.wantTurns("refused", 5*time.Minute, 1)
		if turns, requests := w.during(time.Hour); turns != 0 || requests != 0 {
			l.t.Errorf("%d turns, %d requests with a token that was refused", turns, requests)
		}
		l.sim.Heal()
		w.set(good)
		w.wantTurns("another token", 2*time.Minute, 1)
		w.wantTurns("quiet again", time.Hour, 0)
	})
}

// TestNoLookBeforeATurnThatIsDue: a turn that could not be made has its own time.
func TestNoLookBeforeATurnThatIsDue(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""))
		agent, stop := l.agent("journal")
		defer stop()
		if why := agent.Look(l.t.Context()); why != "" {
			l.t.Errorf("before the first turn: %s", why)
		}
		l.mustRun(agent)
		l.repo.push("bbbb", "kind: Nonsense\n")
		l.repo.accepted = ""
		if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run}); err == nil {
			l.t.Fatal("no error")
		}
		l.sim.Edit("sean@pve", 4001, map[string]string{"tags": "x"})
		if why := agent.Look(l.t.Context()); why != "" {
			l.t.Errorf("while a turn is due: %s", why)
		}
		l.repo.push("cccc", l.repo.commits["aaaa"])
		l.mustRun(agent)
		if why := agent.Look(l.t.Context()); why != "" {
			l.t.Errorf("after that: %s", why)
		}
	})
}
