// Package pve asks the API of one Proxmox cluster, and says what its answers mean.
//
// It knows nothing of manifests but how a site is reached. What it says of Proxmox's
// behaviour is measured on Proxmox VE 8.4.
package pve
