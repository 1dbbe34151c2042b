package webhook

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// freeBody is what is read of each delivery: most pushes are smaller, and wait for
	// nobody. The listener bounds how many callers there are, and with it what that costs.
	freeBody = 64 << 10
	// maxBodies bounds how many larger ones are held at once, and with [MaxBody] what they
	// cost: whoever sends them has proven nothing yet.
	maxBodies = 8
	// bodyTime is how long a delivery takes for what is free, and once more for the rest
	// from when it has its place: whoever sends slowly keeps none.
	bodyTime = 4 * time.Second
	// bodyWait is how long a delivery waits for its place: longer than another keeps it.
	bodyWait = 5 * time.Second
)

// bodies are the places for those that are large.
type bodies struct {
	once   sync.Once
	places chan struct{}
}

// read reads the body of a delivery. Once it is done with, leave is called; full is that
// there was no place for it.
func (b *bodies) read(w http.ResponseWriter, r *http.Request) (body []byte, leave func(), full bool, err error) {
	leave = func() {}
	within := func(d time.Duration) {
		// What has no connection can't be slow. The server sets it anew for the next request.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d))
	}
	from := http.MaxBytesReader(w, r.Body, MaxBody)
	within(bodyTime)
	body, err = io.ReadAll(io.LimitReader(from, freeBody))
	if err != nil || len(body) < freeBody {
		return body, leave, false, err
	}
	if !b.enter(r.Context()) {
		return nil, leave, true, nil
	}
	leave = b.leave
	within(bodyTime)
	rest, err := io.ReadAll(from)
	return append(body, rest...), leave, false, err
}

// enter waits for a place, and tells whether there was one in time.
func (b *bodies) enter(ctx context.Context) bool {
	b.once.Do(func() { b.places = make(chan struct{}, maxBodies) })
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
