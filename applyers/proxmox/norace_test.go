//go:build !race

package proxmox

// stride kills at every request.
const stride = 1
