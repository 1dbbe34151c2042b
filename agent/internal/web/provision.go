package web

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"berth/desired"
)

// regexpTarget is what the Pegasus control node took for a host (fleets/FACTS A1.9).
var regexpTarget = regexp.MustCompile(`^[-a-zA-Z0-9_.]{1,253}$`)

// provision asks for the playbooks of a host, of a group of hosts, or of all. Those
// that run only when somebody asks for them by name, or by the clock, are not meant.
func (h *Hooks) provision(r *http.Request) (hookReply, error) {
	target := r.URL.Query().Get("host")
	switch {
	case target == "":
		return hookReply{}, wrong(http.StatusBadRequest, "name the host: /hooks/provision?host=NAME")
	case !regexpTarget.MatchString(target):
		return hookReply{}, wrong(http.StatusBadRequest, "host: a name is wanted, of letters, digits and . _ -")
	}
	// What cloud-init's phone_home sends is not needed, and yet read: it fails where
	// its body is not taken.
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return hookReply{}, tooMuch(err)
	}
	fleet := h.Fleet()
	if fleet == nil {
		return hookReply{}, wrong(http.StatusServiceUnavailable, "no commit of the fleet has been taken yet: ask again in a minute")
	}
	hosts := targets(fleet, target)
	if hosts == nil {
		return hookReply{}, wrong(http.StatusNotFound, "%s", nobody(fleet, target))
	}
	out := hookReply{Hosts: slices.Sorted(maps.Keys(hosts))}
	for _, res := range fleet.Resources {
		play, ok := res.Spec.(*desired.Playbook)
		if !ok || !provisions(play) {
			continue
		}
		var names []string
		for _, id := range play.Targets {
			if hosts[id.Name()] {
				names = append(names, id.Name())
			}
		}
		if len(names) == 0 {
			continue
		}
		if err := h.Ask(res.ID, names, "asked for by the hook provision"); err != nil {
			return hookReply{}, err
		}
		out.Playbooks = append(out.Playbooks, string(res.ID))
	}
	if len(out.Playbooks) == 0 {
		out.Note = "no playbook runs there when it is provisioned"
	}
	out.Turn = h.Start("provision " + target)
	return out, nil
}

// provisions tells whether a playbook is part of making a host what it shall be.
func provisions(play *desired.Playbook) bool {
	return slices.Contains(play.Runs, "created") || slices.Contains(play.Runs, "changed")
}

// targets are the names of the hosts that are meant; nil if nobody is called so.
func targets(fleet *desired.Fleet, target string) map[string]bool {
	var hosts map[string]bool
	each(fleet, func(id desired.ID) {
		if target == "all" || target == id.Name() || slices.Contains(fleet.Groups(id), target) {
			if hosts == nil {
				hosts = make(map[string]bool)
			}
			hosts[id.Name()] = true
		}
	})
	return hosts
}

// each goes over guests and Hosts.
func each(fleet *desired.Fleet, do func(desired.ID)) {
	for _, res := range fleet.Resources {
		if fleet.Guest(res.ID) != nil {
			do(res.ID)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fleet.Hosts)) {
		do(desired.MakeID(desired.KindHost, name))
	}
}

// nobody says that a name is nobody's, and which is near.
func nobody(fleet *desired.Fleet, target string) string {
	known := []string{"all"}
	each(fleet, func(id desired.ID) {
		known = append(known, id.Name())
		known = append(known, fleet.Groups(id)...)
	})
	slices.Sort(known)
	text := "the fleet has no guest, Host or group " + target
	if near := desired.Nearest(target, slices.Compact(known)); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return text
}
