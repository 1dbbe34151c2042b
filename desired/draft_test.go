package desired

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestDraft holds a draft to what a map would say, before and after it is settled, and
// while others are made with the same settler.
func TestDraft(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	// The last two tell a list's words apart that could be taken for another's.
	words := []Path{"a", "a.b", "a[x]", "a.b.c", "ab", "b", "b\x00c", "c"}
	var s settler
	type made struct {
		draft draft
		want  map[Path]Source
	}
	var all []*made
	for range 300 {
		m := &made{draft: s.draft(r.IntN(4)), want: map[Path]Source{}}
		all = append(all, m)
		for step := range 24 {
			path, from := words[r.IntN(len(words))], Source{File: "f.yaml", Line: int32(step), Layer: []string{"", "profile/base"}[r.IntN(2)]}
			switch r.IntN(8) {
			case 0:
				s.settle(&m.draft)
			case 1:
				m.draft.drop(path)
				delete(m.want, path)
			case 2:
				m.draft.dropWithin(path)
				maps.DeleteFunc(m.want, func(p Path, _ Source) bool { return p.Within(path) })
			case 3:
				m.draft.room(step)
			default:
				m.draft.put(path, from)
				m.want[path] = from
			}
			for _, path := range words {
				want, set := m.want[path]
				if from, has := m.draft.lookup(path); from != want || has != set || m.draft.at(path) != want {
					t.Fatalf("%s: %v, %v; want %v, %v", path, from, has, want, set)
				}
			}
		}
	}
	for _, m := range all {
		if got := maps.Collect(s.settings(&m.draft).All()); !maps.Equal(got, m.want) {
			t.Fatalf("the settings are %v, want %v", got, m.want)
		}
	}
}

// TestSettingsShareTheirPaths holds that guests which set the same keep one list of
// what they set.
func TestSettingsShareTheirPaths(t *testing.T) {
	fleet := load(t, crowded(20))
	one, other := fleet.Resource("vm/web-3").Set, fleet.Resource("vm/web-14").Set
	if one.Len() == 0 || &one.paths[0] != &other.paths[0] {
		t.Error("two guests that set the same have each a list of its own")
	}
}
