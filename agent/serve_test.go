package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"berth/agent/internal/config"
	"berth/agent/internal/journal"
	"berth/agent/internal/lock"
	"berth/agent/internal/notify"
	"berth/agent/internal/pause"
	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift"
	"berth/drift/report"
)

const (
	testPassphrase = "correct horse battery staple"
	waitsFor       = "waiting for unlock: run `agent unlock` on the agent's host"
)

// locked is a service with a lock, whose turns are the test's.
type locked struct {
	*service
	log   syncWriter
	turns atomic.Int32
	whys  sync.Map
	// hold, if set, is what turns wait for.
	hold chan struct{}
	told chan notify.Event
}

func newLocked(t *testing.T) *locked {
	t.Helper()
	l := &locked{told: make(chan notify.Event, 100)}
	settings := &config.Settings{State: t.TempDir()}
	writeIdentity(t, filepath.Join(settings.State, "lock"))
	keep, err := newSecrets(streams{Env: func(string) string { return "" }}, settings)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&l.log, nil))
	entries, err := journal.Open(journal.Options{Dir: filepath.Join(settings.State, "journal"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { entries.Close() })
	l.service = newService(&wiring{settings: settings, keeping: keep, log: log, journal: entries})
	l.loop = trigger.New(trigger.Work{
		Turn: func(_ context.Context, req turn.Request) (*report.Report, error) {
			l.turns.Add(1)
			l.whys.Store(req.Why, true)
			l.audience.Began(req)
			if l.hold != nil {
				<-l.hold
			}
			rep := &report.Report{Mode: req.Mode, Plan: &drift.Plan{}}
			if l.lock.State().String() == "locked" {
				rep.Plan.Changes = []drift.Change{{Key: drift.Key{ID: "play/base", Step: drift.Run}, Fields: []drift.Field{{Path: "hosts.web-1", Held: waitsFor}}}}
			}
			l.audience.Ended(req, rep, nil, nil)
			return rep, nil
		},
		Tip: func(context.Context) (string, error) { return "", nil }, Poll: time.Hour, Sweep: time.Hour, Log: log,
	})
	ctx, stop := context.WithCancel(t.Context())
	l.teller = notify.NewTeller(ctx, notify.Options{Targets: []notify.Subscription{{Name: "test", Target: l}}, Log: log})
	l.audience = audience{&l.standing, telling{l.teller}}
	ended := make(chan struct{})
	go func() { defer close(ended); l.loop.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended; l.teller.Wait() })
	return l
}

// writeIdentity makes an identity whose passphrase costs little to try.
func writeIdentity(t *testing.T, dir string) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := age.NewScryptRecipient(testPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(10)
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	plain, err := age.Encrypt(armored, recipient)
	if err != nil {
		t.Fatal(err)
	}
	_, err = plain.Write([]byte(identity.String() + "\n"))
	if err := errors.Join(err, plain.Close(), armored.Close(), os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, lock.IdentityFile), sealed.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Name makes the service's world the one who is told.
func (l *locked) Name() string { return "test" }

// Send takes an event.
func (l *locked) Send(_ context.Context, e notify.Event) error { l.told <- e; return nil }

// syncWriter lets many write.
type syncWriter struct {
	mu sync.Mutex
	w  bytes.Buffer
}

func (s *syncWriter) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.String()
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// eventually waits for what happens in another goroutine.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// TestManyUnlockAtOnce has twenty people type the right passphrase: one is told what
// it lets go on, and one turn is made for it.
func TestManyUnlockAtOnce(t *testing.T) {
	l := newLocked(t)
	eventually(t, "the first turn", func() bool { return len(l.status().Waiting) == 1 })
	var all sync.WaitGroup
	var first, already atomic.Int32
	for range 20 {
		all.Go(func() {
			typed := []byte(testPassphrase)
			out, err := l.unlock(t.Context(), typed)
			switch {
			case err != nil:
				t.Error(err)
			case out.Already:
				already.Add(1)
			default:
				first.Add(1)
				if len(out.Waiting) != 1 || out.Waiting[0].String() != "play/base on web-1" {
					t.Errorf("it lets %v go on", out.Waiting)
				}
			}
			if strings.Trim(string(typed), "\x00") != "" {
				t.Error("the passphrase is not wiped")
			}
		})
	}
	all.Wait()
	eventually(t, "the turn for it", func() bool { _, ok := l.whys.Load("unlocked"); return ok && l.status().Now == nil })
	if first.Load() != 1 || already.Load() != 19 || l.turns.Load() != 2 {
		t.Errorf("%d unlocked, %d found it so, %d turns", first.Load(), already.Load(), l.turns.Load())
	}
	if status := l.status(); status.Lock.State != web.LockUnlocked || len(status.Waiting) > 0 {
		t.Errorf("afterwards: %+v", status)
	}
	if strings.Contains(l.log.String(), "horse") {
		t.Errorf("the log tells:\n%s", l.log.String())
	}
}

// TestNothingIsLoggedOfPassphrases tries a wrong one, and what somebody gives up on
// while it waits for its turn.
func TestNothingIsLoggedOfPassphrases(t *testing.T) {
	l := newLocked(t)
	eventually(t, "the first turn", func() bool { return l.turns.Load() == 1 && l.status().Now == nil })
	eventually(t, "who should know has been told", func() bool { return strings.Contains(l.log.String(), "notification sent") })
	before := l.log.String()
	_, err := l.unlock(t.Context(), []byte("wrong "+testPassphrase))
	if _, wrong := errors.AsType[*lock.WrongPassphraseError](err); !wrong {
		t.Errorf("a wrong one: %v", err)
	}
	given, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := l.unlock(given, []byte(testPassphrase)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
	if after := l.log.String(); after != before {
		t.Errorf("it is logged:\n%s", strings.TrimPrefix(after, before))
	}
}

// TestLockLetsATurnEnd locks while a turn is under way, which ends; status and the
// lock do not wait for it.
func TestLockLetsATurnEnd(t *testing.T) {
	l := newLocked(t)
	eventually(t, "the first turn", func() bool { return l.turns.Load() == 1 && l.status().Now == nil })
	if _, err := l.unlock(t.Context(), []byte(testPassphrase)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the turn for it", func() bool { return l.turns.Load() == 2 && l.status().Now == nil })
	l.hold = make(chan struct{})
	l.loop.Start("commit")
	eventually(t, "a turn under way", func() bool { return l.status().Now != nil })
	out, err := l.relock(t.Context())
	if err != nil || !out.Busy || out.Already {
		t.Errorf("lock: %+v, %v", out, err)
	}
	if status := l.status(); status.Lock.State != web.LockLocked || status.Now == nil || status.Now.Why != "commit" {
		t.Errorf("while it is under way: %+v", status)
	}
	close(l.hold)
	eventually(t, "its end", func() bool { return l.status().Now == nil })
	if out, err := l.relock(t.Context()); err != nil || !out.Already {
		t.Errorf("lock again: %+v, %v", out, err)
	}
}

// TestWaitingIsToldOnce has turns wait again and again: people are told once, and
// anew after an unlock.
func TestWaitingIsToldOnce(t *testing.T) {
	l := newLocked(t)
	for i := range int32(5) {
		l.loop.Start("signal")
		eventually(t, "turns", func() bool { return l.turns.Load() >= i+1 && l.status().Now == nil })
	}
	e := <-l.told
	if e.Kind != notify.WaitingForUnlock || e.Version != 1 || len(e.ID) != 32 || len(e.Items) != 1 || e.Items[0].Hosts[0] != "web-1" || !strings.Contains(e.Text, "agent unlock") {
		t.Errorf("told: %+v", e)
	}
	if _, err := l.unlock(t.Context(), []byte(testPassphrase)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the turn for it", func() bool { _, ok := l.whys.Load("unlocked"); return ok && l.status().Now == nil })
	over := <-l.told
	if over.Kind != notify.Recovery || len(over.Items) != 1 || over.Items[0].ID != "play/base" || over.Items[0].Was != notify.WaitingForUnlock {
		t.Errorf("afterwards people are told %+v", over)
	}
	if len(l.told) != 0 {
		t.Errorf("told %d times more", len(l.told))
	}
	if _, err := l.relock(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.loop.Start("sweep")
	select {
	case again := <-l.told:
		if again.ID == e.ID {
			t.Error("another event has the same id")
		}
	case <-time.After(10 * time.Second):
		t.Error("after it was unlocked, people are told anew")
	}
}

// TestLockedSince tells since when the agent is locked: since its start, or, where the
// identity was made later, since then.
func TestLockedSince(t *testing.T) {
	l := newLocked(t)
	l.rest = pause.Open(l.settings.State, nil)
	began := time.Now().Add(-time.Hour).Truncate(time.Second)
	l.standing.Set(func(status *web.Status) { status.Lock.Since = began })
	for what, c := range map[string]struct{ made, want time.Time }{
		"made before the start": {began.Add(-time.Minute), began},
		"made after the start":  {began.Add(time.Minute), began.Add(time.Minute)},
	} {
		if err := os.Chtimes(l.lock.IdentityPath(), c.made, c.made); err != nil {
			t.Fatal(err)
		}
		if got := l.status().Lock; got.State != web.LockLocked || !got.Since.Equal(c.want) {
			t.Errorf("%s: %s since %v, want %v", what, got.State, got.Since, c.want)
		}
	}
	if err := l.lock.Unlock(t.Context(), []byte(testPassphrase)); err != nil {
		t.Fatal(err)
	}
	if got := l.status().Lock; got.State != web.LockUnlocked || !got.Since.Equal(began) {
		t.Errorf("unlocked: %s since %v, want %v", got.State, got.Since, began)
	}
}
