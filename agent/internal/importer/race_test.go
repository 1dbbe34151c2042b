//go:build race

package importer

// slowdown is how much dearer the race detector makes what is timed.
const slowdown = 10
