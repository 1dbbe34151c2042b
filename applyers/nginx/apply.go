package nginx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// finishIn bounds how long a file that is in place may take to be taken over, or
// the former one to be put back, when the agent is told to stop.
const finishIn = 90 * time.Second

// Apply changes the managed file by the job's fields, and brings nginx to take
// it over. What the fields do not speak of stays as it is live: a name that is
// held holds no other.
func (a *Applyer) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	if ctx.Err() != nil {
		return applyers.ErrLeft
	}
	if job.Want == nil {
		return &applyers.HeldError{Reason: "the edge is gone from Git: its file stays as it is"}
	}
	spec, ok := job.Want.Spec.(*desired.Edge)
	if !ok {
		return fmt.Errorf("route %s: it is a %T, no edge", job.ID, job.Want.Spec)
	}
	unlock, err := lock(spec.Nginx.Config)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := a.read(spec, markOf(job.Fleet, job.ID))
	if foreign := (*foreignError)(nil); errors.As(err, &foreign) {
		return &applyers.HeldError{Reason: spec.Nginx.Stream + ": " + foreign.reason}
	}
	if err != nil {
		return &applyers.HeldError{Reason: err.Error()}
	}
	conf, err := readConfig(spec.Nginx.Config, spec.Nginx.Stream)
	if err != nil {
		return &applyers.HeldError{Reason: err.Error()}
	}
	if conf.hops == nil {
		reason, remedy := notIncluded(spec.Nginx.Config, spec.Nginx.Stream)
		return &applyers.HeldError{Reason: reason + ": " + remedy}
	}
	next, made, failed := a.next(spec, s, job, p)
	for _, path := range slices.Sorted(maps.Keys(failed)) {
		p.Field(path, failed[path])
	}
	if len(made) == 0 {
		return &applyers.HeldError{Reason: first(failed)}
	}
	if err := failed[defaultPath]; next.def.Text == "" && err != nil {
		return &applyers.HeldError{Reason: "the first file needs a default: " + err.Error()}
	}
	if next.def.Text == "" {
		return &applyers.HeldError{Reason: "the first file needs a default, whose address is not known yet"}
	}
	if !s.pending && s.base != nil && same(*s.base, next) {
		a.log.DebugContext(ctx, "edge is as it shall be", slog.String("id", string(job.ID)))
	} else if err := a.put(ctx, spec, conf, s, next, p); err != nil {
		if errors.Is(err, applyers.ErrLeft) {
			return err
		}
		for _, path := range made {
			p.Field(path, err)
		}
		return err
	}
	for _, path := range made {
		p.Field(path, nil)
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d fields were not made: %s", len(failed), len(job.Fields), first(failed))
	}
	return nil
}

// first is the reason of the first field that failed.
func first(failed map[desired.Path]error) string {
	for _, path := range slices.Sorted(maps.Keys(failed)) {
		return failed[path].Error()
	}
	return "it has no fields"
}

// next is the file with the job's fields put in, which of them are in it, and
// why others are not.
func (a *Applyer) next(spec *desired.Edge, s state, job applyers.Job, p applyers.Progress) (next stream, made []desired.Path, failed map[desired.Path]error) {
	next = stream{mark: markOf(job.Fleet, job.ID), listen: spec.TLS.Listen}
	if s.base != nil {
		next = *s.base
	}
	next.probe = probe{}
	next.routes = make(map[string]desired.Target)
	if s.base != nil {
		maps.Copy(next.routes, s.base.routes)
	}
	for _, name := range slices.Sorted(maps.Keys(next.routes)) {
		if !writable(name) || !writable(next.routes[name].Text) {
			p.Say(fmt.Sprintf("%q was written by hand and is taken out", name))
			delete(next.routes, name)
		}
	}
	if _, err := listens(next.listen, a.ipv6); err != nil {
		next.listen = spec.TLS.Listen
	}
	if len(next.listen) == 0 {
		next.listen = desired.List{"443"}
	}
	failed = make(map[desired.Path]error)
	live := make(map[desired.Path]string)
	if s.live != nil {
		for _, leaf := range desired.Leaves(desired.KindEdge, s.live.edge()) {
			live[leaf.Path] = desired.Text(leaf.Value)
		}
	}
	for _, f := range job.Fields {
		// What is neither as it was planned nor as it shall be has been moved by
		// somebody in between.
		if now := live[f.Path]; now != f.After.Text && !maybe(f.Before.Text, now) {
			failed[f.Path] = fmt.Errorf("%s has changed since it was planned, from %q to %q: the next turn plans it again", f.Path, f.Before.Text, now)
			continue
		}
		if err := next.set(f, a.ipv6); err != nil {
			failed[f.Path] = err
			continue
		}
		made = append(made, f.Path)
	}
	return next, made, failed
}

// set puts one field in.
func (s *stream) set(f drift.Field, ipv6 bool) error {
	target := desired.Target{Text: f.After.Text}
	name, isRoute := routeName(f.Path)
	switch {
	case isRoute && f.After == (drift.Value{}):
		delete(s.routes, name)
		return nil
	case isRoute:
		if err := errors.Join(validName(name), validTarget(target.Text)); err != nil {
			return err
		}
		if other, found := clash(name, s.routes); found {
			return fmt.Errorf("%s is routed: %s can't stand beside it", other, name)
		}
		s.routes[name] = target
		return nil
	case f.Path == defaultPath:
		if err := validTarget(target.Text); err != nil {
			return err
		}
		s.def = target
		return nil
	case f.Path == listenPath:
		list := desired.List(strings.Fields(f.After.Text))
		if _, err := listens(list, ipv6); err != nil {
			return err
		}
		s.listen = list
		return nil
	default:
		return fmt.Errorf("%s is nothing that an edge can do", f.Path)
	}
}

func same(a, b stream) bool {
	return a.listen.Equal(b.listen) && a.def == b.def && maps.Equal(a.routes, b.routes)
}

// put tests the new file, puts it in place and waits until nginx's new workers
// answer. Where they do not, the former file comes back.
func (a *Applyer) put(ctx context.Context, spec *desired.Edge, conf config, s state, next stream, p applyers.Progress) error {
	managed := spec.Nginx.Stream
	words, err := listens(next.listen, a.ipv6)
	if err != nil {
		return err
	}
	seen, err := newWitness(ctx)
	if err != nil {
		p.Say("whether nginx takes the routes over can't be seen: " + err.Error())
	} else {
		defer seen.close()
		next.probe = seen.probe
	}
	content, err := next.render(a.ipv6)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(managed), 0o755); err != nil { //nolint:gosec // nginx's workers are others, and routes no secret.
		return fmt.Errorf("make the managed directory: %w", err)
	}
	if err := a.judge(ctx, spec, conf, content); err != nil {
		if ctx.Err() != nil {
			return applyers.ErrLeft
		}
		return fmt.Errorf("nginx refuses the new file, nothing was changed: %w", err)
	}
	if ctx.Err() != nil {
		return applyers.ErrLeft
	}
	// From here on there is no leaving half-way.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishIn)
	defer cancel()
	if err := remember(managed, s.raw); err != nil {
		return err
	}
	log, former := markLog(conf.errorLog), workers(conf.pid)
	err = replace(managed, content)
	if err == nil {
		if err = a.command(ctx, spec.Nginx.Reload); err != nil {
			err = errors.Join(fmt.Errorf("reload nginx: %w", err), log.said())
		} else if seen != nil {
			waiting, stop := context.WithTimeout(ctx, a.takeover)
			defer stop()
			if err = seen.wait(waiting, reachable(words)); err == nil {
				err = retire(waiting, former)
			}
			if err != nil {
				err = errors.Join(fmt.Errorf("wait %s for nginx's new workers: %w", a.takeover, err), log.said())
			}
		}
	}
	if err != nil {
		return a.restore(ctx, spec, s, content, err)
	}
	a.log.InfoContext(ctx, "edge changed", slog.String("id", string(next.mark.id)), slog.Int("names", len(next.routes)))
	p.Say(fmt.Sprintf("nginx routes %d names and all others to %s", len(next.routes), next.def))
	return forget(managed)
}

// restore puts the former file back, after why.
func (a *Applyer) restore(ctx context.Context, spec *desired.Edge, s state, content []byte, why error) error {
	managed := spec.Nginx.Stream
	var err error
	if s.raw == nil {
		err = remove(managed)
	} else {
		err = replace(managed, s.raw)
	}
	if err != nil {
		return fmt.Errorf("%w; the former file could not be put back: %w", why, err)
	}
	if err := a.command(ctx, spec.Nginx.Reload); err != nil {
		// nginx may run either: the next turn sees both, and makes it good.
		return fmt.Errorf("%w; the former file is back, but nginx was not reloaded with it: %w", why, errors.Join(err, remember(managed, content)))
	}
	if err := forget(managed); err != nil {
		return fmt.Errorf("%w; the former file is back: %w", why, err)
	}
	return fmt.Errorf("%w; the former file is back", why)
}
