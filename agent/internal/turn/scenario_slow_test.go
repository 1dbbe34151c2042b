//go:build race

package turn_test

// sparse skips most accidents where the race detector makes each many times
// dearer.
const sparse = 4
