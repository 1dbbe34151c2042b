// Package pvesim is a Proxmox VE API in memory: what Berth's tests run against
// and what "agent sim" and "agent demo" serve.
//
// It answers as Proxmox VE 8.4 does, by the measured behaviour in the recorded
// exchanges that conformance_test.go replays: tasks with UPIDs and durations,
// configuration digests, locks, pending changes and hotplug, storages whose
// volumes have owners, templates and clones, snapshots, uploads and downloads,
// permissions per token and per option, lists filtered by them, the cluster
// log, and the server's own error texts. The clock is the caller's (Options.Now)
// and faults are injected (Cluster.Inject), so that every accident that a client
// must survive can be brought about on purpose.
//
// What it does not do: it runs no guest (Cluster.OnPower lets a test hang a
// stand-in on a start), moves no bytes of a disk (volumes know their size, only
// uploaded and downloaded files hold data), has no console, no backup run, no
// Ceph, no software-defined network beyond staged objects, and no HA manager
// beyond the list of resources. Migration is simulated from the sources, since
// the recordings come from one node. Tickets are known to /access/ticket, but
// their signatures are only as good as a test needs.
package pvesim
