package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"berth/applyers"
	"berth/applyers/machine"
	"berth/applyers/nginx/conf"
	"berth/desired"
)

// finishIn bounds how long files that are in place may take to be taken over and
// proven, or the former ones to be put back, when the agent is told to stop.
const finishIn = 120 * time.Second

// Apply changes the managed files by the job's fields, brings nginx to take them over,
// and proves that names that were served are served still. What the fields do not
// speak of stays as it is live: a name that is held holds no other.
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
	st, unlock, err := a.enter(ctx, job, spec)
	if err != nil {
		return left(ctx, err)
	}
	defer unlock()
	n := with(st, resolved(spec, factOf(job)), job.Fields)
	c := &changing{Applyer: a, state: st, next: n, say: p}
	changed, err := c.plan()
	if err != nil {
		return err
	}
	c.tellFailed()
	if len(n.made) == 0 {
		return &applyers.HeldError{Reason: n.first()}
	}
	if !changed {
		a.log.DebugContext(ctx, "edge is as it shall be")
	} else if err := c.putServed(ctx); err != nil {
		if errors.Is(err, applyers.ErrLeft) {
			return err
		}
		for path := range n.made {
			p.Field(path, lostOf(err, path))
		}
		return err
	}
	for path := range n.made {
		p.Field(path, nil)
	}
	if len(n.failed) > 0 {
		return fmt.Errorf("%d of %d fields were not made: %s", len(n.failed), len(job.Fields), n.first())
	}
	return nil
}

// left is an error, or that it only comes from being told to stop.
func left(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return applyers.ErrLeft
	}
	return err
}

// factOf answers by what is known to a job; nothing is, where nobody says.
func factOf(job applyers.Job) desired.Lookup {
	return func(id desired.ID, fact string) (string, bool) {
		if job.Fact != nil {
			return job.Fact(id, fact)
		}
		if fact == desired.FactAddress {
			return job.Fleet.Address(id)
		}
		return "", false
	}
}

// enter locks an edge's configuration and reads it anew.
func (a *Applyer) enter(ctx context.Context, job applyers.Job, spec *desired.Edge) (st *state, unlock func(), err error) {
	s, err := a.seat(ctx, job.Fleet, job.ID, spec, factOf(job))
	if err != nil {
		return nil, nil, err
	}
	release, err := s.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	entered := false
	defer func() {
		if !entered {
			release()
		}
	}()
	if st, err = s.read(ctx); err == nil {
		err = st.notReady()
	}
	if err == nil {
		entered = true
		return st, release, nil
	}
	if foreign := (*conf.ForeignError)(nil); errors.As(err, &foreign) {
		return nil, nil, &applyers.HeldError{Reason: s.where(foreign.File) + ": " + foreign.Reason}
	}
	if away := (*machine.UnreachableError)(nil); errors.As(err, &away) || ctx.Err() != nil {
		return nil, nil, err
	}
	return nil, nil, &applyers.HeldError{Reason: err.Error()}
}

// lock keeps other agents from changing what one nginx is configured by, until
// unlock. The directory of its main file is locked, so nothing is left behind; that of
// the managed files, where the main file is in a container.
func (s *seat) lock(ctx context.Context) (unlock func(), err error) {
	dir := path.Dir(s.spec.Nginx.Config)
	if s.apart {
		dir = path.Dir(s.files[streamSide].path)
	}
	unlock, err = s.on.Lock(ctx, dir)
	if errors.Is(err, machine.ErrLocked) {
		return nil, &applyers.HeldError{Reason: "another agent is changing nginx's configuration: the next turn looks again"}
	}
	if err != nil {
		return nil, fmt.Errorf("lock nginx's configuration: %w", err)
	}
	return unlock, nil
}

// changing is a change of an edge under way.
type changing struct {
	*Applyer
	*state
	*next
	say applyers.Progress
	// touch are the sides whose files are to be replaced.
	touch [2]bool
}

// options are what the files say besides the edge.
func (c *changing) options(w conf.Witness) conf.Options {
	return conf.Options{Mark: c.mark, IPv6: c.ipv6, Witness: w, Live: c.state.base}
}

// tellFailed tells why fields are not made.
func (c *changing) tellFailed() {
	for _, path := range slices.Sorted(maps.Keys(c.failed)) {
		c.say.Field(path, c.failed[path])
	}
}

// plan finds out which files change.
func (c *changing) plan() (changed bool, err error) {
	c.touch = [2]bool{}
	files, err := c.render(c.options(conf.Witness{}), c.say)
	if err != nil || len(c.made) == 0 {
		return false, err
	}
	var before conf.Files
	known := c.state.base != nil
	if known {
		before, err = conf.Render(c.state.base, c.options(conf.Witness{}))
		known = err == nil
	}
	for side := range c.touch {
		is, was := part(files, side), part(before, side)
		switch {
		case c.pending[side]:
			c.touch[side] = true
		case is == nil && part(c.raw, side) == nil:
		default:
			c.touch[side] = !known || !bytes.Equal(is, was) || is != nil && c.edited(side)
		}
	}
	return c.touch != [2]bool{}, nil
}
