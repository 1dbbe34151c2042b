//go:build !race

package proxmox

import "os"

// few is of how many steps, each with many rights, one is shown: without the race
// detector all are.
const few = 1

// stride skips two kills, and rights, of three, unless BERTH_EVERY=1 asks for every one,
// as deploy/test does.
var stride = func() int {
	if os.Getenv("BERTH_EVERY") == "1" {
		return 1
	}
	return 3
}()
