package desired

import "slices"

// checkIgnore checks that the paths which a manifest lets go are the language's.
func (l *loader) checkIgnore(it *item, k *kind) {
	for _, node := range it.items("ignore") {
		if k.short == KindData && node.text == "hostname" {
			continue // No word of a DataVM, and compared all the same.
		}
		if node.form == scalarForm {
			l.checkIgnored(it, node, l.shapes.of(k.spec))
		}
	}
}

func (l *loader) checkIgnored(it *item, node *tree, s *shape) {
	keys := Path(node.text).Keys()
	if len(keys) == 0 {
		l.wrong(it, node.src(), "ignore: nothing is named: write a path, as in memory or disks.scsi1.cache")
		return
	}
	var f *field
	for i, key := range keys {
		switch s.is {
		case isMap:
			s, f = s.elem, nil
			continue
		case isStruct:
			if next := s.byWord[key]; next != nil {
				f, s = next, next.shape
				continue
			}
			words := s.fieldWords()
			slices.Sort(words)
			if near := nearest(key, words); len(near) > 0 {
				l.wrong(it, node.src(), "ignore: no field %q; did you mean %s?", node.text, oneOf(near))
				return
			}
		case isScalar:
			if f != nil && f.short == key && i == len(keys)-1 {
				return
			}
		case isList, isCommand, isAny, isLater:
		}
		if s.is == isAny {
			return
		}
		l.wrong(it, node.src(), "ignore: no field %q: write the path as the manifest does, as in disks.scsi1.cache", node.text)
		return
	}
}
