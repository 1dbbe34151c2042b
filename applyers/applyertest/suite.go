package applyertest

import (
	"context"
	"testing"
	"time"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// World is a fresh world for one check, with nothing of the fleet in it yet.
type World struct {
	Applyer applyers.Applyer
	// Another makes an applyer as a restarted agent would have it, over the same
	// world; nil means that Applyer keeps nothing worth forgetting.
	Another func() applyers.Applyer
	// Fleet is made true first, then each of Next in turn: a fleet of other
	// sizes, one with something removed. Each must ask for something to be done.
	Fleet *desired.Fleet
	Next  []*desired.Fleet
	// Others are what other appliers would have observed: guests to run
	// playbooks on, or to route to.
	Others []drift.Live
	// Writes counts all changes made in the world so far, by whomever.
	Writes func() int
	// Things lists what there is in the world, without what differs from one
	// run to the next, so that doubles and leftovers show; nil is not looked at.
	Things func() []string
	// Damage changes something behind the applyer's back, once Fleet is true, so
	// that it must be seen and made good; nil where that can't be.
	Damage func()
	// AtWrite calls do in the middle of the n-th write from now, so that work is
	// broken off there; nil breaks off at steps and at what they tell alone.
	AtWrite func(n int, do func())
}

// Setup makes a fresh world. It cleans up by t.Cleanup.
type Setup func(t testing.TB) World

// patience is how long one check may take before it counts as stuck.
const patience = time.Minute

// Run checks an applyer against all that it must hold to, each time in worlds of
// its own.
func Run(t *testing.T, setup Setup) {
	t.Helper()
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.run(ctx, func() World { return setup(t) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// check is one rule. It makes as many worlds as it needs, and tells of the first
// that breaks the rule.
type check struct {
	name string
	run  func(ctx context.Context, fresh func() World) error
}

// checks are all rules, the simplest first.
func checks() []check {
	return []check{
		{"kinds", kinds},
		{"observing writes nothing", observeOnly},
		{"observing some is like observing all", observeSome},
		{"steps are pure", pureSteps},
		{"applied, the plan is empty", converges},
		{"the second turn writes nothing", secondTurn},
		{"damage is seen and made good", damage},
		{"each step called twice is made once", eachStepTwice},
		{"nothing begins once the agent is stopping", stopping},
		{"broken off at each step", brokenOffAtSteps},
		{"broken off at all that is told", brokenOffAtProgress},
		{"broken off at each write", brokenOffAtWrites},
		{"two at once", twoAtOnce},
	}
}
