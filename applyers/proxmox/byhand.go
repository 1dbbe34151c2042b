package proxmox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"berth/applyers"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// Taken tells what [Applyer.Adopt] or [Applyer.Release] has done.
type Taken struct {
	// What names the guest: `vm 101 "web" on pve1`.
	What string
	// Stamp is the line of its description that was written, or taken off.
	Stamp string
	// Tag is the fleet's, which was added, or taken off.
	Tag string
}

// ErrDeclined is that the person who was asked did not agree.
var ErrDeclined = errors.New("nothing was done")

// Adopt makes the guest that stands on the VMID of a resource of the manifests
// ours: it gets the stamp and the tag, and nothing else changes. It is for a
// person who knows that it is the right one, and who is asked by agree right
// before it is written; nil agrees. It refuses what is not exactly there, what
// bears a stamp already, templates, and guests under a lock. The error is
// [ErrDeclined] where agree was not given.
func (a *Applyer) Adopt(ctx context.Context, fleet *desired.Fleet, id desired.ID, agree func(Taken) bool) (Taken, error) {
	want := fleet.Resource(id)
	if want == nil || guestOf(want) == nil {
		return Taken{}, fmt.Errorf("adopt %s: the manifests have no such guest: write its manifest first", id)
	}
	seen, err := a.Observe(ctx, fleet, applyers.Scope{IDs: []desired.ID{id}})
	if err != nil {
		return Taken{}, fmt.Errorf("adopt %s: %w", id, err)
	}
	if err := readable(seen, id, want.Site); err != nil {
		return Taken{}, fmt.Errorf("adopt %s: %w", id, err)
	}
	if live, h := ours(seen, id); live != nil {
		return Taken{}, fmt.Errorf("adopt %s: it is ours already, as %s %d on %s", id, h.kind, h.vmid, h.node)
	}
	j, err := a.job(ctx, applyers.Job{Change: drift.Change{Key: drift.Key{ID: id, Step: drift.Adopt}}, Fleet: fleet, Want: want}, unheard{})
	if err != nil {
		return Taken{}, err
	}
	g, err := j.look(ctx)
	switch {
	case errors.Is(err, errGone):
		return Taken{}, fmt.Errorf("adopt %s: nothing stands on VMID %d of site %s", id, j.vmid, want.Site)
	case err != nil:
		return Taken{}, fmt.Errorf("adopt %s: %w", id, err)
	case listed(j.site, g.vmid):
		return Taken{}, fmt.Errorf("adopt %s: site %s lists VMID %d as foreign: take it out there first", id, want.Site, g.vmid)
	case g.stamped:
		return Taken{}, fmt.Errorf("adopt %s: %s bears a stamp, of %s/%s on VMID %d: release it there, or take the last line of its description off",
			id, g.what(), g.stamp.Fleet, g.stamp.ID, g.stamp.VMID)
	}
	if reason, remedy := unadoptable(id, g); reason != "" {
		return Taken{}, fmt.Errorf("adopt %s: %s: %s; %s", id, g.what(), reason, remedy)
	}
	s, err := j.newStamp()
	if err != nil {
		return Taken{}, err
	}
	taken := Taken{What: g.what(), Stamp: s.String(), Tag: stamp.FleetTag(fleet.Spec.Name)}
	if agree != nil && !agree(taken) {
		return Taken{}, ErrDeclined
	}
	return taken, j.writeStamp(ctx, g, s)
}

// Release gives a guest of ours up: stamp and tag go, and nothing else changes. It
// refuses what is not proven to be ours, and a data VM whose disks are in use. As
// with [Applyer.Adopt], agree is asked right before.
func (a *Applyer) Release(ctx context.Context, fleet *desired.Fleet, id desired.ID, agree func(Taken) bool) (Taken, error) {
	seen, err := a.Observe(ctx, fleet, applyers.Scope{})
	if err != nil {
		return Taken{}, fmt.Errorf("release %s: %w", id, err)
	}
	live, _ := ours(seen, id)
	if live == nil {
		site := ""
		if want := fleet.Resource(id); want != nil {
			site = want.Site
		}
		if err := readable(seen, id, site); err != nil {
			return Taken{}, fmt.Errorf("release %s: %w", id, err)
		}
		for _, f := range seen.Foreign {
			if f.ID == id {
				return Taken{}, fmt.Errorf("release %s: %s: %s", id, f.What, f.Reason)
			}
		}
		return Taken{}, fmt.Errorf("release %s: no guest bears its stamp", id)
	}
	if p := (planner{world: drift.NewWorld(fleet, seen.Lives), id: id}); len(p.users()) > 0 {
		return Taken{}, fmt.Errorf("release %s: its disks are in use: %s", id, strings.Join(p.users(), ", "))
	}
	aj := applyers.Job{Change: drift.Change{Key: drift.Key{ID: id, Step: drift.Release}}, Fleet: fleet, Want: fleet.Resource(id), Have: live}
	j, err := a.job(ctx, aj, unheard{})
	if err != nil {
		return Taken{}, err
	}
	g, err := j.mine(ctx)
	if err != nil {
		return Taken{}, fmt.Errorf("release %s: %w", id, err)
	}
	taken := Taken{What: g.what(), Stamp: g.stamp.String(), Tag: stamp.FleetTag(fleet.Spec.Name)}
	if agree != nil && !agree(taken) {
		return Taken{}, ErrDeclined
	}
	return taken, j.unstamp(ctx, g)
}

// ours finds a guest that is ours among what was observed.
func ours(seen drift.Observed, id desired.ID) (*drift.Live, *handle) {
	for i := range seen.Lives {
		if h, ok := seen.Lives[i].Handle.(*handle); ok && seen.Lives[i].ID == id && !h.adopting {
			return &seen.Lives[i], h
		}
	}
	return nil, nil
}

// readable says why a resource could not be observed.
func readable(seen drift.Observed, id desired.ID, site string) error {
	for _, b := range seen.Blind {
		if b.Covers(id, site) {
			return fmt.Errorf("%s could not be read: %s", site, b.Reason)
		}
	}
	return nil
}

// unheard is the progress of what is done by a command: nobody but its caller
// listens.
type unheard struct{}

func (unheard) Task(string) error               { return nil }
func (unheard) Say(string)                      {}
func (unheard) Warn(string)                     {}
func (unheard) Made(desired.ID, string, string) {}
func (unheard) Field(desired.Path, error)       {}
