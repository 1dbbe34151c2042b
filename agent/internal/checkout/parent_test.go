package checkout_test

import (
	"strings"
	"testing"

	"berth/agent/internal/checkout"
)

func TestParent(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	side := f.commit("side", "a.yaml", "two")
	f.point(first)
	second := f.commit("second", "a.yaml", "three")
	a := follow(t, f.source())
	merge := a.accept(f.commitTree("merge", nil, second, side))
	parent, ok, err := a.Parent(t.Context(), merge)
	if err != nil || !ok || parent.Hash != second || parent.Subject != "second" || parent.Path != merge.Path {
		t.Errorf("the parent of a merge: %+v %v %v", parent, ok, err)
	}
	parent, ok, err = a.Parent(t.Context(), parent)
	if err != nil || !ok || parent.Hash != first {
		t.Errorf("its parent: %+v %v %v", parent, ok, err)
	}
	if parent, ok, err = a.Parent(t.Context(), parent); err != nil || ok {
		t.Errorf("the parent of the first: %+v %v %v", parent, ok, err)
	}
}

// A commit that was carried over without its history has a parent that is not there:
// that is no damage, for which the clone would be made afresh again and again.
func TestParentThatIsNotThereIsNoDamage(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	a.fetch(f.commit("first", "a.yaml", "one", "b.yaml", "old"))
	history := a.packFiles("*.pack")
	accepted := a.accept(f.commit("second", "a.yaml", "two", "b.yaml", "new"))
	f.replace()
	f.commit("orphan", "b.yaml", "three")
	overwrite(t, history[0], flip)
	b := followIn(t, a.dir, f.source())
	b.fails(checkout.ErrRewritten)
	said := strings.Count(b.said.String(), "damaged")
	if _, ok, err := b.Parent(t.Context(), accepted); ok || err == nil {
		t.Errorf("the parent is there: %v %v", ok, err)
	}
	b.fails(checkout.ErrRewritten)
	if again := strings.Count(b.said.String(), "damaged"); again != said {
		t.Errorf("it was taken for damage:\n%s", b.said)
	}
}
