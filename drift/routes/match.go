package routes

import (
	"slices"
	"strings"

	"berth/desired"
)

// match finds the route that decides a name, as nginx's maps of hostnames do: the
// name itself, then the longest suffix. "*.x" asks for all names below x. "" is the
// default: no route has the name.
func match(routes map[string]desired.Target, name string) (rule string) {
	if _, ok := routes[name]; ok && name != "" {
		return name
	}
	if name == "" {
		return ""
	}
	if _, ok := routes["."+name]; ok {
		return "." + name
	}
	for rest := name; ; {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return ""
		}
		rest = rest[dot+1:]
		for _, rule := range [...]string{"*." + rest, "." + rest} {
			if _, ok := routes[rule]; ok {
				return rule
			}
		}
	}
}

// atoms are the parts of a route that other edges may tell apart: .x is x, and all
// below it.
func atoms(rule string) []string {
	if bare, ok := strings.CutPrefix(rule, "."); ok {
		return []string{bare, "*." + bare}
	}
	return []string{rule}
}

// states tells whether a rule speaks of just this atom, and of no broader name.
func states(rule, atom string) bool {
	switch {
	case rule == "":
		return false
	case rule == atom:
		return true
	case rule[0] == '.':
		return rule[1:] == strings.TrimPrefix(atom, "*.")
	}
	return false
}

// order is what names are sorted by: from the last label on, so that what belongs
// together stands together.
func order(name string) string {
	labels := strings.Split(name, ".")
	var b strings.Builder
	for _, label := range slices.Backward(labels) {
		b.WriteString(label)
		b.WriteByte(0)
	}
	return b.String()
}
