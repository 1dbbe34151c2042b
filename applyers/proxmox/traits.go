package proxmox

import (
	"fmt"
	"strings"

	"berth/drift"
)

// Traits tell people where a guest is, and what is known of it beside its manifest.
func (h *handle) Traits() []drift.Trait {
	all := []drift.Trait{{Name: "stands on", Text: fmt.Sprintf("site %s, node %s, VMID %d", h.site, h.node, h.vmid)}}
	add := func(name, text string) { all = append(all, drift.Trait{Name: name, Text: text}) }
	switch {
	case h.adopting:
		add("ownership", "it bears no stamp; its manifest takes it over")
	case h.renamed != "":
		add("ownership", "ours by its stamp, which names it "+h.renamed)
	case h.untagged:
		add("ownership", "ours by its stamp; the fleet's tag is missing")
	default:
		add("ownership", "ours by its stamp, which names this very guest")
	}
	if h.making {
		add("creation", "it has not come to its end")
	} else if h.starting {
		add("creation", "it has not been ready since it was made or restored")
	}
	switch {
	case h.until.IsZero():
	case h.over:
		add("archived until", h.until.UTC().Format("2006-01-02 15:04 UTC")+", which is over")
	default:
		add("archived until", h.until.UTC().Format("2006-01-02 15:04 UTC"))
	}
	if h.remove != "" {
		add("when gone from Git", h.remove+", as its stamp says")
	}
	if len(h.pending) > 0 {
		var paths []string
		for _, p := range h.pending {
			paths = append(paths, string(p))
		}
		add("waits for a reboot", strings.Join(paths, ", "))
	}
	return all
}

var _ drift.Traited = (*handle)(nil)
