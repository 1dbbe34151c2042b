package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// JSON writes the inventory so that Ansible's YAML inventory reads it. JSON, for
// what YAML takes for a date or a truth differs between its readers.
func (inv Inventory) JSON() ([]byte, error) {
	type group struct {
		Hosts    map[string]struct{} `json:"hosts,omitempty"`
		Children map[string]struct{} `json:"children,omitempty"`
	}
	all := struct {
		Hosts    map[string]map[string]any `json:"hosts,omitempty"`
		Children map[string]group          `json:"children,omitempty"`
	}{Hosts: inv.shown(), Children: make(map[string]group, len(inv.Groups))}
	for name, hosts := range inv.Groups {
		all.Children[name] = group{Hosts: names(hosts), Children: names(inv.Children[name])}
	}
	return text(map[string]any{"all": all})
}

// List is what a dynamic inventory script answers to --list: all there is to know
// in one call, so that Ansible asks for no host by itself.
//
// https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html
func (inv Inventory) List() ([]byte, error) {
	type group struct {
		// Hosts is there even where there are none: Ansible takes a group without
		// hosts, vars and children for a host.
		Hosts    []string `json:"hosts"`
		Children []string `json:"children,omitempty"`
	}
	out := map[string]any{
		"_meta": map[string]any{"hostvars": inv.shown()},
		"all":   group{Hosts: inv.names(), Children: slices.Sorted(maps.Keys(inv.Groups))},
	}
	for name, hosts := range inv.Groups {
		out[name] = group{Hosts: append([]string{}, hosts...), Children: inv.Children[name]}
	}
	return text(out)
}

// Host is what a dynamic inventory script answers to --host. It fails with an
// [UnknownHostError] where there is no such host.
func (inv Inventory) Host(name string) ([]byte, error) {
	own, ok := inv.Hosts[name]
	if !ok {
		return nil, &UnknownHostError{Host: name, Near: inv.near(name)}
	}
	return text(shown(own))
}

// shown are the hosts' variables as they may be printed.
func (inv Inventory) shown() map[string]map[string]any {
	out := make(map[string]map[string]any, len(inv.Hosts))
	for name, vars := range inv.Hosts {
		out[name] = shown(vars)
	}
	return out
}

// names are the hosts, sorted.
func (inv Inventory) names() []string {
	all := make([]string, 0, len(inv.Hosts))
	for name := range inv.Hosts {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func names(words []string) map[string]struct{} {
	out := make(map[string]struct{}, len(words))
	for _, word := range words {
		out[word] = struct{}{}
	}
	return out
}

// text is JSON that people can read.
func text(value any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("write the inventory: %w", err)
	}
	return out.Bytes(), nil
}
