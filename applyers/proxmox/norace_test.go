//go:build !race

package proxmox

import "os"

// stride skips two kills of three, and needs, unless BERTH_EVERY=1 asks for every one,
// as deploy/test does.
var stride = func() int {
	if os.Getenv("BERTH_EVERY") == "1" {
		return 1
	}
	return 3
}()
