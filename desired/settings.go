package desired

import (
	"iter"
	"maps"
	"slices"
)

// Settings tell where each value of a resource was set, by path. The zero Settings
// hold none. They take a fifth of the room of a map, which counts: ten thousand guests
// have two hundred thousand of them.
type Settings struct {
	// paths are sorted. Most guests set what many others set: these have one list in
	// common, which nobody writes to.
	paths []Path
	spots []spot
}

// A spot is a Source in less room: what many have in common is kept once.
type spot struct {
	in        *origin
	line, col int32
}

// origin is what many sources have in common.
type origin struct{ file, layer string }

// origins finds the origin of a source that many others have.
type origins map[origin]*origin

func (o origins) spot(from Source) spot {
	key := origin{from.File, from.Layer}
	in := o[key]
	if in == nil {
		in = &origin{from.File, from.Layer}
		o[key] = in
	}
	return spot{in, from.Line, from.Col}
}

// spotOf is for a source that few have in common.
func spotOf(from Source) spot {
	return spot{&origin{from.File, from.Layer}, from.Line, from.Col}
}

// source is the zero Source where nothing is known.
func (s spot) source() Source {
	if s.in == nil {
		return Source{}
	}
	return Source{File: s.in.file, Line: s.line, Col: s.col, Layer: s.in.layer}
}

func (s spot) equal(other spot) bool {
	return s.line == other.line && s.col == other.col && (s.in == other.in || *s.in == *other.in)
}

// SettingsOf are the settings of a map.
func SettingsOf(set map[Path]Source) Settings {
	s, in := Settings{paths: slices.Sorted(maps.Keys(set))}, origins{}
	for _, path := range s.paths {
		s.spots = append(s.spots, in.spot(set[path]))
	}
	return s
}

// Has tells whether the value at a path, and not only some below it, was set.
func (s Settings) Has(path Path) bool {
	_, set := slices.BinarySearch(s.paths, path)
	return set
}

// At tells where the value at a path was set; the zero Source where it was not.
func (s Settings) At(path Path) Source {
	from, _ := s.Lookup(path)
	return from
}

// Lookup tells where the value at a path was set, and whether it was.
func (s Settings) Lookup(path Path) (from Source, set bool) {
	at, set := slices.BinarySearch(s.paths, path)
	if !set {
		return Source{}, false
	}
	return s.spots[at].source(), true
}

// All are the paths, sorted, each with where its value was set.
func (s Settings) All() iter.Seq2[Path, Source] {
	return func(yield func(Path, Source) bool) {
		for i, path := range s.paths {
			if !yield(path, s.spots[i].source()) {
				return
			}
		}
	}
}

// Paths are those whose values were set, sorted.
func (s Settings) Paths() iter.Seq[Path] { return slices.Values(s.paths) }

// Len is how many values were set.
func (s Settings) Len() int { return len(s.paths) }

// Put notes that the value at a path was set. It is not for the resources of a fleet
// that was loaded, which share theirs.
func (s *Settings) Put(path Path, from Source) {
	one := spotOf(from)
	at, set := slices.BinarySearch(s.paths, path)
	if set {
		s.spots[at] = one
		return
	}
	s.paths = slices.Insert(slices.Clip(s.paths), at, path)
	s.spots = slices.Insert(s.spots, at, one)
}

// Without are the settings but for some paths.
func (s Settings) Without(paths ...Path) Settings {
	var left Settings
	for i, path := range s.paths {
		if !slices.Contains(paths, path) {
			left.paths, left.spots = append(left.paths, path), append(left.spots, s.spots[i])
		}
	}
	return left
}

// Equal tells whether the same values were set at the same places.
func (s Settings) Equal(other Settings) bool {
	return slices.Equal(s.paths, other.paths) && slices.EqualFunc(s.spots, other.spots, spot.equal)
}
