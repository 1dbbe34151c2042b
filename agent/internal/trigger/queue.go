package trigger

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"berth/agent/internal/turn"
	"berth/drift/report"
)

const (
	// maxWhys is how many reasons of one turn are told.
	maxWhys = 3
	// maxOrders is how many turns may be ordered that nobody waits for.
	maxOrders = 64
)

var (
	// ErrStopping is the answer to whoever asks a loop that is coming to its end.
	ErrStopping = errors.New("the agent is stopping")
	// ErrBusy is the answer to who orders more turns than can be kept.
	ErrBusy = fmt.Errorf("%d turns are ordered and not begun: wait for one of them", maxOrders)
)

// queue is what the loop is asked for: the one turn that is started next without
// anybody waiting for it, and those that are ordered, each on its own.
type queue struct {
	// ready has something in it while there is anything.
	ready chan struct{}

	mu      sync.Mutex
	started *started
	orders  []*Order
	// turns counts what was asked for, so that whoever comes first is served first.
	turns   int
	reload  bool
	stopped bool
}

// started is a turn that many may have started.
type started struct {
	at    int
	id    string
	whole bool
	whys  []string // the first of them
	more  bool
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// Start makes a turn as soon as the one under way is over, and comes back at once with
// its id. All who want one before it begins get the same. It is a quick one, unless all is
// due to be looked at: what is dear to find is what nobody has touched.
func (l *Loop) Start(why string) (id string) { return l.start(why, false) }

// StartWhole is [Loop.Start] of a turn that looks at everything, as for a push.
func (l *Loop) StartWhole(why string) (id string) { return l.start(why, true) }

func (l *Loop) start(why string, whole bool) string {
	q := l.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.started
	if s == nil {
		q.turns++
		s = &started{at: q.turns}
		if l.NextID != nil {
			s.id = l.NextID()
		}
		q.started = s
	}
	s.whole = s.whole || whole
	switch {
	case slices.Contains(s.whys, why):
	case len(s.whys) < maxWhys:
		s.whys = append(s.whys, why)
	default:
		s.more = true
	}
	q.wake()
	return s.id
}

// why tells what the turn is made for.
func (s *started) why() string {
	why := strings.Join(s.whys, ", ")
	if s.more {
		why += " and more"
	}
	return why
}

// Reload has [Loop.Run] come back between two turns.
func (l *Loop) Reload() {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	l.queue.reload = true
	l.queue.wake()
}

// Order is a turn that somebody asked for.
type Order struct {
	// Turn is the turn's id.
	Turn string

	queue *queue
	at    int
	req   turn.Request
	done  chan struct{}
	// attended tells that somebody waits for it.
	attended bool
	report   *report.Report
	err      error
}

// Ask makes a turn between the others and waits for its report. If ctx ends before the
// turn has begun, it is not made.
func (l *Loop) Ask(ctx context.Context, req turn.Request) (*report.Report, error) {
	o, err := l.order(req, true)
	if err != nil {
		return nil, err
	}
	rep, err := o.Wait(ctx)
	if ctx.Err() != nil {
		o.Cancel()
	}
	return rep, err
}

// Order has a turn made between the others, whether anybody waits for it or not. Who
// orders the very same before it has begun gets the same.
func (l *Loop) Order(req turn.Request) (*Order, error) { return l.order(req, false) }

func (l *Loop) order(req turn.Request, attended bool) (*Order, error) {
	if _, err := l.paused(); err != nil && req.Mode == report.Run {
		return nil, err
	}
	q := l.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return nil, ErrStopping
	}
	if !attended {
		unattended := 0
		for _, o := range q.orders {
			if o.attended {
				continue
			}
			same := req
			same.ID = o.req.ID
			if reflect.DeepEqual(o.req, same) {
				return o, nil
			}
			unattended++
		}
		if unattended >= maxOrders {
			return nil, ErrBusy
		}
	}
	if req.ID == "" && l.NextID != nil {
		req.ID = l.NextID()
	}
	q.turns++
	o := &Order{Turn: req.ID, queue: q, at: q.turns, req: req, done: make(chan struct{}), attended: attended}
	q.orders = append(q.orders, o)
	q.wake()
	return o, nil
}

// Wait waits for the turn's report.
func (o *Order) Wait(ctx context.Context) (*report.Report, error) {
	select {
	case <-o.done:
		return o.report, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Cancel gives the turn up if it has not begun, and tells whether it had not.
func (o *Order) Cancel() bool {
	o.queue.mu.Lock()
	defer o.queue.mu.Unlock()
	at := slices.Index(o.queue.orders, o)
	if at >= 0 {
		o.queue.orders = slices.Delete(o.queue.orders, at, at+1)
		o.end(nil, context.Canceled)
	}
	return at >= 0
}

func (o *Order) end(rep *report.Report, err error) {
	o.report, o.err = rep, err
	close(o.done)
}

// take begins what was asked for first; both are nil where nothing is. What was started
// stays while it is not settled.
func (q *queue) take(settled bool) (*started, *Order) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.started
	if !settled {
		s = nil
	}
	var o *Order
	if len(q.orders) > 0 && (s == nil || q.orders[0].at < s.at) {
		o, s = q.orders[0], nil
		q.orders = slices.Delete(q.orders, 0, 1)
	}
	if s != nil {
		q.started = nil
	}
	if q.started != nil && settled || len(q.orders) > 0 {
		q.wake()
	}
	return s, o
}

// begin is what was started, which begins now; nil if nothing was.
func (q *queue) begin() *started {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.started
	q.started = nil
	return s
}

// waits tells that a turn was started and is not made yet.
func (q *queue) waits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.started != nil
}

// reloads tells whether somebody has asked for that, and takes it.
func (q *queue) reloads() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	asked := q.reload
	q.reload = false
	return asked
}

// stop sends everybody away, now and later.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	for _, o := range q.orders {
		o.end(nil, ErrStopping)
	}
	q.orders = nil
}
