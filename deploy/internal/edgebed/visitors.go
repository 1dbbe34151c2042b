//go:build linux

package edgebed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// Visitors open new connections by several names, over and over, and hold each
// answer against who ought to give it.
type Visitors struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	// first is over once each visitor has come once.
	first sync.WaitGroup

	mu     sync.Mutex
	visits int
	wrong  []string
}

// Visit begins to ask address for names: name → the backends that may answer. One
// visitor comes for each name, again as soon as it has its answer.
func (c Client) Visit(t testing.TB, address string, names map[string][]string) *Visitors {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v := &Visitors{cancel: cancel}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		v.first.Add(1)
		v.done.Go(func() {
			came := sync.OnceFunc(v.first.Done)
			defer came()
			for ctx.Err() == nil {
				began := time.Now()
				seen, err := c.Who(ctx, address, name)
				if ctx.Err() != nil {
					return
				}
				v.mu.Lock()
				v.visits++
				if err != nil || !slices.Contains(names[name], seen.Backend) {
					v.wrong = append(v.wrong, fmt.Sprintf("%s %q reaches %q, not %q, %v, after %s",
						began.Format("15:04:05.000"), name, seen.Backend, names[name], err, time.Since(began).Round(time.Millisecond)))
				}
				v.mu.Unlock()
				came()
				select {
				case <-ctx.Done():
				case <-time.After(2 * time.Millisecond): // The machine has other things to do, too.
				}
			}
		})
	}
	t.Cleanup(func() { v.cancel(); v.done.Wait() })
	return v
}

// End ends all visits, once each visitor has had an answer, and tells how many there
// were, and which went wrong.
func (v *Visitors) End() (visits int, wrong []string) {
	v.first.Wait()
	v.cancel()
	v.done.Wait()
	return v.visits, v.wrong
}
