// Package notation reads and writes the values of Proxmox's configurations: property
// strings, sizes, rates, flags.
package notation
