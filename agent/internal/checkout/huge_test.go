//go:build !race

package checkout_test

const hugeFile = 100 << 20
