package turn

import (
	"fmt"
	"slices"
	"strings"

	"berth/desired"
	"berth/drift/report"
)

// Asking asks for a run of a playbook.
type Asking struct {
	Play desired.ID `json:"play"`
	// Hosts are those on which it is to run; none is all that it is for.
	Hosts []string `json:"hosts,omitempty"`
}

// UnknownError is that somebody asks for what the manifests do not have.
type UnknownError struct {
	// What is "play/base" or "host web-1"; Known are those that there are.
	What  string
	Known []string
	// Near are those of them that may be meant.
	Near []string
}

// Error names what there is.
func (e *UnknownError) Error() string {
	if len(e.Near) > 0 {
		return fmt.Sprintf("%s is not known here; did you mean %s?", e.What, strings.Join(e.Near, " or "))
	}
	if len(e.Known) == 0 {
		return e.What + " is not known here, nor any other"
	}
	return fmt.Sprintf("%s is not known here; there are: %s", e.What, firstOf(e.Known))
}

// firstOf lists some of many words.
func firstOf(words []string) string {
	if more := len(words) - 10; more > 0 {
		words = append(slices.Clone(words[:10]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}

// ask notes the playbooks that a request asks for, all or none.
func (t *Turner) ask(fleet *desired.Fleet, req Request) error {
	if req.Mode != report.Run {
		return nil
	}
	all := make([][]string, len(req.Run))
	for i, a := range req.Run {
		play := playOf(fleet, a.Play)
		if play == nil {
			return fmt.Errorf("run %s: %w", a.Play, &UnknownError{What: string(a.Play), Known: plays(fleet), Near: desired.Nearest(string(a.Play), plays(fleet))})
		}
		names := hostsOf(play)
		for _, host := range a.Hosts {
			if !slices.Contains(names, host) {
				return fmt.Errorf("run %s: %w", a.Play, &UnknownError{What: "host " + host, Known: names, Near: desired.Nearest(host, names)})
			}
		}
		if len(a.Hosts) > 0 {
			names = a.Hosts
		}
		all[i] = names
	}
	for i, a := range req.Run {
		if err := t.Journal.Ask(a.Play, all[i], "asked for by agent sync"); err != nil {
			return err
		}
	}
	return nil
}

func playOf(fleet *desired.Fleet, id desired.ID) *desired.Playbook {
	if r := fleet.Resource(id); r != nil {
		play, _ := r.Spec.(*desired.Playbook)
		return play
	}
	return nil
}

// plays lists the playbooks of a fleet.
func plays(fleet *desired.Fleet) []string {
	var all []string
	for _, r := range fleet.Resources {
		if _, ok := r.Spec.(*desired.Playbook); ok {
			all = append(all, string(r.ID))
		}
	}
	return all
}

// hostsOf names the hosts that a playbook is for.
func hostsOf(play *desired.Playbook) []string {
	names := make([]string, len(play.Targets))
	for i, id := range play.Targets {
		names[i] = id.Name()
	}
	return names
}

// automatic tells whether a playbook runs by itself at all.
func automatic(play *desired.Playbook) bool {
	return play.Automatic() || play.Scheduled()
}
