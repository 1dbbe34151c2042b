package drift

import (
	"fmt"
	"reflect"
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
	return new(Comparer).compare(w, want, have)
}

// A Comparer compares one resource after the other, in the same memory. The zero
// Comparer is ready.
type Comparer struct {
	reader        desired.LeafReader
	wanted, lives []desired.Leaf
}

// Agrees tells whether a comparison is going to find nothing to say, whatever is live
// elsewhere: what depends on that never agrees. An applyer that asks while it observes
// need not keep how such a resource is, but lets [Live.Spec] be the wanted one: of
// thousands, few differ.
func (c *Comparer) Agrees(want *desired.Resource, have *Live) bool {
	unknown := World{Fleet: &desired.Fleet{}}
	fields, notes, err := c.compare(&unknown, want, have)
	return err == nil && len(fields) == 0 && len(notes) == 0
}

func (c *Comparer) compare(w *World, want *desired.Resource, have *Live) ([]Field, []Note, error) {
	if have != nil && have.Spec == want.Spec {
		return nil, nil, nil
	}
	c.wanted = c.reader.Append(c.wanted[:0], want.ID.Kind(), want.Spec, func(path desired.Path, _ bool) bool {
		return want.Set.Has(path) && !want.Ignores(path)
	})
	c.lives = c.lives[:0]
	var fields []Field
	if have != nil {
		c.lives = c.reader.Append(c.lives, want.ID.Kind(), have.Spec, func(path desired.Path, exact bool) bool {
			return (exact || want.Set.Has(path)) && !want.Ignores(path)
		})
	} else if len(c.wanted) > 0 {
		fields = make([]Field, 0, len(c.wanted))
	}
	wanted, lives := c.wanted, c.lives
	var notes []Note
	for _, leaf := range wanted {
		source := want.Set.At(leaf.Path)
		after, from := resolve(w, leaf.Value)
		var before desired.Leaf
		at, there := find(lives, leaf.Path)
		if there {
			before = lives[at]
			same, err := equal(before.Value, after)
			if err != nil {
				return nil, nil, fmt.Errorf("compare %s %s: %w", want.ID, leaf.Path, err)
			}
			if same && from == "" {
				continue
			}
		}
		field := Field{Path: leaf.Path, After: Value{Text: desired.Text(after), From: from}, Effect: leaf.Effect, Source: source}
		if there {
			field.Before.Text = desired.Text(before.Value)
			field.By = have.By[leaf.Path]
		}
		if have != nil && leaf.Effect == desired.Create {
			// A fact that live can't tell is no difference.
			if there && !desired.Zero(before.Value) {
				text := fmt.Sprintf("live %s, in Git %s", field.Before.Text, field.After.Text)
				if leaf.Path == "cloudInit" {
					text = "it has changed since" // Two digests tell nobody anything.
				}
				notes = append(notes, Note{
					ID: want.ID, Path: leaf.Path, Source: source,
					Text: fmt.Sprintf("%s is settled when the guest is made: %s; it applies at re-creation", leaf.Path, text),
				})
			}
			continue
		}
		fields = append(fields, field)
	}
	for _, leaf := range lives {
		if _, there := find(wanted, leaf.Path); leaf.Exact && !there {
			fields = append(fields, Field{Path: leaf.Path, Before: Value{Text: desired.Text(leaf.Value)}, Effect: leaf.Effect, By: have.By[leaf.Path]})
		}
	}
	slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return fields, notes, nil
}

// find looks a leaf up among leaves, which are sorted by path.
func find(leaves []desired.Leaf, path desired.Path) (at int, there bool) {
	return slices.BinarySearchFunc(leaves, path, func(leaf desired.Leaf, path desired.Path) int {
		return strings.Compare(string(leaf.Path), string(path))
	})
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
	// What is the same to the last bit is equal whatever equality the type has, and
	// costs go-cmp a thousand times more.
	if v := reflect.ValueOf(a); v.IsValid() && reflect.TypeOf(a) == reflect.TypeOf(b) && v.Comparable() && a == b {
		return true, nil
	}
	return cmp.Equal(a, b), nil
}
