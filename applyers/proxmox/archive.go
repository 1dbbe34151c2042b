package proxmox

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// archive shuts the guest down and puts it away: not started with its host,
// tagged, and with the date in its stamp.
func (j *job) archive(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	if j.ID.Kind() == desired.KindData && g.stamp.Archived.IsZero() {
		if err := j.loseNothing(ctx, g); err != nil {
			return err
		}
	}
	if err := j.stop(ctx); err != nil {
		return err
	}
	if !g.stamp.Archived.IsZero() {
		return nil
	}
	// Shutting down may have taken minutes.
	if g, err = j.mine(ctx); err != nil {
		return err
	}
	put := g.stamp
	put.Archived = j.laterNow().UTC().Truncate(time.Second)
	set := pve.Params{
		"onboot": "0", "description": stamp.Join(g.words, put),
		"tags": strings.Join(j.tags(append([]string{}, g.tags...), true), ";"),
	}
	write, remove := compact(set, g.conf.Values)
	if err := j.setConfig(ctx, g, write, remove); err != nil {
		return fmt.Errorf("archive %s: %w", j.ID, err)
	}
	return nil
}

// restore brings an archived guest back, as the manifest wants it now.
func (j *job) restore(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	fields, volumes := j.partVolumes(j.Fields)
	fields, seeds := partSeed(fields)
	if fields, err = j.open(g, fields); err != nil {
		return err
	}
	if err := j.becomesWriter(ctx, fields); err != nil {
		return err
	}
	if g, fields, err = j.grow(ctx, g, fields); err != nil {
		return err
	}
	if err := j.joinPool(ctx, fields); err != nil {
		return err
	}
	back := *g
	back.stamp.Archived, back.stamp.Making = time.Time{}, false
	back.stamp.Starting = j.guest().State != desired.Stopped
	set, err := j.optionsFor(&back, fields)
	if err != nil {
		return err
	}
	words := g.words
	if j.setsAndHolds("description") {
		words = j.guest().Description
	}
	set["description"] = stamp.Join(words, j.stampOf(&back))
	set["tags"] = strings.Join(j.tags(g.tags, false), ";")
	maps.Copy(set, j.startupOptions())
	lines, err := j.volumeLines(ctx, g, volumes)
	if err != nil {
		return err
	}
	maps.Copy(set, lines)
	write, remove := compact(set, g.conf.Values)
	if err := j.setConfig(ctx, g, write, remove); err != nil {
		return fmt.Errorf("restore %s: %w", j.ID, err)
	}
	if err := j.reseed(ctx, seeds); err != nil {
		return err
	}
	j.p.Made(j.ID, desired.FactInstance, g.stamp.InstanceID())
	if j.guest().State == desired.Stopped {
		return nil
	}
	return j.start(ctx)
}
