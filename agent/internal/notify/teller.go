package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"berth/agent/internal/durable"
	"berth/agent/internal/trouble"
)

// Subscription is a target and what it is to be told of.
type Subscription struct {
	// Name is what logs, commands and the memory call it. It is one of a kind.
	Name   string
	Target Target
	Policy Policy
}

// Options make a [Teller].
type Options struct {
	Targets []Subscription
	// File remembers what people were told, for the next start; "" is nowhere.
	File string
	// Host is the agent's own.
	Host string
	// Around tells what holds around turns, as a pause does; nil is nothing. It is asked
	// after each turn and every few minutes.
	Around func() []Condition
	// Sent counts what became of messages: "sent", "failed" (and is tried again), "given
	// up" or "dropped"; nil counts nothing.
	Sent func(target, result string)
	Log  *slog.Logger
}

const (
	// looks is how many turns wait to be told; the oldest give way.
	looks = 64
	// ticks is how often it is looked whether something is due although no turn ended.
	ticks = 5 * time.Minute
	// stale is how old a message may be that nobody has taken before the agent stopped.
	stale = 24 * time.Hour
)

// Teller tells people what they should know of turns. It keeps none waiting.
type Teller struct {
	o        Options
	notifier *Notifier
	done     sync.WaitGroup
	ready    chan struct{}

	mu   sync.Mutex
	seen []Seen

	// What follows is its own goroutine's alone.
	told    map[string]Told
	last    *Seen
	written []byte
	unkept  trouble.Ongoing
}

// NewTeller makes a teller, which works until ctx is done. [Teller.Wait] waits for its
// end.
func NewTeller(ctx context.Context, o Options) *Teller {
	t := &Teller{o: o, ready: make(chan struct{}, 1), told: make(map[string]Told)}
	if len(o.Targets) == 0 {
		return t
	}
	var targets []Target
	for _, s := range o.Targets {
		targets = append(targets, named{s.Target, s.Name})
	}
	t.notifier = New(ctx, o.Log, targets...)
	t.notifier.count(t.sent)
	t.remember(ctx)
	t.done.Go(func() { t.work(ctx) })
	return t
}

// named is a target by the name that people gave it.
type named struct {
	Target
	name string
}

func (n named) Name() string { return n.name }

// remember reads what was told before the last stop. Of targets that are no more nothing
// is kept.
func (t *Teller) remember(ctx context.Context) {
	if t.o.File == "" {
		return
	}
	k, err := recall(t.o.File)
	if err != nil {
		t.o.Log.WarnContext(ctx, "what people were told is forgotten, and may be told again", slog.Any("error", err))
		return
	}
	t.written, _ = k.text()
	for i, s := range t.o.Targets {
		if told, is := k.Targets[s.Name]; is {
			t.told[s.Name] = told
		}
		for _, e := range k.Waiting[s.Name] {
			// What is older is no news, and is told again if it holds still.
			if time.Since(e.At) < stale {
				t.notifier.put(i, e)
			}
		}
	}
}

// Tell takes what came of a turn, and comes back at once.
func (t *Teller) Tell(l Look) {
	if t.notifier == nil {
		return
	}
	s := See(l)
	s.at = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) == looks {
		t.o.Log.Warn("a turn is not told: too many wait", slog.String("turn", t.seen[0].Turn))
		t.seen = t.seen[1:]
	}
	t.seen = append(t.seen, s)
	t.wake()
}

func (t *Teller) wake() {
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

// sent counts what became of a message, and has it kept that none waits any more.
func (t *Teller) sent(target, result string) {
	if t.o.Sent != nil {
		t.o.Sent(target, result)
	}
	t.wake()
}

// Wait returns when all has ended that NewTeller began.
func (t *Teller) Wait() {
	t.done.Wait()
	if t.notifier != nil {
		t.notifier.Wait()
	}
}

func (t *Teller) work(ctx context.Context) {
	defer t.end(ctx)
	for ctx.Err() == nil {
		timer := time.NewTimer(t.pause(time.Now()))
		select {
		case <-ctx.Done():
		case <-t.ready:
			for _, s := range t.take() {
				t.tell(ctx, s)
			}
			t.keep(ctx)
		case <-timer.C:
			s := Between()
			s.at = time.Now()
			t.tell(ctx, s)
		}
		timer.Stop()
	}
}

// end tells nobody any more, and keeps what nobody has taken.
func (t *Teller) end(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	t.notifier.Wait()
	for _, s := range t.take() {
		t.tell(ctx, s)
	}
	t.keep(ctx)
}

func (t *Teller) take() []Seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.seen
	t.seen = nil
	return all
}

// pause is how long nothing is due but what turns bring.
func (t *Teller) pause(now time.Time) time.Duration {
	pause := ticks
	for _, s := range t.o.Targets {
		if b, told := s.Policy.Beat, t.told[s.Name]; b != nil && !told.Beat.IsZero() {
			pause = min(pause, max(b.After(told.Beat).Sub(now), time.Second))
		}
	}
	return pause
}

// tell tells each target what it wants to know of what was seen.
func (t *Teller) tell(ctx context.Context, s Seen) {
	s.Host = t.o.Host
	if t.o.Around != nil {
		s.Around(t.o.Around())
	}
	switch {
	case s.none || s.part:
		s.last = t.last
	default:
		look := s
		t.last = &look
	}
	for i, sub := range t.o.Targets {
		events, told := Next(t.told[sub.Name], &s, sub.Policy, time.Now())
		t.told[sub.Name] = told
		for i := range events {
			events[i].ID = eventID()
		}
		t.notifier.put(i, events...)
	}
	t.keep(ctx)
}

// keep writes what was told, if that is something new.
func (t *Teller) keep(ctx context.Context) {
	if t.o.File == "" {
		return
	}
	k := kept{Targets: t.told}
	for i, s := range t.o.Targets {
		if left := t.notifier.boxes[i].left(); len(left) > 0 {
			if k.Waiting == nil {
				k.Waiting = make(map[string][]Event)
			}
			k.Waiting[s.Name] = left
		}
	}
	now, err := k.text()
	if err == nil && bytes.Equal(now, t.written) {
		return
	}
	if err == nil {
		err = durable.Replace(t.o.File, now, 0o600)
	}
	if err == nil {
		t.written = now
		t.unkept.Over()
		return
	}
	if _, due := t.unkept.Due(time.Now(), err.Error()); due {
		t.o.Log.WarnContext(ctx, "what people were told is not kept, and may be told again after a restart", slog.Any("error", err))
	}
}

// eventID is one of a kind.
func eventID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // It never fails.
	return hex.EncodeToString(id)
}

// Try sends one message to a target by hand, once.
func Try(ctx context.Context, target Target, host string, now time.Time) error {
	ctx, stop := context.WithTimeout(ctx, attempt)
	defer stop()
	return target.Send(ctx, Event{
		Version: Version, Kind: Test, Level: Test.level(), ID: eventID(), At: now.UTC(), Host: host,
		Title: "Test of notifications", Text: advice[Test],
	})
}
