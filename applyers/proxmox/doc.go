// Package proxmox looks after guests and images on a Proxmox cluster.
//
// It observes them through the API alone, puts what it finds in the manifest's
// words, says which steps a difference takes, and makes the steps. What is
// remembered about a guest stands on the guest itself, as the last line of its
// description: the stamp. Facts about Proxmox's behaviour are those of Proxmox
// VE 8.4, measured; what they ask of this package and of those below it is listed
// in testdata/rules, each rule with the test that fails without it.
//
// Between whole looks a poll ([Applyer.Watch]) reads the cluster's resources, log and
// tasks, what these name, and a few guests of which nothing speaks, and tells whether
// a whole look is due. It finds at once what was changed through the API or qm,
// started, stopped, moved, resized, renamed or removed. It does not see, but for the
// few that it reads each time, edits of files and containers' options (FACTS 10), nor
// images, storages and others' guests.
//
// Data lives on data VMs, which are never started; guests attach their disks by
// name. A volume has one writer at a time: before it is attached, every guest of
// the cluster is looked at, ours or not, and the guest that had it has stopped and
// let go. What uses a volume keeps its data VM from being archived, and nothing
// destroys a data VM but a person.
//
// Before a guest is made, brought back from the archive or given another address,
// its static addresses, v4 and v6, are looked for: on the network, by ping and a few
// ports ([AskNetwork]), and in the configurations of all guests of the cluster: the
// containers' interfaces, ipconfig of virtual machines, and what stamps, of any
// fleet, tell of addresses in seeds. Templates and what is archived don't count, nor
// do addresses that DHCP gives. Guests of others are read for it, one request each,
// only in a look that finds such an address wanted. Whoever has it holds the step;
// allowAddressConflict in the guest's manifest lets it go on. A look also asks each
// node on which something is to be made for its bridges, and weighs the sizes of new
// disks against what is free: on plain LVM their sum, elsewhere, where disks take
// room as they are written to, only whether anything is left.
//
// The token needs, at / or at the paths that it shall work on: VM.Allocate,
// VM.Audit, VM.PowerMgmt, VM.Config.CPU, VM.Config.Disk, VM.Config.HWType,
// VM.Config.Memory, VM.Config.Network, VM.Config.Options, Datastore.Allocate
// (where seeds are uploaded), Datastore.AllocateSpace, VM.Config.CDROM (for CD-ROM
// drives), VM.Config.Cloudinit (for Proxmox's own cloud-init drive), VM.Migrate
// (for pinned guests), Pool.Allocate (for pools),
// Datastore.AllocateTemplate, SDN.Use, Sys.AccessNetwork (to download images),
// and Sys.Modify on / for startup phases. Beside these, Sys.Audit on / tells of
// quorum and of nodes that are down, Sys.Syslog on / who changed what (without it a
// poll can tell nothing, and is a whole look), Sys.Audit on /access/groups when the token
// expires (asked once a day), VM.Monitor what the guest agent knows,
// and Datastore.Audit on /storage which storages there are and what they take, so that
// a plan holds what would fail for want of them.
package proxmox
