package nginx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"berth/applyers"
	"berth/applyers/nginx/conf"
	"berth/desired"
)

// fileMode is a managed file's: nginx's workers are others, and routes no secret.
const fileMode = 0o644

// put tests the new files, puts them in place, waits until nginx's new workers answer,
// and asks the names. Where anything is not as it was, the former files come back.
func (c *changing) put(ctx context.Context) error {
	seen := c.watch(ctx)
	defer seen.close()
	files, err := c.render(c.options(seen.named(c.touch)), c.say)
	if err != nil {
		return err
	}
	for side, f := range c.files {
		if c.touch[side] && part(c.raw, side) == nil {
			if err := c.on.MakeDir(ctx, path.Dir(f.path)); err != nil {
				return left(ctx, fmt.Errorf("make the managed directory: %w", err))
			}
		}
	}
	proof := c.questions()
	proof.before(ctx)
	if err := c.judgeFiles(ctx, files); err != nil {
		return left(ctx, err)
	}
	if ctx.Err() != nil {
		return applyers.ErrLeft
	}
	// From here on there is no leaving half-way.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishIn)
	defer cancel()
	if err := c.remember(ctx); err != nil {
		return fmt.Errorf("nothing was changed: %w", joined(err, c.forget(ctx)))
	}
	before := c.processes(ctx)
	if err := c.swap(ctx, files); err != nil {
		return err
	}
	if err := c.bring(ctx, seen, before, proof); err != nil {
		return c.restore(context.WithoutCancel(ctx), files, err)
	}
	c.log.InfoContext(ctx, "edge changed", slog.Int("names", len(c.TLS.Routes)))
	c.say.Say(summary(c.Edge))
	proof.tell(c.say)
	return c.forget(ctx)
}

// summary says what nginx does now.
func summary(e *desired.Edge) string {
	text := ""
	names := func(n int, rest desired.Target) string {
		if n == 0 {
			return "all names to " + rest.Text
		}
		return fmt.Sprintf("%d names and all others to %s", n, rest)
	}
	if e.TLS.Default.Text != "" {
		text = "nginx routes " + names(len(e.TLS.Routes), e.TLS.Default)
	}
	add := func(more string) {
		if text == "" {
			text = "nginx routes " + more
		} else {
			text += "; " + more
		}
	}
	if e.HTTP.Default.Text != "" {
		add("by http " + names(len(e.HTTP.Routes), e.HTTP.Default))
	}
	if n := len(e.TCP) + len(e.UDP); n > 0 {
		add(fmt.Sprintf("%d further ports", n))
	}
	if text == "" {
		return "nginx routes nothing any more"
	}
	return text
}

// remember keeps the files that were before, and with them that a reload is due.
func (c *changing) remember(ctx context.Context) error {
	for side, f := range c.files {
		if !c.touch[side] {
			continue
		}
		if err := c.on.Replace(ctx, former(f.path), part(c.raw, side), 0o600); err != nil {
			return fmt.Errorf("keep the file that was before: %w", err)
		}
	}
	return nil
}

// swap puts the files in place. If one can't be, none is.
func (c *changing) swap(ctx context.Context, files conf.Files) error {
	for side, f := range c.files {
		if !c.touch[side] {
			continue
		}
		if err := c.on.Replace(ctx, f.path, part(files, side), fileMode); err != nil {
			return c.back(ctx, err)
		}
	}
	return nil
}

// bring brings nginx to run the files, and proves that it does.
func (c *changing) bring(ctx context.Context, seen *witness, before processes, proof *proof) error {
	if err := c.command(ctx, c.spec.Nginx.Reload); err != nil {
		return explained(joined(fmt.Errorf("reload nginx: %w", err), c.complaints(ctx, before)))
	}
	if err := c.taken(ctx, seen, before); err != nil {
		return explained(joined(fmt.Errorf("wait %s for nginx's new workers: %w", c.takeover, err), c.complaints(ctx, before)))
	}
	return proof.after(ctx)
}

// back puts the former files in place again, of which nginx has run no other yet.
func (c *changing) back(ctx context.Context, why error) error {
	if err := c.unswap(ctx); err != nil {
		return fmt.Errorf("%w; the former file could not be put back: %w", why, err)
	}
	return fmt.Errorf("nothing was changed: %w", joined(why, c.forget(ctx)))
}

// unswap puts the former files in place.
func (c *changing) unswap(ctx context.Context) error {
	for side, f := range c.files {
		if !c.touch[side] {
			continue
		}
		var err error
		if raw := part(c.raw, side); raw == nil {
			err = c.on.Remove(ctx, f.path)
		} else {
			err = c.on.Replace(ctx, f.path, raw, fileMode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restore puts the former files back, after why, and waits until nginx routes by them.
func (c *changing) restore(ctx context.Context, files conf.Files, why error) error {
	// Proving may have used up the time there was.
	ctx, cancel := context.WithTimeout(ctx, finishIn)
	defer cancel()
	back := c.wayBack()
	if err := c.unswap(ctx); err != nil {
		return fmt.Errorf("%w; the former file could not be put back: %w", why, err)
	}
	if err := c.reloadFormer(ctx, why); err != nil {
		// nginx may run either: the next turn sees both, and makes it good.
		for side, f := range c.files {
			if c.touch[side] {
				err = joined(err, c.on.Replace(ctx, former(f.path), part(files, side), 0o600))
			}
		}
		return fmt.Errorf("%w; %s, but nginx may still route by what failed: %w", why, back, err)
	}
	if err := c.forget(ctx); err != nil {
		return fmt.Errorf("%w; %s: %w", why, back, err)
	}
	return &restoredError{err: why, back: back}
}

// wayBack says what has become of the files.
func (c *changing) wayBack() string {
	both, fresh := c.touch[streamSide] && c.touch[httpSide], c.fresh()
	switch {
	case fresh && both:
		return "the new files are taken away again"
	case fresh:
		return "the new file is taken away again"
	case both:
		return "the former files are back"
	default:
		return "the former file is back"
	}
}

// fresh tells that none of the files that change was there before.
func (c *changing) fresh() bool {
	for side, touched := range c.touch {
		if touched && part(c.raw, side) != nil {
			return false
		}
	}
	return true
}

// backIn is how long nginx may take to go back to the former files: it tries for some
// seconds to listen where another does, before it sees that it is to reload again.
const backIn = 15 * time.Second

// reloadFormer brings nginx back to the former files, which it ran before. One that
// was not reached has read no other; and one that did not take the first files over
// goes on by what it was told before, which may stand nowhere any more: maps that were
// kept by hand until now. A reload would end them.
func (c *changing) reloadFormer(ctx context.Context, why error) error {
	if r, ok := errors.AsType[*remediedError](why); ok && r.remedy == notRunning || c.fresh() {
		return nil
	}
	before := c.processes(ctx)
	if err := c.command(ctx, c.spec.Nginx.Reload); err != nil {
		return explained(fmt.Errorf("reload nginx: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, backIn)
	defer cancel()
	return c.retired(ctx, before, false)
}

// restoredError is the error of a change that was taken back: nginx routes as before.
type restoredError struct {
	err  error
	back string
}

func (e *restoredError) Error() string { return e.err.Error() + "; " + e.back }
func (e *restoredError) Unwrap() error { return e.err }

// forget tells that nginx is known to run the managed files.
func (c *changing) forget(ctx context.Context) error {
	for side, f := range c.files {
		if c.touch[side] {
			if err := c.on.Remove(ctx, former(f.path)); err != nil {
				return err
			}
		}
	}
	return nil
}
