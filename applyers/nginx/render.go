package nginx

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/desired"
)

// probeDomain is a domain that nobody can own (RFC 6761). Each file of ours
// sends one random name below it to the agent, so that the agent can tell which
// file the workers really run, and closes all others.
const probeDomain = "berth.invalid"

// probe is that name and where it goes; the zero probe is none.
type probe struct {
	name, to string
}

// stream is the content of a managed file.
type stream struct {
	mark   mark
	listen desired.List
	def    desired.Target
	routes map[string]desired.Target
	probe  probe
}

// mark is what makes a file ours: the fleet, by name and random id, and the edge.
type mark struct {
	fleet, uid string
	id         desired.ID
}

// prefix begins the first line of a file that is ours.
func (m mark) prefix() string {
	text := "# berth: " + m.fleet + "/" + string(m.id)
	if m.uid != "" {
		text += " " + m.uid
	}
	return text + ";"
}

// variable holds the target of a connection.
func (m mark) variable() string {
	return "$berth_" + strings.ReplaceAll(m.id.Name(), "-", "_") + "_target"
}

// render writes the file. What goes into it newly has been checked by
// validName and validTarget, since nginx's test looks at no value of a map; what
// people wrote is refused where it would end an entry.
func (s stream) render(ipv6 bool) ([]byte, error) {
	words, err := listens(s.listen, ipv6)
	if err != nil {
		return nil, err
	}
	if !writable(s.def.Text) {
		return nil, fmt.Errorf("default %q can't be written as it is", s.def.Text)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s do not edit: it is made from Git, and the next turn undoes what is changed here.\n", s.mark.prefix())
	// nginx sizes a bucket by the longest name: 512 is enough for 253 characters.
	b.WriteString("map_hash_bucket_size 512;\nmap_hash_max_size 65536;\n")
	fmt.Fprintf(&b, "map $ssl_preread_server_name %s {\n    hostnames;\n", s.mark.variable())
	entry := func(name, target string) {
		if target == reject {
			target = `""`
		}
		fmt.Fprintf(&b, "    %s %s;\n", name, target)
	}
	entry("default", s.def.Text)
	entry("."+probeDomain, reject)
	if s.probe.name != "" {
		entry(s.probe.name, s.probe.to)
	}
	for _, name := range slices.Sorted(maps.Keys(s.routes)) {
		target := s.routes[name].Text
		if !writable(name) || !writable(target) {
			return nil, fmt.Errorf("%q to %q can't be written as it is", name, target)
		}
		// nginx takes .name for name as well, and refuses to have it twice.
		if _, own := s.routes[name[1:]]; own && name[0] == '.' {
			name = "*" + name
		}
		entry(name, target)
	}
	b.WriteString("}\nserver {\n")
	for _, word := range words {
		fmt.Fprintf(&b, "    listen %s;\n", word)
	}
	b.WriteString("    ssl_preread on;\n    preread_timeout 5s;\n    proxy_connect_timeout 5s;\n")
	fmt.Fprintf(&b, "    proxy_pass %s;\n}\n", s.mark.variable())
	return []byte(b.String()), nil
}
