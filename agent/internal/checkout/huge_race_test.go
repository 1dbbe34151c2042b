//go:build race

package checkout_test

// Hashing is so slow under the race detector that a smaller file has to do.
const hugeFile = 8 << 20
