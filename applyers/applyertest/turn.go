package applyertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// stages are the fleets to be made true, in order.
func (w *World) stages() []*desired.Fleet {
	return append([]*desired.Fleet{w.Fleet}, w.Next...)
}

// another is an applyer that remembers nothing.
func (w *World) another() applyers.Applyer {
	if w.Another != nil {
		return w.Another()
	}
	return w.Applyer
}

// things lists what there is, sorted.
func (w *World) things() []string {
	if w.Things == nil {
		return nil
	}
	all := slices.Clone(w.Things())
	slices.Sort(all)
	return all
}

// turn is one turn of an agent that has this applyer alone.
type turn struct {
	world    *World
	applyer  applyers.Applyer
	fleet    *desired.Fleet
	observed drift.Observed
	plan     *drift.Plan
}

// look observes and plans.
func look(ctx context.Context, w *World, a applyers.Applyer, fleet *desired.Fleet) (*turn, error) {
	observed, err := a.Observe(ctx, fleet, applyers.Scope{})
	if err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	for _, b := range observed.Blind {
		return nil, fmt.Errorf("observe: %s%s%s is unknown: %s", b.ID, b.Site, b.Kind, b.Reason)
	}
	observed.Lives = slices.Concat(observed.Lives, w.Others)
	plan, err := drift.Make(drift.Input{Fleet: fleet, Observed: observed, Steps: applyers.StepsByKind(applyers.ByKind(a))})
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return &turn{world: w, applyer: a, fleet: fleet, observed: observed, plan: plan}, nil
}

// apply carries the plan out, by the applyer or by one that stands before it.
func (t *turn) apply(ctx context.Context, by applyers.Applyer) ([]drift.Outcome, error) {
	return applyers.Execute(ctx, applyers.Execution{
		Plan: t.plan, World: drift.NewWorld(t.fleet, t.observed.Lives), Appliers: applyers.ByKind(by),
	})
}

// allDone tells which outcome is not done.
func allDone(outcomes []drift.Outcome) error {
	var problems []error
	for _, o := range outcomes {
		if o.Status != drift.Done {
			problems = append(problems, fmt.Errorf("%s %s: %s", o.Key, o.Status, o.Reason))
		}
		for path, reason := range o.Results {
			if reason != "" {
				problems = append(problems, fmt.Errorf("%s %s: %s", o.Key, path, reason))
			}
		}
	}
	return errors.Join(problems...)
}

// reach makes a fleet true in one turn, by a.
func reach(ctx context.Context, w *World, a applyers.Applyer, fleet *desired.Fleet) error {
	t, err := look(ctx, w, a, fleet)
	if err != nil {
		return err
	}
	outcomes, err := t.apply(ctx, a)
	if err != nil {
		return err
	}
	return allDone(outcomes)
}

// settled asks that a fleet is true: nothing is left to be planned.
func settled(ctx context.Context, w *World, a applyers.Applyer, fleet *desired.Fleet) error {
	t, err := look(ctx, w, a, fleet)
	if err != nil {
		return err
	}
	return t.empty()
}

// empty asks that nothing is planned.
func (t *turn) empty() error {
	if len(t.plan.Changes) == 0 {
		return nil
	}
	var lines []string
	for _, c := range t.plan.Changes {
		parts := []string{c.String()}
		if c.Held != "" {
			parts = append(parts, "held: "+c.Held)
		}
		for _, f := range c.Fields {
			parts = append(parts, fmt.Sprintf("%s: %q → %q %s", f.Path, f.Before.Text, f.After.Text, f.After.From))
		}
		lines = append(lines, strings.Join(parts, "; "))
	}
	return fmt.Errorf("the plan is not empty: %s", strings.Join(lines, ", "))
}

// at makes a fresh world in which all stages before the n-th are true.
func at(ctx context.Context, fresh func() World, n int) (*World, error) {
	w := fresh()
	for i, fleet := range w.stages()[:n] {
		if err := reach(ctx, &w, w.Applyer, fleet); err != nil {
			return nil, fmt.Errorf("make %s true: %w", stageName(i), err)
		}
	}
	return &w, nil
}

// stageName is how a fleet of the world is called in messages.
func stageName(n int) string {
	if n == 0 {
		return "the fleet"
	}
	return fmt.Sprintf("fleet Next[%d]", n-1)
}

// eachStage runs a rule in a fresh world for each fleet that is to be made true.
func eachStage(ctx context.Context, fresh func() World, rule func(w *World, fleet *desired.Fleet) error) error {
	first := fresh()
	for n := range first.stages() {
		w, err := at(ctx, fresh, n)
		if err != nil {
			return err
		}
		if err := rule(w, w.stages()[n]); err != nil {
			return fmt.Errorf("%s: %w", stageName(n), err)
		}
	}
	return nil
}

// calm is what there is in a world in which the fleets were made true without
// any trouble, up to and with this one.
func calm(ctx context.Context, fresh func() World, w *World, fleet *desired.Fleet) ([]string, error) {
	if w.Things == nil {
		return nil, nil
	}
	n := slices.Index(w.stages(), fleet)
	other, err := at(ctx, fresh, n+1)
	if err != nil {
		return nil, err
	}
	return other.things(), nil
}

// asGood asks that a world is as it would be without any trouble: no doubles,
// nothing left over.
func asGood(ctx context.Context, fresh func() World, w *World, fleet *desired.Fleet) error {
	things, err := calm(ctx, fresh, w, fleet)
	if err != nil {
		return err
	}
	return asGoodAs(ctx, things, w, fleet)
}

func asGoodAs(ctx context.Context, things []string, w *World, fleet *desired.Fleet) error {
	if err := settled(ctx, w, w.another(), fleet); err != nil {
		return err
	}
	if got := w.things(); !slices.Equal(got, things) {
		return fmt.Errorf("there is %q, want %q", got, things)
	}
	return nil
}
