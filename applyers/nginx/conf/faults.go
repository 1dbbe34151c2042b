package conf

import (
	"slices"
	"strings"

	"berth/desired"
)

// Faults lists what of an edge can't be rendered, sorted by path; nil if all of it
// can. A target that is a guest's is one: its address is not known yet.
func Faults(edge *desired.Edge) []Fault {
	var all []Fault
	wrong := func(path desired.Path, err error) {
		if err != nil {
			all = append(all, Fault{Path: path, Reason: err.Error()})
		}
	}
	if _, err := Listens(edge.TLS.Listen, false); err != nil {
		wrong("tls.listen", err)
	}
	target := func(path desired.Path, t desired.Target) {
		if t.Text != reject {
			wrong(path, validAddress(t.Text))
		}
	}
	target("tls.default", edge.TLS.Default)
	for name, t := range edge.TLS.Routes {
		path := desired.Path("tls.routes").Sub(name)
		if err := validName(name); err != nil {
			wrong(path, err)
			continue
		}
		if other, found := clash(name, edge.TLS.Routes); found {
			all = append(all, Fault{path, other + " is routed, too: write " + name[1:] + " for all below it, and nothing else"})
			continue
		}
		target(path, t)
	}
	slices.SortFunc(all, func(a, b Fault) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return all
}
