//go:build race

package lock

// workFactor is scrypt's cost for a new identity, of tests under the race detector
// alone: it makes scrypt ten times as dear, and nobody keeps what they make.
const workFactor = 12
