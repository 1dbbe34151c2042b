package proxmox

import (
	"maps"
	"sync"
)

// counter counts requests by method.
type counter struct {
	mu sync.Mutex
	by map[string]int
}

func (c *counter) add(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]int)
	}
	c.by[method]++
}

// take gives the counts and begins anew.
func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.by
	c.by = nil
	if taken == nil {
		return map[string]int{}
	}
	return maps.Clone(taken)
}
