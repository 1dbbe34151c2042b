package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// Compare lists what differs between a wanted resource and its live self, by
// path. Only what the manifest sets is compared; facts settled at creation are
// told as notes. A nil have means that nothing is there: then all that is set
// differs.
func Compare(w *World, want *desired.Resource, have *Live) ([]Field, []Note, error) {
	live := make(map[desired.Path]desired.Leaf)
	if have != nil {
		for _, leaf := range desired.Leaves(want.ID.Kind(), have.Spec) {
			live[leaf.Path] = leaf
		}
	}
	var fields []Field
	var notes []Note
	wanted := make(map[desired.Path]bool)
	for _, leaf := range desired.Leaves(want.ID.Kind(), want.Spec) {
		source, set := want.Set[leaf.Path]
		wanted[leaf.Path] = set
		if !set || want.Ignores(leaf.Path) {
			continue
		}
		after, from := resolve(w, leaf.Value)
		before, there := live[leaf.Path]
		field := Field{Path: leaf.Path, After: Value{Text: desired.Text(after), From: from}, Effect: leaf.Effect, Source: source}
		if there {
			same, err := equal(before.Value, after)
			if err != nil {
				return nil, nil, fmt.Errorf("compare %s %s: %w", want.ID, leaf.Path, err)
			}
			if same && from == "" {
				continue
			}
			field.Before.Text = desired.Text(before.Value)
			field.By = have.By[leaf.Path]
		}
		if have != nil && leaf.Effect == desired.Create {
			// A fact that live can't tell is no difference.
			if there && !desired.Zero(before.Value) {
				notes = append(notes, Note{
					ID: want.ID, Path: leaf.Path, Source: source,
					Text: fmt.Sprintf("%s is settled when the guest is made: live %s, in Git %s; it applies at re-creation",
						leaf.Path, field.Before.Text, field.After.Text),
				})
			}
			continue
		}
		fields = append(fields, field)
	}
	for path, leaf := range live {
		if leaf.Exact && !wanted[path] && !want.Ignores(path) {
			fields = append(fields, Field{Path: path, Before: Value{Text: desired.Text(leaf.Value)}, Effect: leaf.Effect, By: have.By[path]})
		}
	}
	slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return fields, notes, nil
}

// resolve puts in what is known only live. A leaf that is still unknown keeps
// its own text and says what it waits for.
func resolve(w *World, leaf any) (value any, from string) {
	if d, ok := leaf.(desired.Deferred); ok {
		return d.Resolve(w.Fact)
	}
	return leaf, ""
}

// equal is the only place that asks go-cmp, whose authors reserve the right to
// panic on what it can't compare.
func equal(a, b any) (same bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("values of type %T can't be compared: %v", a, r)
		}
	}()
	return cmp.Equal(a, b), nil
}
