// Package deploy holds what surrounds the program rather than being part of it:
// the scripts that test and lint it, the test of the repository's layout, the test
// that each rule which Proxmox taught is needed, and the end-to-end tests. It
// exports nothing.
package deploy
