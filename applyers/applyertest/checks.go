package applyertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// kinds asks that the applyer looks after something, and that each fleet asks
// for something: else the other checks check nothing.
func kinds(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		if len(w.Applyer.Kinds()) == 0 {
			return errors.New("it looks after no kind")
		}
		t, err := look(ctx, w, w.Applyer, fleet)
		if err != nil {
			return err
		}
		if !t.plan.Go() {
			return errors.New("it asks for nothing, so it tests nothing")
		}
		return nil
	})
}

func observeOnly(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		for _, when := range []string{"before", "after"} {
			was := w.Writes()
			if _, err := w.Applyer.Observe(ctx, fleet, applyers.Scope{}); err != nil {
				return err
			}
			if n := w.Writes() - was; n != 0 {
				return fmt.Errorf("%s it was applied, observing made %d writes", when, n)
			}
			if when == "before" {
				if err := reach(ctx, w, w.Applyer, fleet); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// observeSome asks that what is seen of a resource does not depend on what else
// is looked at.
func observeSome(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		if err := reach(ctx, w, w.Applyer, fleet); err != nil {
			return err
		}
		all, err := w.Applyer.Observe(ctx, fleet, applyers.Scope{})
		if err != nil {
			return err
		}
		for _, live := range all.Lives {
			some, err := w.Applyer.Observe(ctx, fleet, applyers.Scope{IDs: []desired.ID{live.ID}})
			if err != nil {
				return err
			}
			i := slices.IndexFunc(some.Lives, func(l drift.Live) bool { return l.ID == live.ID })
			if i < 0 {
				return fmt.Errorf("%s is not seen when it is looked at alone", live.ID)
			}
			if got := some.Lives[i]; !reflect.DeepEqual(got.Spec, live.Spec) || got.Archived != live.Archived || got.Protected != live.Protected {
				return fmt.Errorf("%s looked at alone is %+v, among all it is %+v", live.ID, got, live)
			}
		}
		return nil
	})
}

// pureSteps asks that Steps says the same each time, and leaves alone what it is
// given. The fields are its own to keep.
func pureSteps(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		observed, err := w.Applyer.Observe(ctx, fleet, applyers.Scope{})
		if err != nil {
			return err
		}
		observed.Lives = slices.Concat(observed.Lives, w.Others)
		was := w.Writes()
		var problems []error
		watched := func(world *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
			before := dump(fleet, observed.Lives)
			var said [3]string
			var changes []drift.Change
			for i := range said {
				changes = w.Applyer.Steps(world, want, have, slices.Clone(fields))
				text, err := json.Marshal(changes)
				if err != nil {
					problems = append(problems, err)
				}
				said[i] = string(text)
				if said[i] != said[0] {
					problems = append(problems, fmt.Errorf("asked again, Steps says %s, before it said %s", said[i], said[0]))
				}
			}
			if dump(fleet, observed.Lives) != before {
				problems = append(problems, errors.New("asking Steps changed the fleet, or what was observed"))
			}
			return changes
		}
		steps := make(map[string]drift.Steps)
		for _, kind := range w.Applyer.Kinds() {
			steps[kind] = watched
		}
		plan, err := drift.Make(drift.Input{Fleet: fleet, Observed: observed, Steps: steps})
		if err != nil {
			return err
		}
		if n := w.Writes() - was; n != 0 {
			problems = append(problems, fmt.Errorf("planning made %d writes", n))
		}
		seen := make(map[drift.Key]bool)
		for _, c := range plan.Changes {
			if seen[c.Key] {
				problems = append(problems, fmt.Errorf("%s is planned twice", c.Key))
			}
			seen[c.Key] = true
		}
		return errors.Join(problems...)
	})
}

func converges(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		if err := reach(ctx, w, w.Applyer, fleet); err != nil {
			return err
		}
		if err := settled(ctx, w, w.Applyer, fleet); err != nil {
			return err
		}
		if err := settled(ctx, w, w.another(), fleet); err != nil {
			return fmt.Errorf("after a restart, %w", err)
		}
		return nil
	})
}

func secondTurn(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		if err := reach(ctx, w, w.Applyer, fleet); err != nil {
			return err
		}
		was := w.Writes()
		if was == 0 {
			return errors.New("the first turn made no write that Writes counts")
		}
		for range 2 {
			if err := reach(ctx, w, w.another(), fleet); err != nil {
				return err
			}
		}
		if n := w.Writes() - was; n != 0 {
			return fmt.Errorf("a turn with nothing to do made %d writes", n)
		}
		return nil
	})
}

func damage(ctx context.Context, fresh func() World) error {
	w := fresh()
	if w.Damage == nil {
		return nil
	}
	if err := reach(ctx, &w, w.Applyer, w.Fleet); err != nil {
		return err
	}
	if err := settled(ctx, &w, w.Applyer, w.Fleet); err != nil {
		return err
	}
	w.Damage()
	t, err := look(ctx, &w, w.Applyer, w.Fleet)
	if err != nil {
		return err
	}
	if len(t.plan.Changes) == 0 {
		return errors.New("it is not seen")
	}
	if err := reach(ctx, &w, w.Applyer, w.Fleet); err != nil {
		return err
	}
	return asGood(ctx, fresh, &w, w.Fleet)
}

// twice makes each step a second time, right after the first.
type twice struct {
	applyers.Applyer
	writes func() int
	// turns lets one step at a time through, so that each write has its step.
	// It is a channel since synctest's clock stands still while one waits for a
	// mutex.
	turns    chan struct{}
	problems []error
}

func (a *twice) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	a.turns <- struct{}{}
	defer func() { <-a.turns }()
	if err := a.Applyer.Apply(ctx, job, p); err != nil {
		return err
	}
	was := a.writes()
	if err := a.Applyer.Apply(ctx, job, p); err != nil {
		a.problems = append(a.problems, fmt.Errorf("%s made a second time: %w", job.Key, err))
	}
	if n := a.writes() - was; n != 0 {
		a.problems = append(a.problems, fmt.Errorf("%s made a second time wrote %d times more", job.Key, n))
	}
	return nil
}

func eachStepTwice(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		t, err := look(ctx, w, w.Applyer, fleet)
		if err != nil {
			return err
		}
		by := &twice{Applyer: w.Applyer, writes: w.Writes, turns: make(chan struct{}, 1)}
		outcomes, err := t.apply(ctx, by)
		if err != nil {
			return err
		}
		if err := errors.Join(append(by.problems, allDone(outcomes))...); err != nil {
			return err
		}
		return asGood(ctx, fresh, w, fleet)
	})
}

// twoAtOnce lets two agents carry the same plan out at the same time. One may
// lose a race and say so; in the end there is one of everything.
func twoAtOnce(ctx context.Context, fresh func() World) error {
	return eachStage(ctx, fresh, func(w *World, fleet *desired.Fleet) error {
		agents := []applyers.Applyer{w.Applyer, w.another()}
		var turns []*turn
		for _, a := range agents {
			t, err := look(ctx, w, a, fleet)
			if err != nil {
				return err
			}
			turns = append(turns, t)
		}
		var wg sync.WaitGroup
		errs := make([]error, len(turns))
		for i, t := range turns {
			wg.Go(func() { _, errs[i] = t.apply(ctx, agents[i]) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if err := reach(ctx, w, w.another(), fleet); err != nil {
			return fmt.Errorf("the turn after: %w", err)
		}
		return asGood(ctx, fresh, w, fleet)
	})
}
