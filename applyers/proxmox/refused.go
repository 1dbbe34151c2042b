package proxmox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// refusals are what Proxmox says of single options of a request whose parameters
// it did not take: then nothing of it was done (FACTS 5). A hotplug that failed
// answers alike, and is none.
func refusals(err error) map[string]string {
	api, ok := errors.AsType[*pve.APIError](err)
	if !ok || api.Status != 400 || len(api.Params) == 0 {
		return nil
	}
	for _, text := range api.Params {
		if strings.Contains(text, "hotplug") {
			return nil
		}
	}
	return api.Params
}

// refuse tells the fields whose options Proxmox does not take, and gives back the
// others, whose options can go without them. ok is false where a refused option is
// none of the fields'.
func (j *job) refuse(err error, fields []drift.Field) (rest []drift.Field, ok bool) {
	refused := refusals(err)
	blamed := make(map[string]bool)
	for _, f := range fields {
		option := optionOf(j.kind, f.Path)
		text, bad := refused[option]
		if !bad {
			rest = append(rest, f)
			continue
		}
		blamed[option] = true
		j.p.Field(f.Path, fmt.Errorf("%q is not taken by Proxmox: %s: correct it%s", f.After.Text, plainly(text), at(f.Source)))
	}
	return rest, len(refused) > 0 && len(blamed) == len(refused)
}

// refusedWords says of a creation which values Proxmox does not take; the error
// itself where it says of none.
func (j *job) refusedWords(err error) error {
	refused := refusals(err)
	if len(refused) == 0 || j.Want == nil {
		return err
	}
	var said []string
	blamed := make(map[string]bool)
	for _, leaf := range desired.Leaves(j.kind, j.Want.Spec) {
		source, set := j.Want.Set.Lookup(leaf.Path)
		option := optionOf(j.kind, leaf.Path)
		if text, bad := refused[option]; bad && set && !blamed[option] {
			blamed[option] = true
			said = append(said, fmt.Sprintf("%s: Proxmox does not take it: %s: correct it%s", leaf.Path, plainly(text), at(source)))
		}
	}
	for _, option := range slices.Sorted(maps.Keys(refused)) {
		if !blamed[option] {
			said = append(said, option+": "+plainly(refused[option]))
		}
	}
	return errors.New(strings.Join(said, "; "))
}

// plainly puts what Proxmox says on one line.
func plainly(text string) string { return strings.Join(strings.Fields(text), " ") }

// at is where the manifests say something, for the end of a sentence.
func at(src desired.Source) string {
	if place := src.String(); place != "" {
		return ", " + place
	}
	return ""
}
