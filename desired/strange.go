package desired

import "slices"

// manyStrange is from how many unknown fields on any may be meant by them.
const manyStrange = 16

// anyField stands for a field that may have been meant to be any.
const anyField = "*"

// strange tells what the unknown fields of a map were perhaps meant to be, or anyField;
// nil where there are none.
type strange struct{ words []string }

// has tells whether a field may have been meant.
func (s *strange) has(word string) bool { return s != nil && slices.Contains(s.words, word) }

// and is that with more words.
func (s *strange) and(words ...string) *strange {
	switch {
	case len(words) == 0:
		return s
	case s == nil:
		return &strange{words}
	}
	return &strange{append(slices.Clip(s.words), words...)}
}

// joined is what both tell.
func (s *strange) joined(other *strange) *strange {
	switch {
	case s == nil:
		return other
	case other == nil:
		return s
	}
	return s.and(other.words...)
}

// stray notes that a map of a struct's shape has an unknown field.
func (t *tree) stray(at *trail, key string, s *shape) {
	switch {
	case t.strange != nil && len(t.strange.words) >= manyStrange:
		t.strange = &strange{[]string{anyField}}
	case !t.strange.has(anyField):
		t.strange = t.strange.and(s.meant(at.path(), key)...)
	}
}

// meant guesses which fields of a struct an unknown one of the map at a path
// was meant to be: anyField if there is no guess.
func (s *shape) meant(at Path, key string) []string {
	switch known, ok := s.alias(key, at == ""); {
	case ok && known.field == "":
		return nil
	case ok:
		return []string{known.field}
	}
	if near := nearest(key, s.fieldWords()); len(near) > 0 {
		return near
	}
	return []string{anyField}
}

// explained tells whether a mistake that has been reported is the reason for
// word to be missing in the map at a path: the map has another form, or holds an
// unknown field that may have been meant to be word.
func (it *item) explained(at Path, word string) bool {
	if it.bad != nil && (it.bad[at] || it.bad[at.Sub(word)]) {
		return true
	}
	t := it.merged.find(at.Keys()...)
	return t != nil && (t.holed || t.strange.has(anyField) || t.strange.has(word))
}
