//go:build race

package proxmox

// stride skips most kills, and needs, where the race detector makes each ten times
// dearer.
var stride = 15

// few is of how many steps, each with many rights, one is shown.
const few = 3
