// Package proxmox looks after guests and images on a Proxmox cluster.
//
// It observes them through the API alone, puts what it finds in the manifest's
// words, says which steps a difference takes, and makes the steps. What is
// remembered about a guest stands on the guest itself, as the last line of its
// description: the stamp. Facts about Proxmox's behaviour are those of Proxmox
// VE 8.4, measured.
package proxmox
