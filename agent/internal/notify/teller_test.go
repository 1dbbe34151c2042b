package notify_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/notify"
	"berth/desired"
)

// inbox is a target that takes everything.
type inbox struct {
	mu     sync.Mutex
	events []notify.Event
	fails  bool
}

func (i *inbox) Name() string { return "inbox" }

func (i *inbox) Send(ctx context.Context, e notify.Event) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fails {
		<-ctx.Done()
		return ctx.Err()
	}
	i.events = append(i.events, e)
	return nil
}

// lines are what came since they were asked for last.
func (i *inbox) lines() []string {
	synctest.Wait()
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []string
	for _, e := range i.events {
		all = append(all, say(e))
	}
	i.events = nil
	return all
}

type counter struct {
	mu  sync.Mutex
	all map[string]int
}

func (c *counter) count(target, result string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[string]int)
	}
	c.all[target+" "+result]++
}

// alike runs a teller until the returned function ends it.
func alike(t *testing.T, o notify.Options) (*notify.Teller, func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	teller := notify.NewTeller(ctx, o)
	return teller, func() { stop(); teller.Wait() }
}

func TestTellerRemindsAndBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &inbox{}
		var paused atomic.Bool
		began := time.Now() // Midnight.
		teller, end := alike(t, notify.Options{
			Targets: []notify.Subscription{{Name: "in", Target: in, Policy: notify.Policy{Beat: &notify.Beat{Hour: 8, Minute: 30, Zone: time.UTC}}}},
			Host:    "pve-agent", Log: slog.New(slog.DiscardHandler),
			Around: func() []notify.Condition {
				if !paused.Load() {
					return nil
				}
				return []notify.Condition{{Kind: notify.PausedReminder, Reason: "by ann", Since: began.Add(time.Hour)}}
			},
		})
		defer end()
		teller.Tell(failing(map[desired.ID]string{"vm/a": "no"}))
		equal(t, "at once", in.lines(), "failure vm/a")
		<-time.After(time.Hour)
		paused.Store(true)
		<-time.After(3*time.Hour + 59*time.Minute)
		equal(t, "before four hours", in.lines())
		<-time.After(10 * time.Minute)
		equal(t, "after four hours", in.lines(), "paused-reminder ")
		<-time.After(time.Until(began.Add(8*time.Hour + 29*time.Minute + 50*time.Second)))
		equal(t, "before the beat", in.lines())
		<-time.After(20 * time.Second)
		in.mu.Lock()
		e := in.events
		in.mu.Unlock()
		if len(e) != 1 || e[0].Kind != notify.Heartbeat || e[0].Title != "Alive. failure: 1, paused-reminder: 1" || e[0].Host != "pve-agent" || e[0].ID == "" {
			t.Errorf("the beat: %+v", e)
		}
		in.lines()
		paused.Store(false)
		teller.Tell(failing(nil))
		equal(t, "all is well", in.lines(), "recovery  vm/a")
		<-time.After(24 * time.Hour)
		equal(t, "a day later", in.lines(), "heartbeat")
	})
}

// TestRestartRepeatsNothing stops and starts between turns, with a target that took
// nothing meanwhile.
func TestRestartRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "notify.json")
		in, deaf := &inbox{}, &inbox{fails: true}
		o := notify.Options{
			File: file, Log: slog.New(slog.DiscardHandler),
			Targets: []notify.Subscription{{Name: "in", Target: in}, {Name: "deaf", Target: deaf}},
		}
		broken := failing(map[desired.ID]string{"vm/a": "no"})
		teller, end := alike(t, o)
		teller.Tell(broken)
		equal(t, "at first", in.lines(), "failure vm/a")
		end()
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		deaf.fails = false
		teller, end = alike(t, o)
		equal(t, "who had nothing before the stop", deaf.lines(), "failure vm/a")
		teller.Tell(broken)
		equal(t, "after a restart", in.lines())
		equal(t, "after a restart", deaf.lines())
		before, _ := os.ReadFile(file)
		<-time.After(time.Hour)
		teller.Tell(broken)
		synctest.Wait()
		if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
			t.Errorf("a turn with nothing to tell writes\n%s, before it was\n%s", after, before)
		}
		end()
		teller, end = alike(t, o)
		teller.Tell(failing(nil))
		equal(t, "it is over", in.lines(), "recovery vm/a")
		equal(t, "it is over", deaf.lines(), "recovery vm/a")
		end()
		// A target that is new is told what holds.
		o.Targets = append(o.Targets[:1:1], notify.Subscription{Name: "new", Target: deaf})
		teller, end = alike(t, o)
		teller.Tell(failing(map[desired.ID]string{"vm/b": "no"}))
		equal(t, "another", in.lines(), "failure vm/b")
		equal(t, "another", deaf.lines(), "failure vm/b")
		end()
	})
}

func TestDamagedMemoryIsForgottenAndSaid(t *testing.T) {
	for what, damage := range map[string]func(text []byte) []byte{
		"cut":       func(text []byte) []byte { return text[:len(text)/2] },
		"empty":     func([]byte) []byte { return nil },
		"newer":     func(text []byte) []byte { return bytes.Replace(text, []byte(`"version":1`), []byte(`"version":2`), 1) },
		"other":     func([]byte) []byte { return []byte(`{"version":1,"targets":[1]}`) },
		"something": func([]byte) []byte { return []byte("hello") },
	} {
		synctest.Test(t, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "notify.json")
			in := &inbox{}
			var log bytes.Buffer
			o := notify.Options{File: file, Log: slog.New(slog.NewTextHandler(&log, nil)), Targets: []notify.Subscription{{Name: "in", Target: in}}}
			broken := failing(map[desired.ID]string{"vm/a": "no"})
			teller, end := alike(t, o)
			teller.Tell(broken)
			in.lines()
			end()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(text), 0o600); err != nil {
				t.Fatal(err)
			}
			teller, end = alike(t, o)
			teller.Tell(broken)
			equal(t, what, in.lines(), "failure vm/a")
			end()
			if !strings.Contains(log.String(), "what people were told is forgotten, and may be told again") {
				t.Errorf("%s: the log does not say so:\n%s", what, log.String())
			}
			if text, err := os.ReadFile(file); err != nil || !bytes.Contains(text, []byte(`"version":1`)) || !bytes.Contains(text, []byte("vm/a")) {
				t.Errorf("%s: it is not written anew: %s, %v", what, text, err)
			}
		})
	}
}

func TestAMemoryThatCantBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &inbox{}
		var log bytes.Buffer
		teller, end := alike(t, notify.Options{
			File: filepath.Join(t.TempDir(), "none", "notify.json"), Log: slog.New(slog.NewTextHandler(&log, nil)), Targets: []notify.Subscription{{Name: "in", Target: in}},
		})
		teller.Tell(failing(map[desired.ID]string{"vm/a": "no"}))
		teller.Tell(failing(map[desired.ID]string{"vm/a": "no", "vm/b": "no"}))
		got := in.lines()
		end()
		if len(got) != 2 || strings.Count(log.String(), "is not kept") != 1 {
			t.Errorf("told %q, logged\n%s", got, log.String())
		}
	})
}

// TestTellingKeepsNobodyWaiting has a target that hangs for a day of turns: each is told
// at once, and what waits is bounded.
func TestTellingKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counts := &counter{}
		in := &inbox{}
		teller, end := alike(t, notify.Options{
			Targets: []notify.Subscription{{Name: "deaf", Target: &inbox{fails: true}}, {Name: "in", Target: in}},
			Log:     slog.New(slog.DiscardHandler), Sent: counts.count,
		})
		for i := range 200 {
			reasons := map[desired.ID]string{desired.MakeID("vm", strings.Repeat("x", i+1)): "no"}
			before := time.Now()
			teller.Tell(failing(reasons))
			if time.Since(before) != 0 {
				t.Fatal("a turn waits")
			}
			<-time.After(time.Minute)
		}
		if got := in.lines(); len(got) < 200 {
			t.Errorf("the other was told %d times", len(got))
		}
		end()
		counts.mu.Lock()
		defer counts.mu.Unlock()
		if counts.all["in sent"] < 200 || counts.all["deaf dropped"] == 0 || counts.all["deaf failed"] == 0 || counts.all["deaf given up"] == 0 || counts.all["in failed"] > 0 {
			t.Errorf("counted %v", counts.all)
		}
	})
}

// chat takes several events as one.
type chat struct {
	inbox
	batches []int
}

func (c *chat) SendAll(ctx context.Context, all []notify.Event) error {
	c.mu.Lock()
	c.batches = append(c.batches, len(all))
	c.mu.Unlock()
	for _, e := range all {
		if err := c.Send(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func TestOneTurnIsOneMessageToAChat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &chat{}
		teller, end := alike(t, notify.Options{Targets: []notify.Subscription{{Name: "chat", Target: in}}, Log: slog.New(slog.DiscardHandler)})
		defer end()
		teller.Tell(everything())
		if got := in.lines(); len(got) < 5 || !slices.Equal(in.batches, []int{len(got)}) {
			t.Errorf("%d events came as %v", len(got), in.batches)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		late := &target{name: "late", send: func(_ context.Context, _ notify.Event, tries int) error {
			at = append(at, time.Since(began))
			switch tries {
			case 1:
				return &notify.LaterError{After: 5 * time.Minute, Err: errors.New("it answers 429")}
			case 2:
				return &notify.LaterError{After: 24 * time.Hour, Err: errors.New("it answers 429")}
			}
			return nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		n := notify.New(ctx, slog.New(slog.DiscardHandler), late)
		n.Tell(notify.Event{ID: "a"})
		<-time.After(time.Hour)
		stop()
		n.Wait()
		if !slices.Equal(at, []time.Duration{0, 5 * time.Minute, 20 * time.Minute}) {
			t.Errorf("attempts at %v", at)
		}
	})
}
