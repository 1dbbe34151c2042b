package proposals_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/forge"
	"berth/agent/internal/proposals"
	"berth/drift"
	"berth/drift/report"
)

// world is a forge with pull requests, and an agent that plans them.
type world struct {
	mu      sync.Mutex
	pulls   []forge.PullRequest
	base    string
	err     error
	planErr error
	plain   bool
	hang    bool
	plans   []string
	lists   int
	body    map[int]string
	made    map[int]int
	written int
	told    []forge.Status
	report  func(pr string) *report.Report
}

func newWorld() *world {
	return &world{base: strings.Repeat("b", 40), body: make(map[int]string), made: make(map[int]int)}
}

func (w *world) PullRequests(context.Context, string) ([]forge.PullRequest, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists++
	return w.pulls, w.err
}

func (w *world) Comment(_ context.Context, number int, id, marker, body string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return "", w.err
	}
	if !strings.Contains(body, marker) {
		return "", errors.New("the marker is not in it")
	}
	if id == "" {
		w.made[number]++
		id = fmt.Sprint("c", number)
	}
	w.body[number] = body
	w.written++
	return id, nil
}

func (w *world) HTML() bool { return !w.plain }

func (w *world) plan(ctx context.Context, number int, ref string) (*report.Report, error) {
	w.mu.Lock()
	w.plans = append(w.plans, strconv.Itoa(number))
	head, hang := "", w.hang
	for _, pr := range w.pulls {
		if pr.Ref == ref {
			head = pr.Head
		}
	}
	base, err, custom := w.base, w.planErr, w.report
	w.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	rep := &report.Report{Mode: report.Drift, Fleet: "home", Commit: report.Commit{Hash: head}, Plan: &drift.Plan{}}
	if custom != nil {
		rep = custom(head)
	}
	rep.Proposal = &report.Proposal{Onto: report.Commit{Hash: base}, How: "ahead"}
	rep.Summarize()
	return rep, nil
}

func (w *world) set(f func()) { w.mu.Lock(); defer w.mu.Unlock(); f() }

func pull(number int, head string) forge.PullRequest {
	return forge.PullRequest{Number: number, Head: strings.Repeat(head, 40), Base: "main", Ref: fmt.Sprintf("refs/pull/%d/head", number)}
}

func (w *world) start(t *testing.T, file string, edit func(*proposals.Options)) func() {
	t.Helper()
	o := proposals.Options{
		Forge: w, Plan: w.plan, Branch: "main", File: file, Log: slog.New(slog.DiscardHandler),
		Base:  func() string { w.mu.Lock(); defer w.mu.Unlock(); return w.base },
		Fleet: func() string { return "home" },
		Tell:  func(s forge.Status) { w.set(func() { w.told = append(w.told, s) }) },
	}
	if edit != nil {
		edit(&o)
	}
	watcher := proposals.New(o)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); watcher.Run(ctx) }()
	return func() { stop(); <-ended }
}

func (w *world) planned(t *testing.T, what, want string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := strings.Join(w.plans, " "); got != want {
		t.Errorf("%s: planned %q, want %q", what, got, want)
	}
	w.plans = nil
}

// A pull request is planned when its head or the branch moves, and not at each look; its
// comment is one.
func TestPlansFollowWhatMoves(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proposals.json")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.pulls = []forge.PullRequest{pull(7, "1"), pull(8, "2")}
		stop := w.start(t, file, nil)
		pass(10 * time.Minute)
		w.planned(t, "at first", "7 8")
		w.set(func() { w.pulls[0].Head = strings.Repeat("3", 40) })
		pass(10 * time.Minute)
		w.planned(t, "after a push", "7")
		w.set(func() { w.base = strings.Repeat("d", 40) })
		pass(10 * time.Minute)
		w.planned(t, "after the branch has moved", "7 8")
		w.set(func() { w.pulls = w.pulls[1:] })
		pass(10 * time.Minute)
		w.planned(t, "after a merge", "")
		stop()
		stop = w.start(t, file, nil)
		pass(10 * time.Minute)
		stop()
		w.planned(t, "after a restart", "")
		if w.made[7] != 1 || w.made[8] != 1 || w.written != 5 {
			t.Errorf("comments made: %v, written %d times", w.made, w.written)
		}
		if s := w.told[len(w.told)-1]; s.Context != "berth/home/plan" || s.State != forge.Success || s.Description != "no differences" {
			t.Errorf("the status of the head: %+v", s)
		}
		if body := w.body[8]; !strings.Contains(body, "Planned 2222222 onto ddddddd (main) at 2000-01-01 00:2") {
			t.Errorf("the comment says\n%s", body)
		}
	})
}

// Where the repository has moved to another forge, the id of a comment there is that of
// somebody else's comment here.
func TestCommentsOfAnotherPlaceAreForgotten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proposals.json")
	synctest.Test(t, func(t *testing.T) {
		at := func(place string) *world {
			w := newWorld()
			w.pulls = []forge.PullRequest{pull(7, "1")}
			stop := w.start(t, file, func(o *proposals.Options) { o.Place = place })
			pass(10 * time.Minute)
			stop()
			return w
		}
		at("").planned(t, "at first", "7")
		at("gitea https://old.example home/fleet").planned(t, "after an upgrade", "")
		there := at("gitea https://new.example home/fleet")
		there.planned(t, "elsewhere", "7")
		if there.made[7] != 1 || there.written != 1 {
			t.Errorf("elsewhere %d comments are made, and %d written", there.made[7], there.written)
		}
	})
}

func TestDraftsAndForksOnlyAsConfigured(t *testing.T) {
	draft, fork, both, nowhere := pull(1, "1"), pull(2, "2"), pull(3, "3"), pull(4, "4")
	draft.Draft, fork.Fork, both.Draft, both.Fork, nowhere.Ref = true, true, true, true, ""
	for _, row := range []struct {
		drafts, forks bool
		want          string
	}{{false, false, "5"}, {true, false, "1 5"}, {false, true, "2 5"}, {true, true, "1 2 3 5"}} {
		file := filepath.Join(t.TempDir(), "proposals.json")
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.pulls = []forge.PullRequest{draft, fork, both, nowhere, pull(5, "5")}
			stop := w.start(t, file, func(o *proposals.Options) { o.Drafts, o.Forks = row.drafts, row.forks })
			pass(5 * time.Minute)
			stop()
			w.planned(t, fmt.Sprintf("%+v", row), row.want)
		})
	}
}

// No more than so many are planned at each look; the others say meanwhile that they are
// of an earlier base.
func TestManyArePlannedInTurn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proposals.json")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := 1; i <= 7; i++ {
			w.pulls = append(w.pulls, pull(i, strconv.Itoa(i)))
		}
		stop := w.start(t, file, func(o *proposals.Options) { o.Most = 3 })
		pass(30 * time.Second)
		w.planned(t, "the first look", "1 2 3")
		pass(5 * time.Minute)
		w.planned(t, "the next", "4 5 6 7")
		w.set(func() { w.base = strings.Repeat("d", 40) })
		pass(time.Minute + 30*time.Second)
		stop()
		if body := w.body[7]; !strings.HasPrefix(body, "**Stale:** main is at ddddddd by now") {
			t.Errorf("the last says\n%s", body)
		}
		if body := w.body[1]; strings.Contains(body, "Stale") {
			t.Errorf("the first says\n%s", body)
		}
	})
}

// A forge that is down is asked less and less, and what can't be planned keeps nothing
// else from it.
func TestForgeThatIsDown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proposals.json")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.err = &forge.Error{Forge: "x", Status: 500}
		w.pulls = []forge.PullRequest{pull(7, "1")}
		stop := w.start(t, file, nil)
		pass(time.Hour)
		if w.lists > 8 {
			t.Errorf("it was asked %d times in an hour", w.lists)
		}
		w.set(func() { w.err = nil })
		pass(20 * time.Minute)
		w.planned(t, "when it is back", "7")
		w.set(func() { w.planErr = errors.New("no such ref"); w.pulls = append(w.pulls, pull(8, "2")) })
		pass(3 * time.Minute)
		w.set(func() { w.planErr = nil })
		pass(20 * time.Minute)
		stop()
		if !strings.Contains(w.body[8], "Planned 2222222") {
			t.Error("what could not be planned was not tried again")
		}
	})
}

// A plan that takes the agent down with it is not tried at each start.
func TestPlanThatEndsTheAgentIsNotTriedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proposals.json")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.pulls = []forge.PullRequest{pull(7, "1"), pull(8, "2")}
		w.hang = true
		stop := w.start(t, file, nil)
		pass(time.Minute)
		during, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		w.planned(t, "before", "7")
		w.hang = false
		stop = w.start(t, file, nil)
		pass(5 * time.Minute)
		stop()
		w.planned(t, "after an orderly end", "7 8")
		// As if it had been killed.
		if err := os.WriteFile(file, during, 0o600); err != nil {
			t.Fatal(err)
		}
		stop = w.start(t, file, nil)
		pass(5 * time.Minute)
		w.planned(t, "afterwards", "8")
		w.set(func() { w.pulls[0].Head = strings.Repeat("3", 40) })
		pass(5 * time.Minute)
		stop()
		w.planned(t, "once it is another", "7")
	})
}

// What would be lost stands first, and foreign words mean nothing to the forge.
func TestComment(t *testing.T) {
	evil := "x](http://evil) <script>alert(1)</script> @everyone ``` #1 | -->\n# Big ![i](http://evil/i.png)"
	changes := []drift.Change{
		{Key: drift.Key{ID: "vm/old", Step: drift.Stop}, Reason: "gone from Git"},
		{Key: drift.Key{ID: "vm/old", Step: drift.Archive}, Reason: evil},
		{Key: drift.Key{ID: "vm/db", Step: drift.Reboot}, Reason: evil},
		{Key: drift.Key{ID: "vm/keep", Step: drift.Delete}, Held: evil},
		{Key: drift.Key{ID: "vm/web", Step: drift.Online}, Fields: []drift.Field{{Path: "description", Before: drift.Value{Text: evil}, After: drift.Value{Text: "s3cr3t", Secret: true}}}},
	}
	for _, plain := range []bool{false, true} {
		w := commented(t, plain, func(head string) *report.Report {
			return &report.Report{Mode: report.Drift, Fleet: "home", Commit: report.Commit{Hash: head, Subject: evil}, Plan: &drift.Plan{Changes: changes}}
		})
		body := w.body[7]
		head, _, _ := strings.Cut(body, "Planned 1111111")
		for _, want := range []string{"archive", "vm", "old", "reboot", "db", "1 held"} {
			if !strings.Contains(head, want) {
				t.Errorf("the heading lacks %q:\n%s", want, head)
			}
		}
		if strings.Contains(head, "delete") || strings.Contains(body, "s3cr3t") {
			t.Errorf("what is held, or secret, is in it:\n%s", body)
		}
		if plain {
			if n := strings.Count(body, "\n````"); n != 2 {
				t.Errorf("%d fences that nothing inside can end:\n%s", n, body)
			}
			continue
		}
		for _, bad := range []string{"<script", "](http", "@everyone", "```", "\n# Big", "![i"} {
			if strings.Contains(body, bad) {
				t.Errorf("%q has come through:\n%s", bad, body)
			}
		}
	}
}

// A comment is no longer than forges take.
func TestLongCommentIsCut(t *testing.T) {
	for _, plain := range []bool{false, true} {
		w := commented(t, plain, func(head string) *report.Report {
			rep := &report.Report{Mode: report.Drift, Commit: report.Commit{Hash: head}, Refused: &report.Refusal{Commit: report.Commit{Hash: head}}, Plan: &drift.Plan{}}
			for i := range 300 {
				rep.Refused.Problems = append(rep.Refused.Problems, fmt.Sprintf("fleet.yaml:%d:1: %s", i, strings.Repeat("much is wrong here ", 300)))
			}
			return rep
		})
		most := 60_000
		if plain {
			most = 30_000
		}
		if body := w.body[7]; len(body) > most || !strings.Contains(body, "more lines: `agent drift --commit 1111111` shows them") || !strings.HasPrefix(body, w.markerOf()) {
			t.Errorf("%d bytes, the end %q", len(body), body[max(0, len(body)-200):])
		}
	}
}

// commented has one pull request planned, with this report.
func commented(t *testing.T, plain bool, rep func(head string) *report.Report) *world {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proposals.json")
	w := newWorld()
	w.plain, w.report = plain, rep
	w.pulls = []forge.PullRequest{pull(7, "1")}
	synctest.Test(t, func(t *testing.T) {
		stop := w.start(t, file, nil)
		pass(time.Minute)
		stop()
	})
	return w
}

func (w *world) markerOf() string {
	if w.plain {
		return "[//]: # (berth plan home)"
	}
	return "<!-- berth plan home -->"
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
