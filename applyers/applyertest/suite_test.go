package applyertest

import (
	"testing"
	"testing/synctest"
)

// An applyer that does everything right passes, through the front door.
func TestRun(t *testing.T) {
	Run(t, setup(""))
}

// broken runs all rules on a keeper with a fault.
func broken(t *testing.T, fault string) map[string]error {
	t.Helper()
	errs := make(map[string]error)
	for _, c := range checks() {
		synctest.Test(t, func(t *testing.T) {
			errs[c.name] = c.run(t.Context(), func() World { return setup(fault)(t) })
		})
	}
	return errs
}

// TestEachRuleBites holds each rule against an applyer that breaks it.
func TestEachRuleBites(t *testing.T) {
	bitten := make(map[string]bool)
	for fault, must := range map[string][]string{
		"has no kinds":           {"kinds"},
		"can't read":             {"applied, the plan is empty"},
		"writes when it looks":   {"observing writes nothing", "the second turn writes nothing"},
		"sees less alone":        {"observing some is like observing all"},
		"counts":                 {"steps are pure"},
		"edits the manifest":     {"steps are pure"},
		"can't tell memory":      {"applied, the plan is empty"},
		"knows by heart":         {"applied, the plan is empty"},
		"is never done":          {"applied, the plan is empty", "the second turn writes nothing"},
		"looks once":             {"damage is seen and made good"},
		"makes another":          {"each step called twice is made once", "two at once"},
		"looks, then leaps":      {"two at once"},
		"refuses what is there":  {"each step called twice is made once"},
		"goes on when stopping":  {"nothing begins once the agent is stopping"},
		"says it otherwise":      {"nothing begins once the agent is stopping", "broken off at each step"},
		"gives up in the middle": {"broken off at all that is told", "broken off at each write"},
		"trips over stubs":       {"broken off at all that is told", "broken off at each write"},
		"overlooks stubs":        {"broken off at all that is told", "broken off at each write"},
	} {
		t.Run(fault, func(t *testing.T) {
			errs := broken(t, fault)
			for _, rule := range must {
				if errs[rule] == nil {
					t.Errorf("%q is not found; what is:\n%s", rule, rules(errs))
				}
				bitten[rule] = true
			}
			t.Log(rules(errs))
		})
	}
	for _, c := range checks() {
		if !bitten[c.name] {
			t.Errorf("nothing breaks the rule %q", c.name)
		}
	}
	for rule := range bitten {
		if errs := broken(t, ""); errs[rule] != nil {
			t.Errorf("one that does nothing wrong breaks %q: %v", rule, errs[rule])
		}
	}
}
