package desired

// A pathNode is a path that was met while loading, with those below it. Guests
// have most of their paths in common: each is made once.
type pathNode struct {
	path  Path
	below map[string]*pathNode
}

// sub is [Path.Sub].
func (n *pathNode) sub(key string) *pathNode {
	if known := n.below[key]; known != nil {
		return known
	}
	if n.below == nil {
		n.below = make(map[string]*pathNode)
	}
	made := &pathNode{path: n.path.Sub(key)}
	n.below[key] = made
	return made
}

// of finds the node of a path below n.
func (n *pathNode) of(path Path) *pathNode {
	for _, key := range path.Keys() {
		n = n.sub(key)
	}
	return n
}
