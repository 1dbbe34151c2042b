//go:build race

package proxmox

// stride skips most kills where the race detector makes each ten times dearer.
const stride = 5
