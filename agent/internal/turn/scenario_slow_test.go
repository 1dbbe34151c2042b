//go:build race

package turn_test

// sparse skips most accidents where the race detector makes each many times
// dearer.
const sparse = 36

// hugeFile is smaller where hashing is slow.
const hugeFile = 8 << 20

// rounds is how many random rounds are played unless more are asked for.
const rounds = 10
