package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"berth/desired"
)

// Guard marks steps or fields as held. It never drops one.
type Guard func(w *World, p *Plan)

// hold marks a change unless it is held already: the first reason stands.
func (c *Change) hold(reason string) {
	if c.Held == "" {
		c.Held = reason
	}
}

// Ownership holds every step on a resource in whose place something foreign
// stands.
func Ownership() Guard {
	return func(_ *World, p *Plan) {
		for _, f := range p.Foreign {
			for i := range p.Changes {
				if c := &p.Changes[i]; f.ID != "" && c.ID == f.ID {
					reason := f.What + ": " + f.Reason
					if f.Remedy != "" {
						reason += "; " + f.Remedy
					}
					c.hold(reason)
				}
			}
		}
	}
}

// Protection holds destructive steps on what is protected, in Git or live.
func Protection() Guard {
	return func(w *World, p *Plan) {
		for i := range p.Changes {
			c := &p.Changes[i]
			if !c.Step.Destructive() {
				continue
			}
			if live := w.Live(c.ID); live != nil && live.Protected {
				c.hold("it is protected: take the protection off on Proxmox first (Options, Protection: No)")
			}
			if g := w.Fleet.Guest(c.ID); g != nil && g.Protection {
				c.hold("its manifest protects it: take `protection: true` out first")
			}
		}
	}
}

// Unknown holds destructive steps on which something unread could bear: the
// same site, or an edge that may still route to the guest.
func Unknown() Guard {
	return func(_ *World, p *Plan) {
		for _, b := range p.Blind {
			for i := range p.Changes {
				c := &p.Changes[i]
				if !c.Step.Down() {
					continue
				}
				switch {
				case b.Site != "" && b.ID == "" && b.Site == c.Site:
					c.hold(fmt.Sprintf("site %s could not be read whole: %s", b.Site, b.Reason))
				case b.Kind == desired.KindEdge || b.ID.Kind() == desired.KindEdge:
					c.hold(fmt.Sprintf("%s could not be read, and may still route to it: %s", cmp.Or(string(b.ID), "an edge"), b.Reason))
				}
			}
		}
	}
}

// Amount holds all destructive steps of a turn where they are on more than
// limit resources: then something larger has gone wrong than one edit. A
// restore is never held by it.
func Amount(limit int) Guard {
	return func(_ *World, p *Plan) {
		var ids []string
		for _, c := range p.Changes {
			if c.Step.Destructive() && c.Held == "" && !slices.Contains(ids, string(c.ID)) {
				ids = append(ids, string(c.ID))
			}
		}
		if len(ids) <= limit {
			return
		}
		// The reason stands at each of them: it names a few only.
		named := strings.Join(ids[:min(len(ids), 5)], ", ")
		if more := len(ids) - 5; more > 0 {
			named += fmt.Sprintf(" and %d more", more)
		}
		reason := fmt.Sprintf("%d guests would go in one turn (%s), the limit is %d: remove fewer in one commit, or raise guards.deletes of the Fleet",
			len(ids), named, limit)
		for i := range p.Changes {
			if c := &p.Changes[i]; c.Step.Destructive() {
				c.hold(reason)
			}
		}
	}
}
