package desired

import "gopkg.in/yaml.v3"

// A spare is room for the trees of one document, made in one piece: there are a
// dozen to a guest, all of which live as long as the load.
type spare struct {
	trees   []tree
	items   []*tree
	entries []entry
}

// measure makes room for what a node comes to, without what its aliases stand for.
func (s *spare) measure(n *yaml.Node) {
	var trees, items, entries int
	count(n, 0, &trees, &items, &entries)
	s.trees, s.items, s.entries = make([]tree, trees), make([]*tree, items), make([]entry, entries)
}

func count(n *yaml.Node, depth int, trees, items, entries *int) {
	*trees++
	if depth > maxDepth {
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		*entries += len(n.Content) / 2
		for i := 1; i < len(n.Content); i += 2 {
			count(n.Content[i], depth+1, trees, items, entries)
		}
	case yaml.SequenceNode:
		*items += len(n.Content)
		for _, item := range n.Content {
			count(item, depth+1, trees, items, entries)
		}
	default:
	}
}

// tree is a new one.
func (s *spare) tree() *tree {
	if len(s.trees) == 0 {
		return &tree{}
	}
	t := &s.trees[0]
	s.trees = s.trees[1:]
	return t
}

// list is an empty list with room for n.
func (s *spare) list(n int) []*tree {
	if n == 0 || n > len(s.items) {
		return make([]*tree, 0, n)
	}
	list := s.items[:0:n]
	s.items = s.items[n:]
	return list
}

// table is an empty map with room for n.
func (s *spare) table(n int) []entry {
	if n == 0 || n > len(s.entries) {
		return make([]entry, 0, n)
	}
	table := s.entries[:0:n]
	s.entries = s.entries[n:]
	return table
}
