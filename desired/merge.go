package desired

import (
	"slices"
	"strings"
)

// merger lays layers over each other: maps merge deeply, lists add up, the last
// scalar wins, null takes out.
type merger struct {
	report func(Source, string)
}

// layers merges trees of a struct's shape, the lowest first. What is left holds
// no null, no short form and no "-x".
func (m merger) layers(s *shape, trees ...*tree) *tree {
	return m.over(&tree{form: mapForm}, s, trees...)
}

// over lays trees over what was merged before, which stays as it is.
func (m merger) over(merged *tree, s *shape, trees ...*tree) *tree {
	for _, t := range trees {
		if t != nil && t.form == mapForm {
			merged = m.merge(nil, merged, t, s, nil)
		}
	}
	return merged
}

// A trail is the way to a value, the last key first. Few values are ever spoken of,
// so that paths are made when they are.
type trail struct {
	up  *trail
	key string
}

// path is where the trail leads.
func (t *trail) path() Path {
	if t == nil {
		return ""
	}
	return t.up.path().Sub(t.key)
}

// merge lays high over low; nil if nothing is left.
func (m merger) merge(at *trail, low, high *tree, s *shape, f *field) *tree {
	switch {
	case high == nil:
		return low
	case high.form == nullForm:
		return nil
	case f != nil && f.later != "":
		return high
	}
	switch s.is {
	case isStruct, isMap:
		return m.maps(at, low, high, s, f)
	case isList:
		return m.lists(at, low, high, s, f)
	case isScalar:
		if f != nil && f.short != "" && high.form == mapForm && len(high.entries) == 1 {
			if inner := high.get(f.short); inner != nil {
				return m.merge(at, low, inner, s, nil)
			}
		}
	default:
	}
	return high
}

func (m merger) maps(at *trail, low, high *tree, s *shape, f *field) *tree {
	if s.detachable {
		low, high = detached(low, high)
	}
	if short := shortOf(s, f); short != "" && high.form == scalarForm {
		high = &tree{form: mapForm, at: high.at, entries: []entry{{key: short, at: high.at, value: high}}}
	}
	if high.form != mapForm {
		return high
	}
	var out *tree // nil as long as it would be high itself.
	if low != nil && low.form == mapForm && (len(low.entries) > 0 || low.holed || low.strange != nil) {
		out = high.over(low)
	}
	for i := range high.entries {
		e := &high.entries[i]
		sub, subField := s.elem, (*field)(nil)
		if s.is == isStruct {
			subField = s.byWord[e.key]
			if subField == nil {
				// Its own document's check has said so.
				if out == nil {
					out = high.upTo(i)
				}
				out.stray(at, e.key, s)
				continue
			}
			sub = subField.shape
			if out != nil && subField.instead != "" && e.value.form != nullForm && high.get(subField.instead) == nil {
				out.drop(subField.instead)
			}
		}
		value := e.value
		if value.form != scalarForm || sub.is != isScalar {
			// A plain value stands for itself, whatever lies below it.
			value = m.merge(&trail{at, e.key}, out.get(e.key), value, sub, subField)
		}
		if out == nil {
			if value == e.value {
				continue
			}
			out = high.upTo(i)
		}
		if value == nil {
			out.drop(e.key)
			continue
		}
		out.put(entry{key: e.key, at: e.at, value: value})
	}
	if out == nil {
		return high
	}
	return out
}

// over is what a map begins with that lies over another.
func (t *tree) over(low *tree) *tree {
	return &tree{
		form: mapForm, at: t.at, holed: t.holed || low.holed,
		strange: low.strange.joined(t.strange),
		entries: append(make([]entry, 0, len(low.entries)+len(t.entries)), low.entries...),
	}
}

// upTo is a map with the first n of t's entries, and room for the others.
func (t *tree) upTo(n int) *tree {
	return &tree{
		form: mapForm, at: t.at, holed: t.holed, strange: t.strange,
		entries: append(make([]entry, 0, len(t.entries)), t.entries[:n]...),
	}
}

// detached lets "absent" stand alone, whatever lower layers say of a disk or a
// NIC, and lets whatever a higher layer says of it bring it back.
func detached(low, high *tree) (*tree, *tree) {
	switch {
	case high.form == scalarForm && high.text == wordAbsent:
		low = nil
		high = &tree{form: mapForm, at: high.at, entries: []entry{{key: "state", at: high.at, value: high}}}
	case high.form == mapForm && high.get("state") != nil && high.get("state").form != nullForm:
		low = nil
	case high.form == mapForm && low != nil:
		low = low.without("state")
	}
	return low, high
}

// wordAbsent says of a disk or a NIC that it shall not be.
const wordAbsent = "absent"

func (m merger) lists(at *trail, low, high *tree, s *shape, f *field) *tree {
	if high.form != listForm || f != nil && f.replace {
		return high
	}
	if f != nil && f.literal {
		return signed(low, high)
	}
	words := s.words()
	if (low == nil || low.form != listForm) && high.standsAlone(words) {
		return high
	}
	out := &tree{form: listForm, at: high.at}
	if low != nil && low.form == listForm {
		out.items = append(make([]*tree, 0, len(low.items)+len(high.items)), low.items...)
	}
	for _, item := range high.items {
		word, ok := item.removal()
		if !ok || !words {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(out.items), func(t *tree) bool { return t.means(word, s.elem.short) })
		if len(left) == len(out.items) {
			m.report(item.src(), string(at.path())+": -"+word+" takes out what no layer below gives: leave it out")
		}
		out.items = left
	}
	var seen map[string]bool
	if many := len(out.items) + len(high.items); many > manyEntries {
		// Lists of words may be long, lists of maps are not.
		seen = make(map[string]bool, many)
		for _, item := range out.items {
			seen[item.text] = true
		}
	}
	for _, item := range high.items {
		if _, ok := item.removal(); ok && words {
			continue
		}
		if (seen == nil || seen[item.text]) && slices.ContainsFunc(out.items, item.same) {
			continue
		}
		if seen != nil {
			seen[item.text] = true
		}
		out.items = append(out.items, item)
	}
	return out
}

// standsAlone tells that a list which lies over none is as it is: it takes nothing
// out and says nothing twice. Of long ones that is not looked at.
func (t *tree) standsAlone(words bool) bool {
	if len(t.items) > manyEntries {
		return false
	}
	for i, item := range t.items {
		if _, ok := item.removal(); ok && words {
			return false
		}
		if slices.ContainsFunc(t.items[:i], item.same) {
			return false
		}
	}
	return true
}

// signed lays lists over each other whose items begin with + or -: of each item
// the highest layer's sign wins.
func signed(low, high *tree) *tree {
	out := &tree{form: listForm, at: high.at}
	if low != nil && low.form == listForm {
		for _, item := range low.items {
			if !slices.ContainsFunc(high.items, func(t *tree) bool { return unsigned(t.text) == unsigned(item.text) }) {
				out.items = append(out.items, item)
			}
		}
	}
	for _, item := range high.items {
		if !slices.ContainsFunc(out.items, item.same) {
			out.items = append(out.items, item)
		}
	}
	return out
}

// unsigned is an item of such a list without its sign.
func unsigned(text string) string { return strings.TrimLeft(text, "+-") }

// means tells whether an item of a list is word, or the map that word is short
// for.
func (t *tree) means(word, short string) bool {
	if t.form == scalarForm {
		return t.text == word
	}
	inner := t.get(short)
	return inner != nil && inner.text == word
}
