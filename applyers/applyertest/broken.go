package applyertest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// atMost bounds how many places one stage is broken off at.
const atMost = 200

// stopping calls each step when the agent is stopping already: it must not begin
// and must say that it was left. What needs nothing done may be done.
func stopping(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		t, err := look(ctx, w, w.Applyer, fleet)
		if err != nil {
			return err
		}
		by := &stopped{Applyer: w.Applyer, writes: w.Writes, turns: make(chan struct{}, 1)}
		outcomes, err := t.apply(ctx, by)
		if err != nil {
			return err
		}
		return errors.Join(append(by.problems, allDone(outcomes))...)
	})
}

// stopped calls each step with a done context first.
type stopped struct {
	applyers.Applyer
	writes func() int
	// turns lets one step at a time through, as with [twice].
	turns    chan struct{}
	problems []error
}

func (a *stopped) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	a.turns <- struct{}{}
	defer func() { <-a.turns }()
	over, cancel := context.WithCancel(ctx)
	cancel()
	was := a.writes()
	if err := a.Applyer.Apply(over, job, p); err != nil && !errors.Is(err, applyers.ErrLeft) {
		a.problems = append(a.problems, fmt.Errorf("%s begun when stopping: the error is %w, want one that is ErrLeft", job.Key, err))
	}
	if n := a.writes() - was; n != 0 {
		a.problems = append(a.problems, fmt.Errorf("%s begun when stopping made %d writes", job.Key, n))
	}
	return a.Applyer.Apply(ctx, job, p)
}

// breaker cancels at the n-th of what it counts.
type breaker struct {
	applyers.Applyer
	// steps counts steps, else what they tell.
	steps  bool
	cancel context.CancelFunc

	mu   sync.Mutex
	left int
}

// count counts one, and cancels if it is the one.
func (a *breaker) count() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left--; a.left == 0 {
		a.cancel()
	}
}

// hit tells whether the n-th was reached.
func (a *breaker) hit() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.left <= 0
}

func (a *breaker) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	if a.steps {
		a.count()
		return a.Applyer.Apply(ctx, job, p)
	}
	return a.Applyer.Apply(ctx, job, &listener{Progress: p, breaker: a})
}

// listener counts what a step tells.
type listener struct {
	applyers.Progress
	breaker *breaker
}

func (l *listener) Task(ref string) error {
	defer l.breaker.count()
	return l.Progress.Task(ref)
}

func (l *listener) Say(line string) {
	defer l.breaker.count()
	l.Progress.Say(line)
}

func (l *listener) Warn(line string) {
	defer l.breaker.count()
	l.Progress.Warn(line)
}

func (l *listener) Made(id desired.ID, fact, value string) {
	defer l.breaker.count()
	l.Progress.Made(id, fact, value)
}

func (l *listener) Field(path desired.Path, err error) {
	defer l.breaker.count()
	l.Progress.Field(path, err)
}

func brokenOffAtSteps(ctx context.Context, fresh func() World) error {
	return brokenOff(ctx, fresh, "step", func(w *World, n int, cancel context.CancelFunc) (applyers.Applyer, func() bool) {
		b := &breaker{Applyer: w.Applyer, steps: true, cancel: cancel, left: n}
		return b, b.hit
	})
}

func brokenOffAtProgress(ctx context.Context, fresh func() World) error {
	return brokenOff(ctx, fresh, "word", func(w *World, n int, cancel context.CancelFunc) (applyers.Applyer, func() bool) {
		b := &breaker{Applyer: w.Applyer, cancel: cancel, left: n}
		return b, b.hit
	})
}

func brokenOffAtWrites(ctx context.Context, fresh func() World) error {
	if w := fresh(); w.AtWrite == nil {
		return nil
	}
	return brokenOff(ctx, fresh, "write", func(w *World, n int, cancel context.CancelFunc) (applyers.Applyer, func() bool) {
		var mu sync.Mutex
		hit := false
		w.AtWrite(n, func() {
			mu.Lock()
			defer mu.Unlock()
			hit = true
			cancel()
		})
		return w.Applyer, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return hit
		}
	})
}

// brokenOff stops a turn at its first, second, third… place, each time in a fresh
// world, and asks that a restarted agent finishes the rest, and does nothing
// twice. No step may come to a bad end by being stopped.
func brokenOff(
	ctx context.Context, fresh func() World, place string,
	arm func(w *World, n int, cancel context.CancelFunc) (by applyers.Applyer, hit func() bool),
) error {
	first := fresh()
	for stage, fleet := range first.stages() {
		things, err := calm(ctx, fresh, &first, fleet)
		if err != nil {
			return err
		}
		for n := 1; n <= atMost; n++ {
			w, err := at(ctx, fresh, stage)
			if err != nil {
				return err
			}
			hit, err := brokenOffAt(ctx, w, things, w.stages()[stage], n, arm)
			if err != nil {
				return fmt.Errorf("%s, broken off at %s %d: %w", stageName(stage), place, n, err)
			}
			if !hit {
				break
			}
		}
	}
	return nil
}

func brokenOffAt(
	ctx context.Context, w *World, things []string, fleet *desired.Fleet, n int,
	arm func(w *World, n int, cancel context.CancelFunc) (by applyers.Applyer, hit func() bool),
) (hit bool, err error) {
	t, err := look(ctx, w, w.Applyer, fleet)
	if err != nil {
		return false, err
	}
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	by, reached := arm(w, n, cancel)
	outcomes, err := t.apply(stop, by)
	if err != nil {
		return false, err
	}
	for _, o := range outcomes {
		if o.Status != drift.Done && o.Status != drift.Left {
			return false, fmt.Errorf("%s %s: %s", o.Key, o.Status, o.Reason)
		}
	}
	if !reached() {
		return false, nil
	}
	if err := reach(ctx, w, w.another(), fleet); err != nil {
		return true, fmt.Errorf("the turn after: %w", err)
	}
	return true, asGoodAs(ctx, things, w, fleet)
}
