package desired

import (
	"iter"
	"slices"
	"strings"
	"unique"
)

// Settings tell where each value of a resource was set, by path. The zero Settings
// hold none. They take a third of the room of a map, which counts: ten thousand guests
// have two hundred thousand of them.
type Settings struct{ all []setting } // Sorted by path.

type setting struct {
	path      Path
	origin    unique.Handle[origin]
	line, col int32
}

// origin is what many sources have in common.
type origin struct{ file, layer string }

func (s *setting) source() Source {
	o := s.origin.Value()
	return Source{File: o.file, Line: s.line, Col: s.col, Layer: o.layer}
}

func settingOf(path Path, from Source) setting {
	return setting{path: path, origin: unique.Make(origin{from.File, from.Layer}), line: from.Line, col: from.Col}
}

// SettingsOf are the settings of a map.
func SettingsOf(set map[Path]Source) Settings {
	all := make([]setting, 0, len(set))
	for path, from := range set {
		all = append(all, settingOf(path, from))
	}
	slices.SortFunc(all, func(a, b setting) int { return strings.Compare(string(a.path), string(b.path)) })
	return Settings{all}
}

// find tells where a path is, or would be.
func (s Settings) find(path Path) (at int, set bool) {
	low, high := 0, len(s.all)
	for low < high {
		mid := (low + high) / 2
		if s.all[mid].path < path {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(s.all) && s.all[low].path == path
}

// Has tells whether the value at a path, and not only some below it, was set.
func (s Settings) Has(path Path) bool {
	_, set := s.find(path)
	return set
}

// At tells where the value at a path was set; the zero Source where it was not.
func (s Settings) At(path Path) Source {
	from, _ := s.Lookup(path)
	return from
}

// Lookup tells where the value at a path was set, and whether it was.
func (s Settings) Lookup(path Path) (from Source, set bool) {
	at, set := s.find(path)
	if !set {
		return Source{}, false
	}
	return s.all[at].source(), true
}

// All are the paths, sorted, each with where its value was set.
func (s Settings) All() iter.Seq2[Path, Source] {
	return func(yield func(Path, Source) bool) {
		for i := range s.all {
			if !yield(s.all[i].path, s.all[i].source()) {
				return
			}
		}
	}
}

// Paths are those whose values were set, sorted.
func (s Settings) Paths() iter.Seq[Path] {
	return func(yield func(Path) bool) {
		for i := range s.all {
			if !yield(s.all[i].path) {
				return
			}
		}
	}
}

// Len is how many values were set.
func (s Settings) Len() int { return len(s.all) }

// Put notes that the value at a path was set. It is not for the resources of a fleet
// that was loaded, which share theirs.
func (s *Settings) Put(path Path, from Source) {
	at, set := s.find(path)
	if set {
		s.all[at] = settingOf(path, from)
		return
	}
	s.all = slices.Insert(s.all, at, settingOf(path, from))
}

// Without are the settings but for some paths.
func (s Settings) Without(paths ...Path) Settings {
	return Settings{slices.DeleteFunc(slices.Clone(s.all), func(one setting) bool { return slices.Contains(paths, one.path) })}
}

// Equal tells whether the same values were set at the same places.
func (s Settings) Equal(other Settings) bool { return slices.Equal(s.all, other.all) }
