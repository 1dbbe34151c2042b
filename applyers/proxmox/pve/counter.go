package pve

import (
	"maps"
	"sync"
)

// Counter counts requests by method.
type Counter struct {
	mu sync.Mutex
	by map[string]int
}

// Add counts one request.
func (c *Counter) Add(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]int)
	}
	c.by[method]++
}

// Take gives the counts and begins anew.
func (c *Counter) Take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.by
	c.by = nil
	if taken == nil {
		return map[string]int{}
	}
	return maps.Clone(taken)
}
