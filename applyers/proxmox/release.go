package proxmox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
)

// release gives a guest up: stamp and tags go, and all else stays as it is.
func (j *job) release(ctx context.Context) error {
	g, err := j.look(ctx)
	switch {
	case errors.Is(err, errGone):
		return nil
	case err == nil && !g.stamped && !tagged(j.Fleet, g.tags):
		// It was carried out before.
		return nil
	}
	if g, err = j.mine(ctx); err != nil {
		return err
	}
	return j.unstamp(ctx, g)
}

// unstamp takes off what makes a guest ours.
func (j *job) unstamp(ctx context.Context, g *found) error {
	tags := slices.DeleteFunc(slices.Clone(g.tags), func(tag string) bool {
		former := j.Fleet.Spec.RenamedFrom
		return tag == stamp.ArchivedTag || strings.EqualFold(tag, stamp.FleetTag(j.Fleet.Spec.Name)) || former != "" && strings.EqualFold(tag, stamp.FleetTag(former))
	})
	write, remove := compact(pve.Params{"description": g.words, "tags": strings.Join(tags, ";")}, g.conf.Values)
	if err := j.setConfig(ctx, g, write, remove); err != nil {
		return fmt.Errorf("take the stamp off %s: %w", g.what(), err)
	}
	return nil
}

// heldf is a refusal.
func heldf(format string, args ...any) error {
	return &applyers.HeldError{Reason: fmt.Sprintf(format, args...)}
}
