//go:build !race

package turn_test

import "os"

// sparse skips two accidents of three, unless BERTH_EVERY=1 asks for every one, as
// deploy/test does.
var sparse = func() int {
	if os.Getenv("BERTH_EVERY") == "1" {
		return 1
	}
	return 3
}()

// hugeFile is the size of a file that is far too large.
var hugeFile = 100 << 20 / sparse

// rounds is how many random rounds are played unless more are asked for.
const rounds = 200
