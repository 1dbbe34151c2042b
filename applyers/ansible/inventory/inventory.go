// Package inventory is a fleet as Ansible sees it: its hosts, their variables and
// the groups that playbooks' patterns know them by.
package inventory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"berth/desired"
)

// Inventory is a fleet as Ansible sees it.
type Inventory struct {
	// Hosts holds the variables of each host.
	Hosts map[string]map[string]any
	// Groups holds the hosts of each group, sorted.
	Groups map[string][]string
}

// Make lists all guests and Hosts of a fleet, in the groups that
// playbooks' patterns know them by. A host whose address is not known has no
// ansible_host. A guest's own variables beat what Berth sets, save berth_….
func Make(fleet *desired.Fleet, fact desired.Lookup) Inventory {
	inv := Inventory{Hosts: make(map[string]map[string]any), Groups: make(map[string][]string)}
	for _, r := range fleet.Resources {
		g := fleet.Guest(r.ID)
		if g == nil || g.State == desired.Absent {
			continue
		}
		berth := map[string]any{"berth_site": r.Site, "berth_project": g.Project, "berth_environment": g.Environment}
		if g.Number != 0 {
			berth["berth_n"] = g.Number
		}
		inv.add(fleet, fact, r.ID, g.SSH, g.Vars, berth)
	}
	for _, name := range slices.Sorted(maps.Keys(fleet.Hosts)) {
		h := fleet.Hosts[name]
		inv.add(fleet, fact, desired.MakeID(desired.KindHost, name), h.SSH, h.Vars, nil)
	}
	for _, hosts := range inv.Groups {
		slices.Sort(hosts)
	}
	return inv
}

func (inv Inventory) add(fleet *desired.Fleet, fact desired.Lookup, id desired.ID, ssh desired.SSH, own, berth map[string]any) {
	vars := make(map[string]any)
	ssh = Reach(fleet, ssh)
	if addr, known := fact(id, desired.FactAddress); known {
		vars["ansible_host"] = addr
	}
	if ssh.User != "" {
		vars["ansible_user"] = ssh.User
	}
	if ssh.Port != 0 {
		vars["ansible_port"] = ssh.Port
	}
	maps.Copy(vars, own)
	for name, value := range berth {
		if value != "" {
			vars[name] = value
		}
	}
	vars["berth_name"], vars["berth_id"] = id.Name(), string(id)
	inv.Hosts[id.Name()] = vars
	for _, group := range fleet.Groups(id) {
		inv.Groups[group] = append(inv.Groups[group], id.Name())
	}
}

// JSON writes the inventory so that Ansible's YAML inventory reads it. JSON, for
// what YAML takes for a date or a truth differs between its readers.
func (inv Inventory) JSON() ([]byte, error) {
	type group struct {
		Hosts map[string]map[string]any `json:"hosts,omitempty"`
	}
	all := struct {
		Hosts    map[string]map[string]any `json:"hosts,omitempty"`
		Children map[string]group          `json:"children,omitempty"`
	}{Hosts: inv.Hosts, Children: make(map[string]group)}
	for name, hosts := range inv.Groups {
		members := make(map[string]map[string]any)
		for _, host := range hosts {
			members[host] = map[string]any{}
		}
		all.Children[name] = group{Hosts: members}
	}
	text, err := json.MarshalIndent(map[string]any{"all": all}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the inventory: %w", err)
	}
	return append(text, '\n'), nil
}

// Reach fills what a guest leaves open from the fleet.
func Reach(fleet *desired.Fleet, ssh desired.SSH) desired.SSH {
	all := fleet.Spec.SSH
	if ssh.User == "" {
		ssh.User = all.User
	}
	if ssh.Port == 0 {
		ssh.Port = all.Port
	}
	if ssh.Key == (desired.SecretRef{}) {
		ssh.Key = all.Key
	}
	if ssh.KnownHosts == "" {
		ssh.KnownHosts = all.KnownHosts
	}
	return ssh
}
