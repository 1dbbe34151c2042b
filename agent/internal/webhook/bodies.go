package webhook

import (
	"context"
	"sync"
	"time"
)

const (
	// maxBodies bounds how many bodies are held at once, and with [MaxBody] what they
	// cost: whoever sends them has proven nothing yet.
	maxBodies = 16
	// bodyWait is how long a delivery waits for its place.
	bodyWait = 3 * time.Second
)

// bodies are the places for those that are read.
type bodies struct {
	once   sync.Once
	places chan struct{}
}

// enter waits for a place, and tells whether there was one in time.
func (b *bodies) enter(ctx context.Context) bool {
	b.once.Do(func() { b.places = make(chan struct{}, maxBodies) })
	select {
	case b.places <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(bodyWait)
	defer patience.Stop()
	select {
	case b.places <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-patience.C:
	}
	return false
}

func (b *bodies) leave() { <-b.places }
