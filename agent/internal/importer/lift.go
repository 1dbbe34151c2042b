package importer

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"berth/desired"
)

// sharers is how many guests must share something for it to be lifted.
const sharers = 3

// profile is what several guests share.
type profile struct {
	name string
	kind string // "VM" or "Container"; "" for both
	// from is a guest whose values they are.
	from *doc
	spec any
	keep map[desired.Path]bool
	tag  string
}

// lift puts what at least three guests share into profiles: what nearly all
// guests of a kind have, and what goes with a tag. The manifests mean the same as
// before, or nothing is lifted.
func (m *maker) lift() error {
	before, _, err := m.load()
	if err != nil || before == nil {
		return errors.Join(err, errors.New("what was written can't be read back"))
	}
	plain := make([]map[desired.Path]bool, len(m.docs))
	tags := make([]desired.Words, len(m.docs))
	for i, d := range m.docs {
		plain[i] = maps.Clone(d.keep)
		if d.guest != nil {
			tags[i] = slices.Clone(d.guest.Tags)
		}
	}
	taken := make(map[string]bool)
	for _, kind := range []string{"VM", "Container"} {
		m.liftKind(kind, taken)
	}
	m.liftTags(taken)
	after, problems, err := m.load()
	if err != nil {
		return err
	}
	if m.out.Unlifted = problems.Error(); after != nil {
		m.out.Unlifted = unlike(before, after)
	}
	if m.out.Unlifted != "" {
		for i, d := range m.docs {
			d.keep, d.null = plain[i], nil
			if d.guest != nil {
				d.guest.Uses, d.guest.Tags = nil, tags[i]
			}
		}
		m.profiles = nil
	}
	return nil
}

// unlike says what one fleet asks of its guests and another does not; "" if
// nothing.
func unlike(a, b *desired.Fleet) string {
	if len(a.Resources) != len(b.Resources) {
		return fmt.Sprintf("there are %d guests, not %d", len(b.Resources), len(a.Resources))
	}
	for i, r := range a.Resources {
		other := b.Resources[i]
		if r.ID != other.ID {
			return fmt.Sprintf("%s stands in the place of %s", other.ID, r.ID)
		}
		have := leaves(other.ID.Kind(), other.Spec)
		for path, value := range leaves(r.ID.Kind(), r.Spec) {
			if r.Set.Has(path) && (!other.Set.Has(path) || have[path] != value) {
				return fmt.Sprintf("%s %s would be %s, not %s", r.ID, path, shown(have[path]), shown(value))
			}
		}
	}
	return ""
}

func leaves(kind string, spec any) map[desired.Path]string {
	out := make(map[desired.Path]string)
	for _, leaf := range desired.Leaves(kind, spec) {
		out[leaf.Path] = desired.Text(leaf.Value)
	}
	return out
}

// shareable tells whether a path is a matter of sorts of guests, not of one.
func shareable(path desired.Path) bool {
	switch path.Keys()[0] {
	case "cpu", "memory", "swap", "agent", "bios", "machine", "scsihw", "ostype", "vga", "serial0", "tablet", "keyboard", "hotplug",
		"protection", "features", "dns", "search", "unprivileged", "startup", "pool":
		return true
	}
	return path == sharedNIC
}

// values are a guest's values that are written and may be shared.
func (d *doc) values() map[desired.Path]string {
	all := d.leaves()
	out := make(map[desired.Path]string)
	for path := range d.keep {
		// What is empty takes out what a profile gives, and is given by none.
		if value, leaf := all[path]; leaf && value != "" && shareable(path) && (path != sharedNIC || d.choice) {
			out[path] = value
		}
	}
	return out
}

// leaves are the guest's values, as they are when sharing begins.
func (d *doc) leaves() map[desired.Path]string {
	if d.told == nil {
		d.told = leaves(d.short(), d.spec)
	}
	return d.told
}

func (m *maker) ofKind(kind string) []*doc {
	return slices.DeleteFunc(slices.Clone(m.docs), func(d *doc) bool { return d.guest == nil || kind != "" && d.kind != kind })
}

// liftKind makes a profile of what nearly all guests of a kind have. Those that
// have it otherwise say so.
func (m *maker) liftKind(kind string, taken map[string]bool) {
	docs := m.ofKind(kind)
	if len(docs) < sharers {
		return
	}
	counts := make(map[desired.Path]map[string]int)
	for _, d := range docs {
		for path, value := range d.values() {
			if counts[path] == nil {
				counts[path] = make(map[string]int)
			}
			counts[path][value]++
		}
	}
	p := &profile{kind: kind, keep: make(map[desired.Path]bool)}
	lifted := make(map[desired.Path]string)
	for path, values := range counts {
		value := byCount(values)[0]
		n := values[value]
		// How much of everything a guest has is its own affair.
		size := path == "cpu.cores" || path == "memory" || path == "memory.size" || strings.HasPrefix(string(path), "networks")
		if n < sharers || 4*n < 3*len(docs) || size && n < len(docs) || !liftable(docs, path, value) {
			continue
		}
		lifted[path] = value
	}
	if len(lifted) == 0 {
		return
	}
	p.from, p.spec = sample(docs, lifted)
	if p.from == nil {
		return
	}
	for path := range lifted {
		p.keep[path] = true
	}
	p.name = within(taken, strings.ToLower(kind), strings.ToLower(kind))
	for _, d := range docs {
		has := d.values()
		for path, value := range lifted {
			switch have, written := has[path]; {
			case written && have == value:
				d.dropOne(path)
			case !written && d.refused[path]:
				d.null[path] = true
			case !written:
				d.write(path) // Explicitly what it was by default.
			}
		}
		d.use(p.name)
	}
	m.profiles = append(m.profiles, p)
}

// liftable tells whether a list, which adds up, can stand in a profile: every
// guest that has another must have all of it.
func liftable(docs []*doc, path desired.Path, value string) bool {
	switch path {
	case "features", "dns", "search", "cpu.flags":
	default:
		return true
	}
	for _, d := range docs {
		have := strings.Fields(d.leaves()[path])
		for word := range strings.FieldsSeq(value) {
			if len(have) > 0 && !slices.Contains(have, word) {
				return false
			}
		}
	}
	return true
}

// sample is a guest that has all values, or a copy of the first that is given
// them; nil if there is none.
func sample(docs []*doc, values map[desired.Path]string) (*doc, any) {
	for _, d := range docs {
		have := d.values()
		if !slices.ContainsFunc(slices.Collect(maps.Keys(values)), func(p desired.Path) bool { return have[p] != values[p] }) {
			return d, d.spec
		}
	}
	// Value by value, from whoever has it.
	first := docs[0]
	spec := reflect.New(reflect.TypeOf(first.spec).Elem())
	for path, value := range values {
		for _, d := range docs {
			if d.values()[path] == value {
				copyAt(spec.Elem(), reflect.ValueOf(d.spec).Elem(), path.Keys())
				break
			}
		}
	}
	return first, spec.Interface()
}

// copyAt copies one value from a struct into another of its type, by the words of
// its path.
func copyAt(to, from reflect.Value, keys []string) {
	for i := range to.NumField() {
		field := to.Type().Field(i)
		word, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			copyAt(to.Field(i), from.Field(i), keys)
		case word != keys[0]:
		case len(keys) > 1 && field.Type.Kind() == reflect.Struct:
			copyAt(to.Field(i), from.Field(i), keys[1:])
		default:
			to.Field(i).Set(from.Field(i))
		}
	}
}

// dropOne drops a path, and nothing below it.
func (d *doc) dropOne(path desired.Path) {
	delete(d.keep, path)
	if path == sharedNIC {
		// The profile says that there is one.
		delete(d.keep, "networks.net0")
	}
}

// sharedNIC is the one word of a slot that profiles give.
const sharedNIC desired.Path = "networks.net0.network"

// use adds a profile.
func (d *doc) use(name string) {
	d.guest.Uses = append(d.guest.Uses, name)
	d.write("uses")
}

// liftTags makes a profile of what all guests with a tag have, if that is more
// than the tag.
func (m *maker) liftTags(taken map[string]bool) {
	members := make(map[string][]*doc)
	counts := make(map[string]int)
	for _, d := range m.ofKind("") {
		if !d.keep["tags"] {
			continue
		}
		for _, tag := range slices.Compact(slices.Sorted(slices.Values(d.guest.Tags))) {
			members[tag] = append(members[tag], d)
			counts[tag]++
		}
	}
	for _, tag := range byCount(counts) {
		docs := members[tag]
		if len(docs) < sharers || valid(tag) == "" {
			continue
		}
		shared := docs[0].values()
		kind := docs[0].kind
		for _, d := range docs[1:] {
			have := d.values()
			maps.DeleteFunc(shared, func(path desired.Path, value string) bool { return have[path] != value })
			if d.kind != kind {
				kind = ""
			}
		}
		if kind == "" {
			maps.DeleteFunc(shared, func(path desired.Path, _ string) bool { return !forBoth(path) })
		}
		if len(shared) == 0 {
			continue
		}
		p := &profile{name: within(taken, valid(tag), ""), kind: kind, from: docs[0], tag: tag, keep: map[desired.Path]bool{"tags": true}}
		p.spec = docs[0].spec
		for path := range shared {
			p.keep[path] = true
		}
		m.profiles = append(m.profiles, p)
		for _, d := range docs {
			for path := range shared {
				d.dropOne(path)
			}
			d.use(p.name)
			d.guest.Tags = slices.DeleteFunc(slices.Clone(d.guest.Tags), func(t string) bool { return t == tag })
			d.choose("tags", len(d.guest.Tags) > 0)
		}
	}
}

// forBoth tells whether a path means the same to virtual machines and containers.
func forBoth(path desired.Path) bool {
	switch path.Keys()[0] {
	case "startup", "protection", "pool", "networks":
		return true
	}
	return false
}

// profileText writes the profiles. A tag's profile gives the tag, too.
func profileText(profiles []*profile) ([]byte, error) {
	var docs []desired.Document
	for _, p := range profiles {
		spec := reflect.New(reflect.TypeOf(p.spec).Elem())
		spec.Elem().Set(reflect.ValueOf(p.spec).Elem())
		if p.tag != "" {
			switch s := spec.Interface().(type) {
			case *desired.VM:
				s.Tags = desired.Words{p.tag}
			case *desired.Container:
				s.Tags = desired.Words{p.tag}
			}
		}
		docs = append(docs, desired.Document{Kind: "Profile", Name: p.name, For: p.kind, Spec: spec.Interface(), Keep: p.keep})
	}
	text, err := desired.Write(docs...)
	if err != nil {
		return nil, fmt.Errorf("write the profiles: %w", err)
	}
	return text, nil
}
