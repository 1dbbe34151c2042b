// Package pvesim is a Proxmox VE API in memory: what Berth's tests run against
// and what "agent sim" and "agent demo" serve.
//
// It answers as Proxmox VE 8.4 does: tasks with UPIDs and durations,
// configuration digests, locks, pending changes and hotplug, storages whose
// volumes have owners, templates and clones, snapshots, uploads and downloads,
// permissions per token and per option, lists filtered by them, the cluster log,
// and the server's own error texts. The clock is the caller's (Options.Now), and
// faults are injected (Cluster.Inject), so that every accident that a client must
// survive can be brought about on purpose. The state outlives its clients.
//
// A Cluster is an http.Handler for /api2/json. Tests reach it through
// Cluster.Transport, without sockets, so that testing/synctest can turn the clock.
//
// How true it is, is measured: conformance_test.go replays recorded exchanges
// with a real server and prints how many of them are reproduced; those that are
// not stand in testdata/differences.txt with their reasons. Where a comment says
// FACTS and a number, it means the measured behaviour of Proxmox VE 8.4 that these
// recordings show; what comes from the sources alone says so.
//
// What it does not do: it runs no guest by itself (Options.Runtime may run the
// containers, as package lxc does; Cluster.OnPower lets a test hang a stand-in on a
// start) and moves no bytes of a disk (volumes know their size and
// the checksum of the image that they came from; only uploaded and downloaded
// files hold data). There is no console, no backup run, no Ceph and no
// replication. Of the software-defined network, the firewall and the HA manager
// there are the objects alone; an HA-managed guest obeys at once. A ticket is a
// random text without a signature. The load of nodes and guests is made up.
//
// From the sources alone, since nothing of it was recorded: migration, clones onto
// another node, the privilege that each option asks for, what of a container's
// features and mount points is left to root@pam, which mount points wait for its
// stop, what a container or cicustom file that is missing says at a start, and the
// rights that a pool's members ask for. In our own words is the refusal to resize an
// EFI or TPM disk. Which parameters a write takes, and which rights an endpoint asks
// for, is compared with Proxmox's own schema by the tests of schemacheck.
package pvesim
