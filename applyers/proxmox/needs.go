package proxmox

import (
	"cmp"
	"slices"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// Need is a privilege that the agent's token needs at a path of Proxmox's access
// control.
type Need struct {
	Path, Privilege string
	// By are the resources that it is for, sorted; none where reading the site
	// takes it.
	By []desired.ID
	// Optional says what is missed without it; "" for what is needed.
	Optional string
}

// Needs lists what it takes to look after all that a fleet puts on a site, from
// making to destroying it, by path and privilege. Guests are named by their VMIDs:
// /vms/101.
func Needs(fleet *desired.Fleet, site *desired.Site) []Need {
	l := needList{}
	for _, r := range looking(site) {
		l.add(r, "", "")
	}
	l.add(pve.Right{Path: "/", Privilege: "Sys.Syslog"}, "",
		"reports don't tell who changed a guest, and each poll reads all guests instead of a few")
	l.add(tellsExpiry()[0], "", "agent status does not tell when the token expires")
	for _, want := range fleet.Resources {
		if want.Site != site.Name {
			continue
		}
		if image, ok := want.Spec.(*desired.ImageAt); ok {
			for _, r := range fetching(fleet, want, image) {
				l.add(r, want.ID, "")
			}
			continue
		}
		if !want.ID.Machine() {
			continue
		}
		l.machine(&needy{fleet: fleet, site: site, want: want, vmid: fleet.Machine(want.ID).VMID})
	}
	slices.SortFunc(l.needs, func(a, b *Need) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Privilege, b.Privilege))
	})
	var all []Need
	for _, n := range l.needs {
		if !l.doubled(n) {
			all = append(all, *n)
		}
	}
	return withoutPassed(all)
}

// needList gathers needs, each once.
type needList struct {
	needs []*Need
	known map[string]*Need
	// or are the rights that do instead of one, by that one, for each that needs it.
	or map[string][][]pve.Right
}

// doubled tells whether other rights that are needed anyway do instead.
func (l *needList) doubled(n *Need) bool {
	return !slices.ContainsFunc(l.or[pve.Right{Path: n.Path, Privilege: n.Privilege}.String()], func(or []pve.Right) bool {
		return len(or) == 0 || slices.ContainsFunc(or, func(r pve.Right) bool {
			other := l.known[r.String()]
			return other == nil || other.Optional != "" || !slices.ContainsFunc(l.or[r.String()], func(or []pve.Right) bool { return len(or) == 0 })
		})
	})
}

// withoutPassed leaves out the paths of which a path above passes all on. One
// that needs anything of its own needs all of it there: roles given at a path take
// the place of what those above pass on. What is given on / is not passed on.
func withoutPassed(all []Need) []Need {
	at := make(map[string][]string)
	for _, n := range all {
		at[n.Path] = append(at[n.Path], n.Privilege)
	}
	return slices.DeleteFunc(all, func(n Need) bool {
		for above := pve.Parent(n.Path); above != "/"; above = pve.Parent(above) {
			if len(at[above]) > 0 {
				return !slices.ContainsFunc(at[n.Path], func(p string) bool { return !slices.Contains(at[above], p) })
			}
		}
		return false
	})
}

func (l *needList) add(r pve.Right, by desired.ID, optional string) {
	if l.known == nil {
		l.known, l.or = make(map[string]*Need), make(map[string][][]pve.Right)
	}
	n := l.known[r.String()]
	if n == nil {
		n = &Need{Path: r.Path, Privilege: r.Privilege, Optional: optional}
		l.known[r.String()] = n
		l.needs = append(l.needs, n)
	}
	l.or[r.String()] = append(l.or[r.String()], r.Or)
	if optional == "" {
		n.Optional = ""
	}
	if by != "" && !slices.Contains(n.By, by) {
		n.By = append(n.By, by)
	}
}

// machine adds what one machine takes in all its life.
func (l *needList) machine(n *needy) {
	steps := []drift.Step{drift.Create, drift.Archive, drift.Restore, drift.Delete}
	if n.want.ID.Guest() {
		steps = append(steps, drift.Start, drift.Stop)
	}
	if n.guest().Pin {
		steps = append(steps, drift.Migrate)
	}
	for _, step := range steps {
		for _, r := range n.step(step) {
			l.add(r, n.want.ID, "")
		}
	}
	if vm, ok := n.want.Spec.(*desired.VM); ok && vm.Agent.Enabled {
		optional := "the addresses that DHCP gave to guests, whether cloud-init has ended, and SSH host keys before the first contact stay unknown"
		if vm.Ready.Agent || vm.Ready.CloudInit {
			optional = ""
		}
		l.add(n.on("VM.Monitor"), n.want.ID, optional)
	}
}
