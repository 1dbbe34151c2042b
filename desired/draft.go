package desired

import (
	"maps"
	"slices"
)

// A draft is where the values of an item were set, while that is being found out: a
// map as long as the item is read and looked at, settings from then on.
type draft struct {
	open map[Path]Source
	done Settings
}

func (d *draft) put(path Path, from Source) {
	if d.open == nil {
		d.done.Put(path, from)
		return
	}
	d.open[path] = from
}

func (d *draft) drop(path Path) {
	if d.open == nil {
		d.done = d.done.Without(path)
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
			d.done = d.done.Without(path)
		}
	}
}

func (d *draft) lookup(path Path) (from Source, set bool) {
	if d.open == nil {
		return d.done.Lookup(path)
	}
	from, set = d.open[path]
	return from, set
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
	open := make(map[Path]Source, len(d.open)+more)
	maps.Copy(open, d.open)
	d.open = open
}

// A settler makes drafts, and settings of them.
type settler struct {
	// spare is the map of a draft that was settled, for the next one.
	spare map[Path]Source
	in    origins
	// lists are the lists of paths that were met, by what they come to.
	lists map[string][]Path
	// paths and key are room for those of one draft.
	paths []Path
	key   []byte
}

// usualPaths is how many paths there usually are at most: a map that held more is not
// used again, as to clear it costs as much as it ever held.
const usualPaths = 128

// draft is one with room for about so many paths.
func (s *settler) draft(paths int) draft {
	if open := s.spare; open != nil && paths <= usualPaths {
		s.spare = nil
		return draft{open: open}
	}
	return draft{open: make(map[Path]Source, paths)}
}

// settle makes settings of what a draft holds so far.
func (s *settler) settle(d *draft) {
	if d.open == nil {
		return
	}
	s.paths = s.paths[:0]
	for path := range d.open {
		s.paths = append(s.paths, path)
	}
	slices.Sort(s.paths)
	if s.in == nil {
		s.in = origins{}
	}
	d.done = settingsOf(s.shared(s.paths), d.open, s.in)
	if len(d.open) <= usualPaths {
		clear(d.open)
		s.spare = d.open
	}
	d.open = nil
}

// settings are what a draft came to.
func (s *settler) settings(d *draft) Settings {
	s.settle(d)
	d.done.paths = s.shared(d.done.paths)
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
