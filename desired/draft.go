package desired

import (
	"maps"
	"slices"
	"strings"
)

// A draft is where the values of an item were set, while that is being found out: a
// map as long as the item is read and looked at, settings from then on.
type draft struct {
	open map[Path]spot
	in   origins
	done Settings
	// alone tells that the settings have changed since their paths were those of others.
	alone bool
}

func (d *draft) put(path Path, from Source) {
	if d.open == nil {
		d.done.Put(path, from)
		d.alone = true
		return
	}
	d.open[path] = d.in.spot(from)
}

func (d *draft) drop(path Path) {
	if d.open == nil {
		d.done = d.done.Without(path)
		d.alone = true
		return
	}
	delete(d.open, path)
}

// dropWithin drops a path and what is below it.
func (d *draft) dropWithin(at Path) {
	for path := range d.open {
		if path.Within(at) {
			delete(d.open, path)
		}
	}
	for path := range d.done.Paths() {
		if path.Within(at) {
			d.drop(path)
		}
	}
}

func (d *draft) lookup(path Path) (from Source, set bool) {
	if d.open == nil {
		return d.done.Lookup(path)
	}
	at, set := d.open[path]
	return at.source(), set
}

func (d *draft) at(path Path) Source {
	from, _ := d.lookup(path)
	return from
}

// room makes ready for so many paths more, of an item that is looked at.
func (d *draft) room(more int) {
	if d.open == nil {
		return
	}
	open := make(map[Path]spot, len(d.open)+more)
	maps.Copy(open, d.open)
	d.open = open
}

// A settler makes drafts, and settings of them.
type settler struct {
	// spare is the map of a draft that was settled, for the next one.
	spare map[Path]spot
	in    origins
	// lists are the lists of paths that were met, by what they come to.
	lists map[string][]Path
	// marks, paths and key are room for those of one draft.
	marks []mark
	paths []Path
	key   []byte
}

// A mark is a path, and where its value was set.
type mark struct {
	path Path
	at   spot
}

// usualPaths is how many paths there usually are at most: a map that held more is not
// used again, as to clear it costs as much as it ever held.
const usualPaths = 128

// draft is one with room for about so many paths.
func (s *settler) draft(paths int) draft {
	if s.in == nil {
		s.in = origins{}
	}
	if open := s.spare; open != nil && paths <= usualPaths {
		s.spare = nil
		return draft{open: open, in: s.in}
	}
	return draft{open: make(map[Path]spot, paths), in: s.in}
}

// settle makes settings of what a draft holds so far.
func (s *settler) settle(d *draft) {
	if d.open == nil {
		return
	}
	s.marks, s.paths = s.marks[:0], s.paths[:0]
	for path, at := range d.open {
		s.marks = append(s.marks, mark{path, at})
	}
	slices.SortFunc(s.marks, func(a, b mark) int { return strings.Compare(string(a.path), string(b.path)) })
	spots := make([]spot, 0, len(s.marks))
	for _, m := range s.marks {
		s.paths, spots = append(s.paths, m.path), append(spots, m.at)
	}
	d.done = Settings{s.shared(s.paths), spots}
	if len(d.open) <= usualPaths {
		clear(d.open)
		s.spare = d.open
	}
	d.open = nil
}

// settings are what a draft came to.
func (s *settler) settings(d *draft) Settings {
	s.settle(d)
	if d.alone {
		d.done.paths, d.alone = s.shared(d.done.paths), false
	}
	return d.done
}

// shared is the list of the same paths that others have.
func (s *settler) shared(paths []Path) []Path {
	if len(paths) > usualPaths {
		return slices.Clone(paths)
	}
	s.key = s.key[:0]
	for _, path := range paths {
		s.key = append(append(s.key, path...), 0)
	}
	known, met := s.lists[string(s.key)]
	if met && slices.Equal(known, paths) {
		return known
	}
	list := slices.Clone(paths)
	if s.lists == nil {
		s.lists = make(map[string][]Path)
	}
	s.lists[string(s.key)] = list
	return list
}
