package web

import (
	"io"
	"net/http"
	"regexp"
)

// regexpTarget is what the Pegasus control node took for a host (fleets/FACTS A1.9).
var regexpTarget = regexp.MustCompile(`^[-a-zA-Z0-9_.]{1,253}$`)

// provision asks for the playbooks of a host, of a group of hosts, or of all.
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
	hosts, plays, err := h.Provision(target, "asked for by the hook provision")
	if err != nil {
		return hookReply{}, err
	}
	out := hookReply{Turn: h.Start("provision " + target), Hosts: hosts, Playbooks: plays}
	if len(plays) == 0 {
		out.Note = "no playbook runs there by itself"
	}
	return out, nil
}
