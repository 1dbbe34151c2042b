//go:build !race

package importer

// slowdown is how much dearer the tests themselves make what is timed.
const slowdown = 1
