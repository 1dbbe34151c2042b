// Package notify tells people what they should know, by whatever they have set up,
// without ever keeping a turn waiting.
package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"berth/desired"
)

// Version is the version of [Event] as it is sent.
const Version = 1

// Kind is what an event is about.
type Kind string

// WaitingForUnlock is that something is due and needs a secret that nobody can read
// before somebody has unlocked the agent.
const WaitingForUnlock Kind = "waiting-for-unlock"

// Event is something that people should know. No secret is in it.
type Event struct {
	Version int  `json:"version"`
	Kind    Kind `json:"event"`
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
	// Items are the resources that it is about.
	Items []Item `json:"items,omitempty"`
}

// Item is a resource that an event is about.
type Item struct {
	ID     desired.ID `json:"id"`
	Hosts  []string   `json:"hosts,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// Target is one place that is told.
type Target interface {
	// Name is what logs call it; it holds no secret.
	Name() string
	// Send makes one attempt. An [*RefusedError] is not tried again.
	Send(ctx context.Context, e Event) error
}

// RefusedError is that a target took an event for what it never will take.
type RefusedError struct{ Reason string }

// Error is the reason.
func (e *RefusedError) Error() string { return e.Reason }

const (
	// queued is how many events wait for one target; the oldest give way.
	queued = 32
	// attempt bounds one attempt.
	attempt = 10 * time.Second
)

// pauses are those between attempts: after the last one an event is given up.
var pauses = [...]time.Duration{2 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute}

// Notifier hands events to targets. Each has a goroutine of its own: one that hangs
// keeps nobody else waiting.
type Notifier struct {
	log   *slog.Logger
	boxes []*box
	done  sync.WaitGroup
}

// New makes a notifier, which works until ctx is done. [Notifier.Wait] waits for its
// end.
func New(ctx context.Context, log *slog.Logger, targets ...Target) *Notifier {
	n := &Notifier{log: log}
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

// Wait returns when all has ended that New began.
func (n *Notifier) Wait() { n.done.Wait() }

// box holds what one target has not been told yet.
type box struct {
	target Target
	log    *slog.Logger
	ready  chan struct{}

	mu     sync.Mutex
	events []Event
}

func (b *box) put(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) == queued {
		b.log.Warn("notification dropped: too many wait for this target", slog.String("event", string(b.events[0].Kind)), slog.String("id", b.events[0].ID))
		b.events = b.events[1:]
	}
	b.events = append(b.events, e)
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *box) take() (e Event, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) == 0 {
		return Event{}, false
	}
	e = b.events[0]
	b.events = b.events[1:]
	return e, true
}

func (b *box) work(ctx context.Context) {
	for {
		e, ok := b.take()
		if ok {
			b.deliver(ctx, e)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-b.ready:
		}
	}
}

// deliver tries until the event is taken, refused, or given up.
func (b *box) deliver(ctx context.Context, e Event) {
	log := b.log.With(slog.String("event", string(e.Kind)), slog.String("id", e.ID))
	for tries := 0; ctx.Err() == nil; tries++ {
		err := b.try(ctx, e)
		if err == nil {
			log.InfoContext(ctx, "notification sent")
			return
		}
		if ctx.Err() != nil {
			return
		}
		if _, refused := asRefused(err); refused || tries == len(pauses) {
			log.ErrorContext(ctx, "notification given up", slog.Int("attempts", tries+1), slog.Any("error", err))
			return
		}
		log.WarnContext(ctx, "notification not taken, tried again", slog.Duration("in", pauses[tries]), slog.Any("error", err))
		pause := time.NewTimer(pauses[tries])
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

func (b *box) try(ctx context.Context, e Event) error {
	ctx, stop := context.WithTimeout(ctx, attempt)
	defer stop()
	return b.target.Send(ctx, e)
}
