package proxmox

import (
	"testing"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// made keeps the values that a step tells.
type made struct {
	silent
	facts map[string]string
}

func (m made) Made(id desired.ID, fact, value string) { m.facts[string(id)+" "+fact] = value }

// TestRestoreTellsTheInstance lets a playbook know at once that the guest which
// is back is the one on which it has run: what is archived tells no facts.
func TestRestoreTellsTheInstance(t *testing.T) {
	t.Parallel()
	b := newBench(t, cacheYAML)
	b.apply()
	_, w := b.planned(t.Context())
	before, known := w.Fact("ct/cache", desired.FactInstance)
	if !known {
		t.Fatal("the instance of a guest in use is not known")
	}
	b.manifests()
	b.apply()
	b.manifests(cacheYAML)
	p, w := b.planned(t.Context())
	c := p.Change(key("ct/cache", drift.Restore))
	if c == nil {
		t.Fatalf("no restore in:\n%s", show(p))
	}
	told := made{facts: make(map[string]string)}
	err := b.a.Apply(t.Context(), applyers.Job{
		Change: *c, Fleet: b.fleet, Want: b.fleet.Resource(c.ID), Have: w.Live(c.ID), Fact: w.Fact,
	}, told)
	if err != nil {
		t.Fatal(err)
	}
	if got := told.facts["ct/cache "+desired.FactInstance]; got != before {
		t.Errorf("the instance that is told is %q, want %q", got, before)
	}
}
