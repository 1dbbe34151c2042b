package pvesim

import (
	"maps"
	"slices"
)

// What befalls a cluster as a whole, besides SetOnline and SetQuorum, and no single
// request (see Fault for those).

// RemoveToken takes a token away, as an administrator does or its expiry: whoever
// goes on to use it gets 401. Its entries in the access control list stay, so that
// AddToken gives the same rights again, under another secret.
func (c *Cluster) RemoveToken(user, id string) {
	c.lock()
	defer c.unlock()
	delete(c.access.user(user).tokens, id)
}

// SetRights puts these entries in the place of all that a user and its token have
// in the access control list. The token's secret stays.
func (c *Cluster) SetRights(user, id string, acl ...ACL) {
	c.lock()
	defer c.unlock()
	c.access.acl = slices.DeleteFunc(c.access.acl, func(e aclEntry) bool {
		return e.kind == "user" && e.id == user || e.kind == "token" && e.id == user+"!"+id
	})
	u := c.access.user(user)
	c.grant(user, id, u.tokens[id] != nil && u.tokens[id].privsep, acl)
}

// SetStale lets cluster/resources go on to list the guests as they are now: those
// that come later are missing in it, those that go stay in it, and those that move
// seem to be where they were. Its rights are judged as ever, and so is what lists
// of a single node and the guests themselves answer. This is unkinder than what was
// measured on one node (FACTS 4); on several, a node knows of the others' guests
// what has reached it.
func (c *Cluster) SetStale(stale bool) {
	c.lock()
	defer c.unlock()
	c.stale = nil
	if !stale {
		return
	}
	c.stale = make(map[int]*guest, len(c.guests))
	for vmid, g := range c.guests {
		seen := *g
		seen.conf = maps.Clone(g.conf)
		c.stale[vmid] = &seen
	}
}

// listed are the guests as cluster/resources has them.
func (c *Cluster) listed() map[int]*guest {
	if c.stale != nil {
		return c.stale
	}
	return c.guests
}
