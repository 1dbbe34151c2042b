package conf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/desired"
)

// Render writes an edge's files. The same edge gives the same bytes. Its error is
// an [UnfitError] where the edge has what can't be written.
func Render(edge *desired.Edge, o Options) (Files, error) {
	if faults := unforgiven(edge, o.Live); len(faults) > 0 {
		return Files{}, &UnfitError{Faults: faults}
	}
	words, err := Listens(edge.TLS.Listen, o.IPv6)
	if err != nil {
		return Files{}, err
	}
	if len(edge.Upstreams)+len(edge.TCP)+len(edge.UDP)+len(edge.HTTP.Listen) > 0 {
		return Files{}, errors.New("upstreams, http, tcp and udp can't be written yet")
	}
	variable := "$" + o.Mark.word() + "target"
	var b strings.Builder
	fmt.Fprintf(&b, "%s do not edit: it is made from Git, and the next turn undoes what is changed here.\n", o.Mark.prefix())
	// nginx sizes a bucket by the longest name: 512 is enough for 253 characters.
	b.WriteString("map_hash_bucket_size 512;\nmap_hash_max_size 65536;\n")
	fmt.Fprintf(&b, "map $ssl_preread_server_name %s {\n    hostnames;\n", variable)
	entry := func(name, target string) {
		if target == reject {
			target = `""`
		}
		fmt.Fprintf(&b, "    %s %s;\n", name, target)
	}
	entry("default", edge.TLS.Default.Text)
	entry("."+Domain, reject)
	if o.Witness.Name != "" && o.Witness.Stream != "" {
		entry(o.Witness.Name, o.Witness.Stream)
	}
	for _, name := range slices.Sorted(maps.Keys(edge.TLS.Routes)) {
		target := edge.TLS.Routes[name].Text
		// nginx takes .name for name as well, and refuses to have it twice.
		if _, own := edge.TLS.Routes[name[1:]]; own && name[0] == '.' {
			name = "*" + name
		}
		entry(name, target)
	}
	b.WriteString("}\nserver {\n")
	for _, word := range words {
		fmt.Fprintf(&b, "    listen %s;\n", word)
	}
	b.WriteString("    ssl_preread on;\n    preread_timeout 5s;\n    proxy_connect_timeout 5s;\n")
	fmt.Fprintf(&b, "    proxy_pass %s;\n}\n", variable)
	return Files{Stream: []byte(b.String())}, nil
}

// unforgiven are an edge's faults but for those that stand in the live files
// already and can be written again.
func unforgiven(edge, live *desired.Edge) []Fault {
	faults := Faults(edge)
	if live == nil || len(faults) == 0 {
		return faults
	}
	return slices.DeleteFunc(faults, func(f Fault) bool {
		keys := f.Path.Keys()
		if f.Path == "tls.default" {
			return edge.TLS.Default == live.TLS.Default && writable(edge.TLS.Default.Text)
		}
		if !f.Path.Within("tls.routes") || len(keys) != 3 {
			return false
		}
		now, there := live.TLS.Routes[keys[2]]
		return there && now == edge.TLS.Routes[keys[2]] && writable(keys[2]) && writable(now.Text)
	})
}
