package desired

import "slices"

// manyStrange is from how many unknown fields on any may be meant by them.
const manyStrange = 16

// anyField stands for a field that may have been meant to be any.
const anyField = "*"

// stray notes that a map of a struct's shape has an unknown field.
func (t *tree) stray(at *trail, key string, s *shape) {
	switch {
	case len(t.strange) >= manyStrange:
		t.strange = append(t.strange[:0:0], anyField)
	case !slices.Contains(t.strange, anyField):
		t.strange = append(slices.Clip(t.strange), s.meant(at.path(), key)...)
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
	return t != nil && (t.holed || slices.Contains(t.strange, anyField) || slices.Contains(t.strange, word))
}
