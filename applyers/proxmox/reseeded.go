package proxmox

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// unfinished tells that a stamp speaks of a seed that is not in its slot: of a
// write's parts some may be made and others not (FACTS 5).
func (g *found) unfinished() bool {
	slot, volid := g.stamp.FormerSeed()
	return slot != "" && g.volume(slot) == volid
}

// seedDigest is the digest of the seed that the guest has, or has from its next stop
// on.
func (g *found) seedDigest() string {
	if g.unfinished() {
		return "unfinished"
	}
	return g.stamp.Seed
}

// leftover tells whether what is left of a former seed can be cleared away: not while
// the guest still has it, nor while it is protected.
func (g *found) leftover() bool {
	slot, _ := g.stamp.FormerSeed()
	_, waits := g.conf.Now[slot]
	return slot != "" && !waits && !g.unfinished() && !notation.Flag(g.conf.Values["protection"], false)
}

// unusedBy are the keys of the unused volumes that are this one.
func (g *found) unusedBy(volid string) []string {
	var keys []string
	for _, at := range volumesOf(g.kind, g.conf.Values) {
		if at.volid != volid {
			continue
		}
		if !strings.HasPrefix(at.slot, "unused") {
			return nil // Somebody has put it into use again.
		}
		keys = append(keys, at.slot)
	}
	return keys
}

// waitsForBoot tells whether a guest still has to boot for its new seed to be read,
// as far as its uptime tells: a boot from within does not show in it.
func waitsForBoot(s stamp.Stamp, uptime int, now time.Time) bool {
	return !s.Reseeded.IsZero() && uptime > 0 && now.Add(-time.Duration(uptime)*time.Second).Before(s.Reseeded)
}

// stampedAddress is the static address that stands in a virtual machine's seed. One
// that waits for a boot may have it or not: the guest agent may tell, by claims.
func (s *sweep) stampedAddress(ctx context.Context, g *found) (addr string, claims []string) {
	switch next := strings.TrimPrefix(g.stamp.Next, noAddress); {
	case g.stamp.Next == "":
		return g.stamp.Address, nil
	case waitsForBoot(g.stamp, g.uptime, s.Now()):
		return g.stamp.Address, s.asked(ctx, g)
	default:
		return next, nil
	}
}

// reseeded learns what is left of a replaced seed, and notes what waits for a boot.
func (s *sweep) reseeded(g *found, want *desired.Resource, live *drift.Live, h *handle) {
	if _, volid := g.stamp.FormerSeed(); g.leftover() {
		h.former = cmp.Or(volid, stamp.NoVolume)
	}
	if want == nil || g.adopting || !want.Has(seedPath) {
		return
	}
	vm, ok := want.Spec.(*desired.VM)
	if !ok || vm.CloudInit == nil {
		return
	}
	if waitsForBoot(g.stamp, g.uptime, s.Now()) && sameSeed(g.seedDigest(), vm.Seed) {
		h.pending = append(h.pending, seedPath)
		s.note(live.ID, seedPath, fmt.Sprintf("cloudInit changed: the new seed, put in at %s UTC, waits for a reboot, and cloud-init runs again then: reboot it on Proxmox, where one from within does not show", g.stamp.Reseeded.UTC().Format(time.DateTime)))
	}
	if !vm.CloudInit.Reruns() {
		return
	}
	if _, h.seedHeld = seedIn(g, vm); g.stamp.Seed == "" && !native(g) {
		s.note(live.ID, seedPath, "cloudInit: the guest was not made with a seed of Berth's, so there is none to replace (onChange: rerun): it applies when the guest is made anew")
	}
}

// former is the field that asks for what is left of a seed to be cleared away.
func (p *planner) former() drift.Field {
	return drift.Field{
		Path: formerPath, Before: drift.Value{Text: p.handle.former}, Effect: desired.Online, Source: p.want.Source,
	}
}
