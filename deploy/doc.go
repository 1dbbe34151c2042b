// Package deploy holds what surrounds the program rather than being part of it:
// the scripts that test and lint it, the test of the repository's layout, and
// the end-to-end tests. It exports nothing.
package deploy
