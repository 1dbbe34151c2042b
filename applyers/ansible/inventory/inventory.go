// Package inventory is a fleet as Ansible sees it: its hosts, their variables and
// the groups that playbooks' patterns know them by.
package inventory

import (
	"maps"
	"slices"

	"berth/desired"
)

// Inventory is a fleet as Ansible sees it.
type Inventory struct {
	// Hosts holds the variables of each host. Those that are secrets are references
	// ([desired.SecretRef]), at any depth, until somebody puts values in their place;
	// what is printed leaves them out and names them in [SecretsVar].
	Hosts map[string]map[string]any
	// Groups holds the hosts of each group, sorted; a group may have none.
	Groups map[string][]string
	// Children holds the groups of each group of groups, sorted. Each of both is
	// among Groups.
	Children map[string][]string
}

// Make lists all guests and Hosts of a fleet, in the groups that playbooks'
// patterns know them by, whatever can be reached or not. A host whose address is
// not known has no ansible_host. A guest's own variables beat what Berth sets, save
// berth_….
//
// Groups of groups are a playbook's own: those of plays, for a run, since a host is due
// by what these say; of all playbooks where none is named, save what would make a group
// of groups hold itself.
func Make(fleet *desired.Fleet, fact desired.Lookup, plays ...*desired.Playbook) Inventory {
	inv := Inventory{Hosts: make(map[string]map[string]any), Groups: make(map[string][]string), Children: make(map[string][]string)}
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
	for _, r := range fleet.Resources {
		if play, ok := r.Spec.(*desired.Playbook); ok && (len(plays) == 0 || slices.Contains(plays, play)) {
			inv.gather(play.Groups)
		}
	}
	return inv
}

func (inv Inventory) add(fleet *desired.Fleet, fact desired.Lookup, id desired.ID, ssh desired.SSH, own, berth map[string]any) {
	vars := make(map[string]any, len(own)+len(berth)+6)
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

// gather adds groups of groups. One that is named and has no host yet is there all
// the same, since plays may be for it. What one playbook says may go round with what
// another does, which Ansible refuses to read: the later is left out.
func (inv Inventory) gather(groups map[string]desired.List) {
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		for _, name := range append([]string{group}, groups[group]...) {
			if _, there := inv.Groups[name]; !there {
				inv.Groups[name] = nil
			}
		}
		children := slices.Clone(inv.Children[group])
		for _, child := range groups[group] {
			if !slices.Contains(children, child) && !inv.holds(child, group) {
				children = append(children, child)
			}
		}
		slices.Sort(children)
		inv.Children[group] = children
	}
}

// holds tells whether a group is another, or is made of it.
func (inv Inventory) holds(group, other string) bool {
	return group == other || slices.ContainsFunc(inv.Children[group], func(child string) bool { return inv.holds(child, other) })
}

// Only is the inventory of these hosts alone, in the same groups, of which some
// may be empty then. The variables are shared with the whole.
func (inv Inventory) Only(hosts []string) Inventory {
	some := Inventory{Hosts: make(map[string]map[string]any, len(hosts)), Groups: make(map[string][]string, len(inv.Groups)), Children: inv.Children}
	for _, name := range hosts {
		if vars, there := inv.Hosts[name]; there {
			some.Hosts[name] = vars
		}
	}
	for group, members := range inv.Groups {
		var kept []string
		for _, name := range members {
			if _, in := some.Hosts[name]; in {
				kept = append(kept, name)
			}
		}
		some.Groups[group] = kept
	}
	return some
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
