package proxmox

import (
	"sync"
	"sync/atomic"

	"berth/applyers/proxmox/pve"
)

// each does something for each of n, as many at a time as an endpoint gets requests at
// once. More would only wait for their turn, each on a stack of its own: a thousand
// guests at once cost 8 MiB and more.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, pve.AtOnce) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
