package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// Observe reads the managed files.
func (a *Applyer) Observe(ctx context.Context, fleet *desired.Fleet, only applyers.Scope) (drift.Observed, error) {
	var all drift.Observed
	for _, r := range fleet.Resources {
		spec, ok := r.Spec.(*desired.Edge)
		if !ok || only.IDs != nil && !slices.Contains(only.IDs, r.ID) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return all, fmt.Errorf("observe %s: %w", r.ID, err)
		}
		a.observe(&all, fleet, r.ID, spec)
	}
	return all, nil
}

func (a *Applyer) observe(all *drift.Observed, fleet *desired.Fleet, id desired.ID, spec *desired.Edge) {
	blind := func(reason, remedy string) {
		all.Blind = append(all.Blind, drift.Blind{ID: id, Reason: reason, Remedy: remedy})
	}
	managed := spec.Nginx.Stream
	m := markOf(fleet, id)
	s, err := a.read(spec, m)
	if foreign := (*foreignError)(nil); errors.As(err, &foreign) {
		all.Foreign = append(all.Foreign, drift.Foreign{
			ID: id, What: managed, Reason: foreign.reason,
			Remedy: "move it away, or name another file in nginx.stream",
		})
		return
	}
	if err != nil {
		blind(err.Error(), "mend it, or delete it: it is then written anew")
		return
	}
	conf, err := readConfig(spec.Nginx.Config, managed)
	if errors.Is(err, fs.ErrNotExist) {
		blind(err.Error(), "install the packages nginx and libnginx-mod-stream, or name nginx's main file in nginx.config")
		return
	}
	if err != nil {
		blind("nginx's configuration could not be read: "+err.Error(), "mend it, or name another in nginx.config")
		return
	}
	if conf.hops == nil {
		blind(notIncluded(spec.Nginx.Config, managed))
		return
	}
	note := func(text string) { all.Notes = append(all.Notes, drift.Note{ID: id, Text: managed + ": " + text}) }
	switch {
	case s.damaged != nil:
		note(s.damaged.Error() + ": it will be written anew")
	case s.pending:
		note("a reload of nginx was not seen to its end; it is made good")
	case s.base != nil:
		if again, err := s.base.render(a.ipv6); err == nil && !bytes.Equal(again, s.raw) {
			note("it was edited in a way that no route shows; the next change writes it anew")
		}
	}
	if s.live != nil {
		all.Lives = append(all.Lives, drift.Live{ID: id, Spec: s.live.edge()})
	}
}

func markOf(fleet *desired.Fleet, id desired.ID) mark {
	return mark{fleet: fleet.Spec.Name, uid: fleet.Spec.UID, id: id}
}
