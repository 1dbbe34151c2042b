package desired

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSettings holds settings to what a map would say.
func TestSettings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := []Path{"a", "a.b", "a-b", "a.b.c", "ab", "b", "b[x.y]", "c"}
	source := func() Source {
		layers := []string{"", "profile/base"}
		return Source{File: string(words[r.IntN(3)]) + ".yaml", Line: int32(r.IntN(3)), Col: int32(r.IntN(3)), Layer: layers[r.IntN(2)]}
	}
	for range 500 {
		want := make(map[Path]Source)
		for range r.IntN(6) {
			want[words[r.IntN(len(words))]] = source()
		}
		got := SettingsOf(want)
		for range r.IntN(6) {
			path := words[r.IntN(len(words))]
			if r.IntN(2) == 0 {
				from := source()
				want[path] = from
				got.Put(path, from)
				continue
			}
			before := maps.Collect(got.All())
			less := got.Without(path)
			if !maps.Equal(maps.Collect(got.All()), before) {
				t.Fatalf("without %s, the settings themselves changed", path)
			}
			delete(want, path)
			got = less
		}
		if all := maps.Collect(got.All()); !maps.Equal(all, want) || got.Len() != len(want) {
			t.Fatalf("all are %v, want %v", all, want)
		}
		if paths := slices.Collect(got.Paths()); !slices.Equal(paths, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("the paths are %v, want them sorted: %v", paths, slices.Sorted(maps.Keys(want)))
		}
		for _, path := range words {
			from, set := want[path]
			if have, has := got.Lookup(path); have != from || has != set || got.At(path) != from || got.Has(path) != set {
				t.Fatalf("%s: %v, %v; want %v, %v", path, have, has, from, set)
			}
		}
		if !got.Equal(SettingsOf(want)) {
			t.Fatalf("%v and what they were made from differ", want)
		}
		got.Put("z", Source{Line: 1})
		if got.Equal(SettingsOf(want)) {
			t.Fatalf("%v are equal to more of them", want)
		}
	}
}
