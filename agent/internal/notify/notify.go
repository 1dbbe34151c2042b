// Package notify tells people what they should know, by whatever they have set up,
// without ever keeping a turn waiting.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"berth/agent/internal/retryafter"
	"berth/desired"
)

// Version is the version of [Event] as it is sent.
const Version = 1

// Event is something that people should know. No secret is in it.
type Event struct {
	Version int  `json:"version"`
	Kind    Kind `json:"event"`
	// Level is how much it matters. Again tells that people know of it, and that it holds
	// still.
	Level Level `json:"level"`
	Again bool  `json:"again,omitempty"`
	// ID tells one event from another: whoever gets it twice has it already.
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Fleet is its name, Host the agent's own, Turn and Commit are what it was found
	// in.
	Fleet  string `json:"fleet,omitempty"`
	Host   string `json:"host,omitempty"`
	Turn   string `json:"turn,omitempty"`
	Commit string `json:"commit,omitempty"`
	// Title says in a line what happened, Text what to do.
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
	// Items are the resources that it is about, More how many others are not listed.
	Items []Item `json:"items,omitempty"`
	More  int    `json:"more,omitempty"`
}

// Item is a resource that an event is about.
type Item struct {
	ID desired.ID `json:"id,omitempty"`
	// Hosts are those of a playbook, Field the one that it is about; none is all.
	Hosts []string `json:"hosts,omitempty"`
	Field string   `json:"field,omitempty"`
	// Was is what is over, in a recovery.
	Was    Kind   `json:"was,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Since is when it began, where it has lasted.
	Since time.Time `json:"since,omitzero"`

	site string
}

// Target is one place that is told.
type Target interface {
	// Name is what logs call it; it holds no secret.
	Name() string
	// Send makes one attempt. An [*RefusedError] is not tried again.
	Send(ctx context.Context, e Event) error
}

// Gatherer is a target that takes several events as one message, as a chat does.
type Gatherer interface {
	// SendAll makes one attempt for all of them.
	SendAll(ctx context.Context, all []Event) error
}

// LaterError is that a target wants to be asked again, and not before some time.
type LaterError struct {
	After time.Duration
	Err   error
}

// Error is what it answered.
func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap is what it answered.
func (e *LaterError) Unwrap() error { return e.Err }

// RefusedError is that a target took an event for what it never will take.
type RefusedError struct{ Reason string }

// Error is the reason.
func (e *RefusedError) Error() string { return e.Reason }

const (
	// queued is how many events wait for one target; the oldest give way.
	queued = 32
	// attempt bounds one attempt.
	attempt = 10 * time.Second
	// longestPause bounds for how long a target may want to be left alone.
	longestPause = 15 * time.Minute
)

// pauses are those between attempts: after the last one an event is given up.
var pauses = [...]time.Duration{2 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute}

// Notifier hands events to targets. Each has a goroutine of its own: one that hangs
// keeps nobody else waiting.
type Notifier struct {
	boxes []*box
	done  sync.WaitGroup
}

// New makes a notifier, which works until ctx is done. [Notifier.Wait] waits for its
// end.
func New(ctx context.Context, log *slog.Logger, targets ...Target) *Notifier {
	n := &Notifier{}
	for _, target := range targets {
		b := &box{target: target, log: log.With(slog.String("target", target.Name())), ready: make(chan struct{}, 1)}
		n.boxes = append(n.boxes, b)
		n.done.Go(func() { b.work(ctx) })
	}
	return n
}

// Tell hands an event to each target, and comes back at once.
func (n *Notifier) Tell(e Event) {
	e.Version = Version
	for _, b := range n.boxes {
		b.put(e)
	}
}

// put hands events to one target, which takes them as one if it can.
func (n *Notifier) put(target int, all ...Event) { n.boxes[target].put(all...) }

// count has what becomes of messages counted.
func (n *Notifier) count(sent func(target, result string)) {
	for _, b := range n.boxes {
		b.mu.Lock()
		b.sent = sent
		b.mu.Unlock()
	}
}

// Wait returns when all has ended that New began.
func (n *Notifier) Wait() { n.done.Wait() }

// box holds what one target has not been told yet.
type box struct {
	target Target
	log    *slog.Logger
	ready  chan struct{}

	mu     sync.Mutex
	events []Event
	// under are those that are under way.
	under []Event
	sent  func(target, result string)
}

func (b *box) put(all ...Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range all {
		if len(b.events) == queued {
			b.log.Warn("notification dropped: too many wait for this target", slog.String("event", string(b.events[0].Kind)), slog.String("id", b.events[0].ID))
			b.events = b.events[1:]
			b.told("dropped", 1)
		}
		b.events = append(b.events, e)
	}
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// told counts what became of messages; mu is held.
func (b *box) told(result string, n int) {
	for range n {
		if b.sent != nil {
			b.sent(b.target.Name(), result)
		}
	}
}

// failed counts an attempt that is made again.
func (b *box) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told("failed", 1)
}

// take is the next event, or all that wait where the target takes them as one.
func (b *box) take() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.events), 1)
	if _, gathers := gatherer(b.target); gathers {
		n = len(b.events)
	}
	all := b.events[:n:n]
	b.events = b.events[n:]
	b.under = all
	return all
}

// left are the events that the target has not taken.
func (b *box) left() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append(slices.Clone(b.under), b.events...)
}

// settled tells what became of the events under way.
func (b *box) settled(result string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told(result, len(b.under))
	b.under = nil
}

func gatherer(t Target) (Gatherer, bool) {
	if n, is := t.(named); is {
		t = n.Target
	}
	g, gathers := t.(Gatherer)
	return g, gathers
}

func (b *box) work(ctx context.Context) {
	for ctx.Err() == nil {
		if all := b.take(); len(all) > 0 {
			b.deliver(ctx, all)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-b.ready:
		}
	}
}

// deliver tries until the events are taken, refused, or given up.
func (b *box) deliver(ctx context.Context, all []Event) {
	log := b.log.With(slog.String("event", string(all[0].Kind)), slog.String("id", all[0].ID))
	if len(all) > 1 {
		log = log.With(slog.Int("events", len(all)))
	}
	for tries := 0; ctx.Err() == nil; tries++ {
		err := b.try(ctx, all)
		if err == nil {
			log.InfoContext(ctx, "notification sent")
			b.settled("sent")
			return
		}
		if ctx.Err() != nil {
			return
		}
		if _, refused := errors.AsType[*RefusedError](err); refused || tries == len(pauses) {
			log.ErrorContext(ctx, "notification given up", slog.Int("attempts", tries+1), slog.Any("error", err))
			b.settled("given up")
			return
		}
		b.failed()
		after := pauses[tries]
		if later, is := errors.AsType[*LaterError](err); is {
			after = max(after, min(later.After, longestPause))
		}
		log.WarnContext(ctx, "notification not taken, tried again", slog.Duration("in", after), slog.Any("error", err))
		if retryafter.Wait(ctx, after) != nil {
			return
		}
	}
}

func (b *box) try(ctx context.Context, all []Event) error {
	ctx, stop := context.WithTimeout(ctx, attempt)
	defer stop()
	if g, gathers := gatherer(b.target); gathers {
		return g.SendAll(ctx, all)
	}
	return b.target.Send(ctx, all[0])
}
