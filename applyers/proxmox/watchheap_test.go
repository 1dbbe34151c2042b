package proxmox

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// replay answers what was asked before as it was answered then: a simulator beside the
// polls remembers each request, and that is all that would grow.
type replay struct {
	below   http.RoundTripper
	answers map[string]*http.Response
	bodies  map[string][]byte
	// only is the end of the paths that are answered so; "" is all.
	only string
	mu   sync.Mutex
}

func (r *replay) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || !strings.HasSuffix(req.URL.Path, r.only) {
		return r.below.RoundTrip(req)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	what := req.URL.String()
	if r.answers[what] == nil {
		res, err := r.below.RoundTrip(req)
		if err != nil || res.StatusCode != http.StatusOK {
			return res, err
		}
		if r.bodies[what], err = io.ReadAll(res.Body); err != nil {
			return nil, err
		}
		r.answers[what] = res
	}
	res := *r.answers[what]
	res.Header = maps.Clone(res.Header)
	res.Body = io.NopCloser(bytes.NewReader(r.bodies[what]))
	return &res, nil
}

// TestPollsLeaveNothingBehind makes ten thousand polls, fewer for the race detector, and looks at the heap.
func TestPollsLeaveNothingBehind(t *testing.T) {
	b, _ := manyGuests(t, 10)
	b.over = &replay{below: b.sim.Transport(), answers: make(map[string]*http.Response), bodies: make(map[string][]byte)}
	b.restart()
	b.observe()
	polls := func(n int) int64 {
		for range n {
			if got := b.polled(); got != "" {
				t.Fatal(got)
			}
		}
		b.a.TakeRequests()
		runtime.GC()
		runtime.GC() // What pools hold goes at the second.
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := polls(100)
	if grown := polls(10_000/stride) - before; grown > 64<<10 {
		t.Errorf("thousands of polls leave %d bytes on the heap", grown)
	}
}
