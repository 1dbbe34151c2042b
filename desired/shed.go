package desired

// shed lets go of what a guest's manifest says once it is in the guest, but for what is
// asked for when all guests are known: the manifests of a fleet are several times as
// large in memory as what is made of them.
func (g *guest) shed() {
	left := *g.merged
	left.entries, left.index = nil, nil
	for i := range g.merged.entries {
		if e := &g.merged.entries[i]; g.asksAgainFor(e.key) {
			left.entries = append(left.entries, entry{key: e.key, at: e.at, value: e.value.kept(e.key)})
		}
	}
	var own *tree
	if e := g.own.position("needs"); e >= 0 {
		own = &tree{form: mapForm, at: g.own.at, entries: []entry{g.own.entries[e]}}
		own.entries[0].value = own.entries[0].value.kept("needs")
	}
	g.merged, g.own, g.tree = &left, nil, own
}

// asksAgainFor tells whether it matters where a word of the manifest stands when all
// guests are known.
func (g *guest) asksAgainFor(word string) bool {
	switch word {
	case "id", "hostname", "renamedFrom", "adopt", "groups", "needs", "expose", "cloudInit":
		return true
	case "disks":
		for _, d := range g.Disks {
			if d.Mount != "" {
				return true
			}
		}
	}
	return false
}

// kept is a copy of what is asked for again of a word's value: of lists the items, of
// disks where each stands.
func (t *tree) kept(word string) *tree {
	switch {
	case t.form == listForm:
		return t.copied(maxDepth)
	case word == "disks":
		return t.copied(1)
	default:
		return t.copied(0)
	}
}

// copied is a copy, so many levels of maps deep.
func (t *tree) copied(depth int) *tree {
	out := *t
	out.items, out.entries, out.index = nil, nil, nil
	if depth == 0 {
		return &out
	}
	for _, item := range t.items {
		out.items = append(out.items, item.copied(depth-1))
	}
	for i := range t.entries {
		e := t.entries[i]
		e.value = e.value.copied(depth - 1)
		out.entries = append(out.entries, e)
	}
	return &out
}
