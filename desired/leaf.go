package desired

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// The facts about a guest that others ask for.
const (
	// FactAddress is the address under which the guest is reached.
	FactAddress = "address"
	// FactInstance changes when the guest is made anew.
	FactInstance = "instance"
	// FactUUID is the product UUID that a virtual machine shows to its system.
	FactUUID = "uuid"
	// FactHostKeys are the guest's public SSH host keys, learnt otherwise than from
	// whoever answers at its address: one a line, sorted, each its kind and itself
	// ("ssh-ed25519 AAAA…").
	FactHostKeys = "hostkeys"
)

// Lookup answers a fact about a guest, if it is known.
type Lookup func(id ID, fact string) (value string, known bool)

// Deferred is a leaf that may depend on what is known only once something else
// stands.
type Deferred interface {
	// Resolve gives the leaf with the facts put in; or, while one is unknown,
	// whose it is: "vm/web-1 address".
	Resolve(fact Lookup) (leaf any, from string)
}

// Leaf is one value of a spec that can be compared with live.
type Leaf struct {
	Path   Path
	Value  any
	Effect Effect
	// Privilege is what changing it needs on the guest itself: a Proxmox
	// privilege, "root@pam" where no token may, "" where the tags don't say.
	Privilege string
	// Exact is true within a map that the manifest owns whole: what is live
	// there and not wanted is to go.
	Exact bool
}

// Leaves lists the comparable values of spec, a pointer to a kind's type,
// sorted by path. kind is the short kind, which decides where an effect differs
// between kinds.
func Leaves(kind string, spec any) []Leaf {
	return LeavesWhere(kind, spec, func(Path, bool) bool { return true })
}

// LeavesWhere lists of the comparable values those that keep wants, told by path
// and by whether the manifest owns the map that they stand in whole. What it does
// not want costs nothing.
func LeavesWhere(kind string, spec any, keep func(path Path, exact bool) bool) []Leaf {
	return new(LeafReader).Append(nil, kind, spec, keep)
}

// A LeafReader is for who looks at many specs, one after the other: what they have in
// common, as nearly all of their paths, is made once. The zero LeafReader has seen
// none. It is for one goroutine at a time.
type LeafReader struct {
	paths   map[leafPath]Path
	entries map[leafEntry]Path
	rooms   map[*leafPlan]leafRoom
}

// Append is [LeavesWhere]; it appends to a list that is there.
func (r *LeafReader) Append(to []Leaf, kind string, spec any, keep func(path Path, exact bool) bool) []Leaf {
	v := reflect.ValueOf(spec).Elem()
	w := leafWalk{LeafReader: r, keep: keep, leaves: to}
	w.value("", v, leafPlanOf(kind, v.Type()))
	leaves := w.leaves[len(to):]
	if own, ok := spec.(effects); ok {
		for i := range leaves {
			leaves[i].Effect = own.effectOf(leaves[i].Path, leaves[i].Effect)
		}
		leaves = slices.DeleteFunc(leaves, func(leaf Leaf) bool { return leaf.Effect == "" })
	}
	slices.SortFunc(leaves, func(a, b Leaf) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return w.leaves[:len(to)+len(leaves)]
}

// effects is for specs that know better than their tags what a difference costs,
// since it depends on other fields. "" is no effect: the leaf is not compared.
type effects interface {
	effectOf(path Path, declared Effect) Effect
}

// isLeaf tells whether a type is compared as one value: whatever knows its own
// equality, and everything that is neither struct, map nor pointer.
func isLeaf(t reflect.Type) bool {
	if _, ok := t.MethodByName("Equal"); ok {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Pointer, reflect.Slice:
		return false
	default:
		return true
	}
}

// byKind reads a tag for a kind: one word, or "vm=one,ct=other"; what is not
// said is inherited. A data VM is a virtual machine.
func byKind(kind, tag, inherited string) string {
	switch {
	case tag == "":
		return inherited
	case !strings.Contains(tag, "="):
		return tag
	case kind == KindData:
		kind = KindVM
	}
	for part := range strings.SplitSeq(tag, ",") {
		if k, word, _ := strings.Cut(part, "="); k == kind {
			return word
		}
	}
	return inherited
}

// Text writes a leaf as a manifest or a report would.
func Text(v any) string {
	if s, ok := v.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprint(v)
}

// Zero tells whether a leaf says nothing: an empty word, no size, an empty set.
func Zero(v any) bool {
	value := reflect.ValueOf(v)
	switch value.Kind() {
	case reflect.Slice, reflect.Map:
		return value.Len() == 0
	case reflect.Invalid:
		return true
	default:
		return value.IsZero()
	}
}
