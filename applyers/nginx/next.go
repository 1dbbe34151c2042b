package nginx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/applyers"
	"berth/applyers/nginx/conf"
	"berth/desired"
	"berth/drift"
)

// next is an edge being made out of what is there and a job's fields.
type next struct {
	*desired.Edge
	// base is what is there.
	base *desired.Edge
	// made are the fields that are in it, failed is why others are not.
	made   map[desired.Path]bool
	failed map[desired.Path]error
}

// fail takes a field back.
func (n *next) fail(path desired.Path, why error) {
	_ = move(n.Edge, n.base, path) // What could be moved here can be moved back.
	n.failed[path] = why
	delete(n.made, path)
}

// failAll takes those made fields back that are within a path.
func (n *next) failAll(within desired.Path, why error) {
	for path := range n.made {
		if path.Within(within) {
			n.fail(path, why)
		}
	}
}

// first is the reason of the first field that failed.
func (n *next) first() string {
	for _, path := range slices.Sorted(maps.Keys(n.failed)) {
		return n.failed[path].Error()
	}
	return "it has no fields"
}

// with puts a job's fields into what is there. What they do not speak of stays as it
// is: a name that is held holds no other.
func with(st *state, want *desired.Edge, fields []drift.Field) *next {
	n := &next{Edge: copyOf(st.base), base: copyOf(st.base), made: make(map[desired.Path]bool), failed: make(map[desired.Path]error)}
	live, wanted := texts(st.live), texts(want)
	for _, f := range fields {
		// What is neither as it was planned nor as it shall be has been moved by
		// somebody in between.
		if now := live[f.Path]; now != f.After.Text && !maybe(f.Before.Text, now) {
			n.failed[f.Path] = fmt.Errorf("%s has changed since it was planned, from %q to %q: the next turn plans it again", f.Path, f.Before.Text, now)
			continue
		}
		from := want
		if isTarget(f.Path) || f.After == (drift.Value{}) {
			from = aimed(f.Path, desired.Target{Text: f.After.Text})
		} else if f.After.Text != wanted[f.Path] {
			n.failed[f.Path] = fmt.Errorf("%s was planned to become %q and would become %q: the next turn plans it again", f.Path, f.After.Text, wanted[f.Path])
			continue
		}
		if err := move(n.Edge, from, f.Path); err != nil {
			n.failed[f.Path] = err
			continue
		}
		n.made[f.Path] = true
	}
	n.rest()
	return n
}

// rest takes back what would rest on nothing: a new upstream without servers, what
// leads to an upstream that is not there, a side without a default. An upstream that
// something leads to stays.
func (n *next) rest() {
	for name, up := range n.Upstreams {
		if len(up.Servers) == 0 {
			n.failAll(upstreamsPath.Sub(name), fmt.Errorf("the upstream %s has no servers yet", name))
			delete(n.Upstreams, name)
		}
	}
	for _, path := range n.leading() {
		to, _ := targetAt(n.Edge, path)
		if _, there := n.Upstreams[to.Text]; there {
			continue
		}
		if _, was := n.base.Upstreams[to.Text]; was {
			n.failAll(upstreamsPath.Sub(to.Text), fmt.Errorf("%s still leads to the upstream %s, so it stays", path, to.Text))
			n.Upstreams[to.Text] = n.base.Upstreams[to.Text]
		} else if n.made[path] {
			n.fail(path, fmt.Errorf("the upstream %s is not there yet", to.Text))
		}
	}
	for _, side := range []struct {
		at     desired.Path
		def    desired.Target
		routes map[string]desired.Target
	}{{"tls", n.TLS.Default, n.TLS.Routes}, {"http", n.HTTP.Default, n.HTTP.Routes}} {
		if side.def.Text != "" {
			continue
		}
		why := errors.New("the first file needs a default, whose address is not known yet")
		if err := n.failed[side.at+".default"]; err != nil {
			why = fmt.Errorf("the first file needs a default: %w", err)
		}
		now := texts(n.Edge)
		for path := range n.made {
			if path.Within(side.at) && now[path] != "" {
				n.fail(path, why)
			}
		}
	}
}

// leading are the paths of targets that are the names of upstreams, sorted.
func (n *next) leading() []desired.Path {
	var all []desired.Path
	for _, leaf := range desired.Leaves(desired.KindEdge, n.Edge) {
		if t, ok := leaf.Value.(desired.Target); ok && named(t) {
			all = append(all, leaf.Path)
		}
	}
	return all
}

// named tells whether a target can only be an upstream's name.
func named(t desired.Target) bool {
	return t.Text != "" && t.Text != desired.RejectTarget && t.Text != desired.RedirectTarget && !strings.ContainsAny(t.Text, ":/")
}

// render writes the files. A field that can't be written is taken back; what people
// wrote that can't be written again is taken out.
func (n *next) render(o conf.Options, p applyers.Progress) (conf.Files, error) {
	for {
		files, err := conf.Render(n.Edge, o)
		unfit, ok := errors.AsType[*conf.UnfitError](err)
		if !ok {
			return files, err
		}
		before := fmt.Sprint(texts(n.Edge))
		for _, fault := range unfit.Faults {
			if n.made[fault.Path] {
				n.fail(fault.Path, errors.New(fault.Reason))
				continue
			}
			if keys := fault.Path.Keys(); len(keys) > 0 {
				p.Say(fmt.Sprintf("%q was written by hand and is taken out", keys[len(keys)-1]))
			}
			_ = move(n.Edge, new(desired.Edge), fault.Path)
		}
		n.rest()
		if fmt.Sprint(texts(n.Edge)) == before {
			return files, err
		}
	}
}
