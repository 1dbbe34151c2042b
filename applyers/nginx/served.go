package nginx

import (
	"context"
	"errors"
	"fmt"

	"berth/desired"
)

// putServed is put. Where names that the change is about are not served any more by it,
// and no others, the rest is put once more without these: they keep no other name from
// being changed.
func (c *changing) putServed(ctx context.Context) error {
	err := c.put(ctx)
	restored, _ := errors.AsType[*restoredError](err)
	lost, ok := errors.AsType[*lostError](err)
	if restored == nil || !ok || lost.others {
		return err
	}
	causes := make(map[desired.Path]string)
	for path, text := range lost.paths {
		found := c.causes(path)
		if len(found) == 0 {
			return err
		}
		for _, cause := range found {
			causes[cause] = text
		}
	}
	if len(causes) >= len(c.made) {
		return err
	}
	for path, text := range causes {
		c.fail(path, errors.New(text+"; it stays as it was"))
	}
	c.rest()
	changed, again := c.plan()
	if again != nil || !changed {
		return err
	}
	c.tellFailed()
	c.say.Say(fmt.Sprintf("names that were not served any more: %d; the rest is made without them", len(lost.paths)))
	return c.put(ctx)
}

// causes are the fields of the change by which a route leads elsewhere: its own, or
// those of the upstream that it leads to; none where it is another.
func (c *changing) causes(route desired.Path) []desired.Path {
	if c.made[route] {
		return []desired.Path{route}
	}
	to, ok := targetAt(c.Edge, route)
	if !ok {
		return nil
	}
	var all []desired.Path
	for path := range c.made {
		if path.Within(upstreamsPath.Sub(to.Text)) {
			all = append(all, path)
		}
	}
	return all
}
