package forge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/checkout"
	"berth/agent/internal/forge"
	"berth/agent/internal/turn"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// board is a forge that takes statuses, or fails, or hangs.
type board struct {
	mu    sync.Mutex
	got   []string
	err   error
	hangs bool
	asked int
}

func (b *board) SetStatus(ctx context.Context, s forge.Status) error {
	b.mu.Lock()
	b.asked++
	err, hangs := b.err, b.hangs
	b.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, fmt.Sprintf("%s %s %s", s.Commit, s.State, s.Description))
	return nil
}

func (b *board) set(err error) { b.mu.Lock(); defer b.mu.Unlock(); b.err = err }

func (b *board) wants(t *testing.T, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.Join(b.got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the forge was told\n%s\nwant\n%s", strings.Join(b.got, "\n"), strings.Join(want, "\n"))
	}
}

func status(commit string, state forge.State, words string) forge.Status {
	return forge.Status{Commit: commit, Context: "berth/home", State: state, Description: words}
}

func watching(t *testing.T, b *board, file string) (*forge.Statuses, func()) {
	t.Helper()
	s := forge.NewStatuses(b, file, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	return s, func() { stop(); <-ended }
}

// A commit is told once how it fares, anew when that changes, and not again after a
// restart.
func TestStatusesAreToldOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "forge.json")
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		s, stop := watching(t, b, file)
		say := func(f func(forge.Status), one forge.Status) { f(one); synctest.Wait() }
		say(s.TellFirst, status("a", forge.Pending, "1 to create"))
		say(s.Tell, status("a", forge.Success, "1 created"))
		for range 5 {
			say(s.Tell, status("a", forge.Success, "no differences"))
			say(s.TellFirst, status("a", forge.Pending, "1 to change"))
		}
		say(s.Tell, status("a", forge.Failure, "1 failed"))
		say(s.Tell, status("a", forge.Failure, "1 failed"))
		say(s.Tell, status("a", forge.Success, "no differences"))
		want := []string{"a pending 1 to create", "a success 1 created", "a failure 1 failed", "a success no differences"}
		b.wants(t, want...)
		stop()
		s, stop = watching(t, b, file)
		say(s.Tell, status("a", forge.Success, "no differences"))
		say(s.TellFirst, status("a", forge.Pending, "1 to change"))
		b.wants(t, want...)
		say(s.Tell, status("b", forge.Success, "no differences"))
		b.wants(t, append(want, "b success no differences")...)
		// Words that change for ever are not told for ever.
		for i := range 100 {
			say(s.Tell, status("c", forge.Failure, fmt.Sprintf("attempt %d", i)))
		}
		if n := len(b.got); n > 30 {
			t.Errorf("the forge was told %d times", n)
		}
		stop()
	})
}

// A forge that is down or hangs holds nobody up, and is told the newest in the end.
func TestStatusesOutlastTheForge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "forge.json")
	synctest.Test(t, func(t *testing.T) {
		b := &board{err: &forge.Error{Forge: "x", Status: 500}}
		s, stop := watching(t, b, file)
		for i := range 1000 {
			began := time.Now()
			s.Tell(status("a", forge.Pending, strconv.Itoa(i)))
			if i%2 == 1 {
				s.Tell(status("a", forge.Failure, strconv.Itoa(i)))
			}
			s.Tell(status(fmt.Sprintf("old-%d", i), forge.Success, ""))
			if time.Since(began) != 0 {
				t.Fatal("whoever tells waits")
			}
		}
		s.Tell(status("a", forge.Success, "done"))
		pass(time.Hour)
		if b.asked > 20 {
			t.Errorf("a forge that is down was asked %d times in an hour", b.asked)
		}
		b.set(nil)
		pass(time.Hour)
		synctest.Wait()
		if len(b.got) > 32 || !slices.Contains(b.got, "a success done") || strings.Contains(strings.Join(b.got, " "), "a pending") {
			t.Errorf("%d were told: %q", len(b.got), b.got)
		}
		b.set(&forge.Error{Forge: "x", Status: 429, RetryAfter: time.Hour})
		asked := b.asked
		s.Tell(status("b", forge.Success, "done"))
		pass(59 * time.Minute)
		if b.asked-asked != 1 {
			t.Errorf("it asked to be left alone, and was asked %d times", b.asked-asked)
		}
		stop()
		b.set(nil)
		b.mu.Lock()
		b.hangs = true
		b.mu.Unlock()
		s, stop = watching(t, b, file)
		s.Tell(status("d", forge.Success, "done"))
		synctest.Wait()
		s.Tell(status("d", forge.Failure, "no"))
		stop() // It ends all the same.
	})
}

// What a forge refuses for good is let go of.
func TestStatusThatIsRefusedIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{err: &forge.Error{Forge: "x", Status: 422, Message: "No commit found for SHA"}}
		s, stop := watching(t, b, filepath.Join(t.TempDir(), "forge.json"))
		defer stop()
		s.Tell(status("a", forge.Success, ""))
		pass(time.Hour)
		if b.asked != 1 {
			t.Errorf("asked %d times", b.asked)
		}
	})
}

// A file that can't be understood costs one telling more, and nothing else.
func TestStatusesFileIsDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "forge.json")
	for _, text := range []string{"{", `{"version": 99}`, "", `{"version": 1, "statuses": null}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			b := &board{}
			s, stop := watching(t, b, file)
			defer stop()
			s.Tell(status("a", forge.Success, "x"))
			synctest.Wait()
			b.wants(t, "a success x")
		})
	}
}

func TestVerdicts(t *testing.T) {
	commit, bad := report.Commit{Hash: "c1"}, report.Commit{Hash: "c2"}
	change := drift.Change{Key: drift.Key{ID: "ct/web", Step: drift.Create}}
	held := change
	held.Held = "the limit is reached"
	problems := desired.Problems{{Text: "ct/web: memory is missing"}}
	rep := func(edit func(*report.Report)) *report.Report {
		r := &report.Report{Mode: report.Run, Fleet: "home", Commit: commit, Plan: &drift.Plan{}}
		edit(r)
		r.Summarize()
		return r
	}
	for _, row := range []struct {
		name string
		rep  *report.Report
		err  error
		want string
	}{
		{"nothing to do", rep(func(*report.Report) {}), nil, "c1 berth/home success no differences"},
		{"done", rep(func(r *report.Report) {
			r.Plan.Changes = []drift.Change{change}
			r.Outcomes = []drift.Outcome{{Key: change.Key, Status: drift.Done}}
		}), nil, "c1 berth/home success 1 created"},
		{"failed", rep(func(r *report.Report) {
			r.Plan.Changes = []drift.Change{change}
			r.Outcomes = []drift.Outcome{{Key: change.Key, Status: drift.Failed, Reason: "the storage is full"}}
		}), nil, "c1 berth/home failure 1 failed: ct/web: the storage is full"},
		{"held", rep(func(r *report.Report) { r.Plan.Changes = []drift.Change{held} }), nil, "c1 berth/home pending 1 held: ct/web: the limit is reached"},
		{"unknown", rep(func(r *report.Report) { r.Plan.Blind = []drift.Blind{{Site: "home", Reason: "401"}} }), nil, "c1 berth/home pending 1 unknown: site/home is unknown: 401"},
		{"refused", rep(func(r *report.Report) { r.Refused = &report.Refusal{Commit: bad, Reason: "it is not signed"} }), nil, "c1 berth/home success no differences to the last good commit; c2 berth/home failure it is not signed"},
		{"does not load", rep(func(r *report.Report) {
			r.Refused = &report.Refusal{Commit: bad, Reason: "it does not load", Problems: []string{"fleet.yaml:3:1: x", "fleet.yaml:4:1: y"}}
		}), nil, "c1 berth/home success no differences to the last good commit; c2 berth/home failure fleet.yaml:3:1: x (and 1 more)"},
		{"the repository is away", rep(func(r *report.Report) { r.Refused = &report.Refusal{Reason: "unreachable"} }), nil, "c1 berth/home success no differences to the last good commit"},
		{"the first does not load", nil, &turn.RefusedError{Commit: checkout.Commit{Hash: "c2"}, Err: problems}, "c2 berth failure ct/web: memory is missing"},
		{"no turn", nil, errors.New("the disk is full"), ""},
	} {
		fleet := ""
		var all []string
		for _, s := range forge.Verdicts(fleet, row.rep, row.err, nil) {
			all = append(all, fmt.Sprintf("%s %s %s %s", s.Commit, s.Context, s.State, s.Description))
		}
		if got := strings.Join(all, "; "); got != row.want {
			t.Errorf("%s: %s\nwant %s", row.name, got, row.want)
		}
	}
}

// What has failed and waits to be tried again has not come right: the commit that failed
// does not become one that is only held.
func TestVerdictWhileItWaitsToBeTriedAgain(t *testing.T) {
	run := drift.Key{ID: "play/base", Step: drift.Run}
	rep := &report.Report{Mode: report.Run, Fleet: "home", Commit: report.Commit{Hash: "c1"}, Plan: &drift.Plan{Changes: []drift.Change{
		{Key: run, Held: "tried again at 12:01", Fields: []drift.Field{{Path: "hosts.web-1", Held: "tried again at 12:01"}}},
	}}}
	rep.Summarize()
	all := forge.Verdicts("", rep, nil, []turn.Wait{{ID: run.ID, Path: "hosts.web-1", Reason: "task a: boom"}})
	want := forge.Status{Commit: "c1", Context: "berth/home", State: forge.Failure, Description: "1 held: play/base on web-1: task a: boom"}
	if len(all) != 1 || all[0] != want {
		t.Errorf("%+v, want %+v", all, want)
	}
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// A forge that is away gives another error each time, by the port that it was asked from:
// the log tells of it all the same once an hour, and when it is over.
func TestForgeThatIsAwayDoesNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written bytes.Buffer
		var back atomic.Bool
		var port atomic.Int64
		away := setter(func() error {
			if back.Load() {
				return nil
			}
			return &forge.Error{Forge: "x", Message: fmt.Sprintf("read tcp 192.0.2.1:%d: connection reset", port.Add(1))}
		})
		s := forge.NewStatuses(away, filepath.Join(t.TempDir(), "forge.json"), slog.New(slog.NewTextHandler(&written, nil)))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.Run(ctx)
		s.Tell(status("a", forge.Success, ""))
		pass(2*time.Hour + 30*time.Minute)
		if lines := strings.Count(written.String(), "\n"); lines != 3 || port.Load() < 10 {
			t.Errorf("%d attempts wrote %d lines:\n%s", port.Load(), lines, written.String())
		}
		back.Store(true)
		pass(time.Hour)
		if !strings.Contains(written.String(), "the forge takes the status of commits again") {
			t.Errorf("nobody says that it is over:\n%s", written.String())
		}
	})
}

// setter is a forge that is told of any status.
type setter func() error

func (s setter) SetStatus(context.Context, forge.Status) error { return s() }
