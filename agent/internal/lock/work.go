//go:build !race

package lock

// workFactor is scrypt's cost for a new identity: 2^17 takes 128 MiB for half a second,
// which an agent on a small host has. The age tool takes up to 2^22.
const workFactor = 17
