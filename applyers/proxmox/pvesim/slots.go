package pvesim

import "sync"

// slotNames are the names that calls about one slot take, by the kind of slots.
var slotNames = sync.OnceValue(func() map[string][]string {
	numbered := func(base string, n int) []string {
		var out []string
		for i := range n {
			out = append(out, base+itoa(i))
		}
		return out
	}
	unused := numbered("unused", 256)
	mounts := append([]string{"rootfs"}, numbered("mp", 256)...)
	return map[string][]string{
		"drive":  driveKeys(),
		"slot":   append(append([]string{}, driveKeys()...), unused...),
		"mount":  mounts,
		"volume": append(append([]string{}, mounts...), unused...),
	}
})
