package desired

// State is what a guest shall be.
type State string

// The states. Archived is live only: no manifest asks for it.
const (
	Running  State = "running"
	Stopped  State = "stopped"
	Absent   State = "absent"
	Archived State = "archived"
)

// Guest holds the fields that virtual machines and containers share.
type Guest struct {
	// Name is the guest's name in Git, its identity. Guests and Hosts share one
	// name space. With count it holds the number: "web-{n}", "web-{n:02}".
	Name string `yaml:"name" default:"required" example:"web-1"`
	// Description is for people. Berth adds a line of its own below it on Proxmox.
	Description string `yaml:"description" drift:"online" priv:"VM.Config.Options" example:"the wiki of the lab"`
	// Hostname is the guest's name on Proxmox and inside.
	Hostname string `yaml:"hostname" drift:"online" priv:"vm=VM.Config.Options,ct=VM.Config.Network" default:"the guest's name" example:"web-1.example.net"`
	// Site is the Site on which the guest lives.
	Site string `yaml:"site" default:"the fleet's" example:"home"`
	// Node is where the guest is made. A guest that was migrated is followed,
	// unless pin is set, and only then compared.
	Node string `yaml:"node" instead:"nodes" drift:"vm=online,ct=reboot" priv:"VM.Migrate" default:"the site's" example:"pve1"`
	// Plan is the VMID: a number, or the name of one of the site's plans. A guest
	// keeps the VMID that it was made with.
	Plan string `yaml:"id" default:"the plan called default" example:"prod"`
	// VMID is what follows from Plan, always set after loading.
	VMID int `yaml:"-" path:"id" drift:"recreate" priv:"VM.Allocate"`
	// Uses are Profiles laid below the document, in their order.
	Uses List `yaml:"uses" example:"[base, web]"`
	// State is what the guest shall be: running, stopped, or absent, which deletes
	// it without archiving it first.
	State State `yaml:"state" drift:"online" enum:"running|stopped|absent" priv:"VM.PowerMgmt" default:"running" example:"stopped"`
	// Project is what the guest is a part of; playbooks know it as
	// berth_project, and as the group project_NAME.
	Project string `yaml:"project" form:"dotted" example:"shop"`
	// Environment is the stage that the guest belongs to; playbooks know it as
	// berth_environment, and as the group env_NAME.
	Environment string `yaml:"environment" form:"dotted" example:"prod"`

	// Disks are the drives and volumes, by slot. A slot that is left out is
	// unmanaged; "SLOT: absent" detaches it.
	Disks map[string]Disk `yaml:"disks" drift:"online" priv:"VM.Config.Disk" keys:"slot" example:"{scsi0: {image: debian-12, storage: ssd, size: 32GiB}}"`
	// Networks are the NICs, net0 to net31. A NIC that is left out is unmanaged;
	// "netN: absent" takes it away.
	Networks map[string]NIC `yaml:"networks" drift:"online" priv:"VM.Config.Network" keys:"nic" example:"{net0: {network: lan, address: 10.1.1.4}}"`
	// DNS are the name servers that the guest asks. A virtual machine without
	// cloudInit can't be told.
	DNS List `yaml:"dns" list:"replace" drift:"vm=create,ct=reboot" priv:"vm=VM.Config.Cloudinit,ct=VM.Config.Network" default:"those of the first NIC's network" example:"[10.1.1.1]"`
	// Search are the domains in which the guest looks up short names.
	Search List `yaml:"search" list:"replace" drift:"vm=create,ct=reboot" priv:"vm=VM.Config.Cloudinit,ct=VM.Config.Network" default:"those of the first NIC's network" example:"[example.net]"`

	// Startup is when the guest starts with its host: a phase of the site, yes
	// (no order) or never.
	Startup string `yaml:"startup" drift:"online" priv:"VM.Config.Options" form:"startup" example:"infrastructure"`
	// Tags are the guest's tags on Proxmox, all of them but Berth's own: one that
	// was added by hand is taken away.
	Tags Words `yaml:"tags" drift:"online" priv:"VM.Config.Options" form:"tag" example:"[prod, web]"`
	// Protection keeps the guest and its disks from being removed, by anyone.
	Protection bool `yaml:"protection" drift:"online" priv:"VM.Config.Options" example:"true"`

	// Expose are the names under which an Edge routes to the guest.
	Expose []Expose `yaml:"expose" example:"[{name: git.example.com, port: 443}]"`
	// Groups are the guest's groups in Ansible's inventory.
	Groups Words `yaml:"groups" form:"group" example:"[reverse_proxy]"`
	// Vars are the guest's variables in Ansible's inventory. They never reach
	// Proxmox.
	Vars map[string]any `yaml:"vars" keys:"var" example:"{branch: main}"`
	// SSH is how playbooks reach the guest, where it differs from the fleet's.
	SSH SSH `yaml:"ssh" default:"the fleet's"`
	// Needs are guests that must exist, run and be ready first.
	Needs List `yaml:"needs" form:"guest" example:"[vm/db-1]"`
	// Ready is when the guest counts as ready: it runs and its address is known,
	// and what stands here holds as well.
	Ready Ready `yaml:"ready" default:"port 22 answers, where a playbook wants it"`
	// Lifecycle is what may be done to the guest to make it what it shall be.
	Lifecycle Lifecycle `yaml:"lifecycle"`
	// Ignore are fields, by dotted path, that Berth lets go: live may differ.
	Ignore List `yaml:"ignore" example:"[tags, disks.scsi0.cache]"`

	// Adopt proves which foreign guest with this VMID is taken over, once; take it
	// out afterwards.
	Adopt Adopt `yaml:"adopt"`
	// RenamedFrom is the name that the guest had in Git before; it stays the same
	// guest.
	RenamedFrom string `yaml:"renamedFrom" form:"guestname" example:"web"`
	// Number is the guest's among those that count makes, from 1; 0 without count.
	// Playbooks know it as berth_n.
	Number int `yaml:"-"`
	// Count makes so many guests of one document, numbered from 1: {n} in name and
	// hostname is the number, berth_n in Ansible's inventory; address, hostnum and
	// a fixed id go up with it.
	Count int `yaml:"count" form:"positive" default:"one guest without a number" example:"3"`
	// Nodes are, with count, where the guests are made, round and round.
	Nodes List `yaml:"nodes" instead:"node" list:"replace" default:"all on node" example:"[pve1, pve2]"`
	// Pin makes a guest on another node than node drift: it is migrated back.
	Pin bool `yaml:"pin" default:"false" example:"true"`
	// Clone makes the guest from a Template. For a virtual machine the size of the
	// boot disk then grows the cloned one.
	Clone Clone `yaml:"clone" short:"template" priv:"VM.Clone" example:"debian-12-golden"`
	// Pool is the Proxmox pool that the guest is a member of.
	Pool string `yaml:"pool" drift:"online" priv:"Pool.Allocate" example:"lab"`
	// Hookscript is the volume of a script that Proxmox runs at start and stop.
	Hookscript string `yaml:"hookscript" drift:"online" priv:"root@pam" example:"local:snippets/hook.pl"`
	// Options are further options of Proxmox, word by word, for what the language
	// has no field of its own.
	Options map[string]string `yaml:"options" drift:"reboot" priv:"VM.Config.Options" example:"{rng0: \"source=/dev/urandom\"}"`

	// AllowAddressConflict makes, restores and re-addresses the guest although its
	// static address answers to ping or on a port already, or stands in another
	// guest's configuration on the cluster: a firewall may answer for the address, or
	// who has it may be on another network.
	AllowAddressConflict bool `yaml:"allowAddressConflict" default:"false: held, and told who has the address" example:"true"`
}

// Adopt names a foreign guest by what only one has. One of the two is set.
type Adopt struct {
	// UUID is the SMBIOS uuid of a virtual machine.
	UUID string `yaml:"uuid" only:"vm,data" form:"uuid" example:"d6466886-3f2a-4b5e-9a37-6c1d52f0a8e1"`
	// MAC is that of one of the guest's NICs.
	MAC string `yaml:"mac" only:"vm,ct" form:"mac" example:"\"bc:24:11:00:00:01\""`
}

// Clone is the template that a guest was made from, and how. Both are settled
// when the guest is made.
type Clone struct {
	// Template names a Template.
	Template string `yaml:"template" drift:"create" default:"required" example:"debian-12-golden"`
	// Linked makes disks that share the template's, instead of copies.
	Linked bool `yaml:"linked" drift:"create" default:"false" example:"true"`
}

// Disk is a drive of a virtual machine or a volume of a container. Exactly one
// of image, volume, iso and bind says what it is; size alone is an empty disk.
type Disk struct {
	// Image names the Image that the disk is made from; for rootfs the
	// container's template.
	Image string `yaml:"image" only:"vm,ct" drift:"create" example:"debian-12"`
	// Size grows online and never shrinks.
	Size Size `yaml:"size" drift:"online" default:"the image's; required without one" example:"32GiB"`
	// Storage is a class of the site, or a Proxmox storage by its own name.
	Storage string `yaml:"storage" drift:"recreate" default:"the site's only class" example:"ssd"`
	// Format is how the disk lies on a storage of files.
	Format string `yaml:"format" only:"vm,data" drift:"create" enum:"raw|qcow2" default:"the class's" example:"raw"`
	// Discard passes on to the storage what the guest frees.
	Discard bool `yaml:"discard" only:"vm,data" drift:"reboot" default:"the class's" example:"true"`
	// SSD shows the drive as one without moving parts. Virtio drives have none.
	SSD bool `yaml:"ssd" only:"vm,data" drift:"reboot" default:"the class's" example:"true"`
	// IOThread gives the drive a thread of its own. For scsi and virtio.
	IOThread bool `yaml:"iothread" only:"vm,data" drift:"reboot" default:"the class's" example:"true"`
	// Cache is how the host caches the drive.
	Cache string `yaml:"cache" only:"vm,data" drift:"reboot" enum:"none|writethrough|writeback|unsafe|directsync" default:"the class's" example:"writeback"`
	// AIO is how the host reads and writes for the drive.
	AIO string `yaml:"aio" only:"vm,data" drift:"reboot" enum:"native|threads|io_uring" example:"io_uring"`
	// Backup takes the disk into backups.
	Backup bool `yaml:"backup" drift:"vm=online,ct=reboot" example:"false"`
	// Replicate takes the disk into replication jobs.
	Replicate bool `yaml:"replicate" drift:"vm=online,ct=reboot" example:"false"`
	// Serial is the drive's serial number, at most 20 characters.
	Serial string `yaml:"serial" only:"vm,data" drift:"reboot" form:"serial" example:"data"`
	// ReadOnly keeps the guest from writing. For scsi, virtio and containers'
	// volumes.
	ReadOnly bool `yaml:"readOnly" drift:"reboot" example:"true"`

	// State detaches the drive: absent. The volume is kept, as unused. "scsi2:
	// absent" is short for it.
	State string `yaml:"state" only:"vm,ct" drift:"online" enum:"absent" example:"absent"`
	// Name is what references to a DataVM's disk say after the slash.
	Name string `yaml:"name" only:"data" default:"required" form:"dotted" example:"letsencrypt"`
	// Volume is a DataVM's disk, attached: the holder's name, a slash, the disk's
	// name. One guest writes it; several may read it. A container can't have one:
	// it is a block device.
	Volume string `yaml:"volume" only:"vm" drift:"online" form:"volume" example:"certs/letsencrypt"`
	// ISO is the Image in a CD-ROM drive, or none for an empty one.
	ISO string `yaml:"iso" only:"vm" drift:"online" priv:"VM.Config.CDROM" example:"none"`
	// Bind is a directory of the node, mounted into a container.
	Bind string `yaml:"bind" only:"ct" drift:"reboot" priv:"root@pam" form:"path" example:"/tank/media"`
	// Limits is the most that the drive may read and write a second.
	Limits Limits `yaml:"limits" only:"vm,data" drift:"online" example:"{read: 100MiB/s, writeOps: 500}"`
	// Mount is where the guest mounts it: a container by Proxmox, a virtual
	// machine by its seed. A container's mpN must have one.
	Mount string `yaml:"mount" drift:"vm=create,ct=reboot" form:"path" default:"the volume's" example:"/srv"`
	// Filesystem is what a virtual machine's seed makes on the disk if it finds
	// none.
	Filesystem string `yaml:"filesystem" only:"vm,data" drift:"vm=create" enum:"ext4|xfs|btrfs" default:"ext4" example:"xfs"`
	// Label is the file system's label.
	Label string `yaml:"label" only:"vm,data" drift:"vm=create" example:"srv"`
	// MountOptions are options of the mount.
	MountOptions Words `yaml:"options" drift:"vm=create,ct=reboot" example:"[noatime]"`
	// SecureBoot puts the usual keys into an EFI disk. For efidisk0.
	SecureBoot bool `yaml:"secureBoot" only:"vm" drift:"create" default:"false" example:"true"`
}

// Limits is the most that a drive may read and write a second; 0 is no limit.
type Limits struct {
	// Read is the most that may be read.
	Read Rate `yaml:"read" example:"100MiB/s"`
	// Write is the most that may be written.
	Write Rate `yaml:"write" example:"50MiB/s"`
	// ReadOps is how many reads there may be.
	ReadOps int `yaml:"readOps" form:"natural" example:"1000"`
	// WriteOps is how many writes there may be.
	WriteOps int `yaml:"writeOps" form:"natural" example:"500"`
}

// NIC is a network interface.
type NIC struct {
	// Network is a network of the site.
	Network string `yaml:"network" drift:"online" default:"the site's only one" example:"lan"`
	// Address says which IPv4 address it has: dhcp, none, or an address, whose prefix length follows from
	// the network's subnet unless it is given. A virtual machine without
	// cloudInit can't be told: its address is known then, not set.
	Address string `yaml:"address" instead:"hostnum" drift:"vm=create,ct=online" default:"dhcp" example:"10.1.1.4"`
	// Hostnum is the address as its place in the network's subnet: 4 is subnet + 4.
	// It stands instead of address.
	Hostnum int `yaml:"hostnum" instead:"address" drift:"-" form:"positive" example:"4"`
	// Reservation is, with dhcp, the address that the DHCP server will give. Plans
	// of VMIDs, routes and the check for doubles go by it.
	Reservation string `yaml:"reservation" drift:"-" form:"ip" example:"10.1.1.22"`
	// Gateway is the IPv4 gateway, or none.
	Gateway string `yaml:"gateway" drift:"vm=create,ct=online" default:"the network's, on the first NIC" example:"10.1.1.1"`
	// MAC is the NIC's hardware address.
	MAC string `yaml:"mac" drift:"online" form:"mac" default:"made once and kept" example:"\"bc:24:11:00:00:01\""`
	// Model is the hardware that a virtual machine sees.
	Model string `yaml:"model" only:"vm" drift:"reboot" enum:"virtio|e1000|e1000e|rtl8139|vmxnet3" default:"virtio at creation" example:"virtio"`
	// Name is the interface's name in the guest. A virtual machine's is set by its
	// seed.
	Name string `yaml:"name" drift:"vm=create,ct=online" form:"interface" default:"ethN in a container, the kernel's in a VM" example:"eth0"`
	// Firewall puts Proxmox's firewall before the NIC.
	Firewall bool `yaml:"firewall" drift:"online" default:"the network's" example:"true"`
	// VLAN is the tag of the NIC's traffic on the bridge.
	VLAN int `yaml:"vlan" drift:"online" form:"vlan" default:"the network's" example:"30"`
	// MTU is the largest packet; for a virtual machine 1 takes the bridge's.
	MTU int `yaml:"mtu" drift:"online" form:"natural" default:"the network's" example:"1450"`
	// Rate is the most that the NIC may send a second.
	Rate Rate `yaml:"rate" drift:"online" example:"100MiB/s"`
	// Queues is how many queues a virtual machine's NIC has.
	Queues int `yaml:"queues" only:"vm" drift:"online" form:"natural" example:"4"`
	// LinkDown pulls the plug.
	LinkDown bool `yaml:"linkDown" drift:"online" example:"true"`
	// State takes the NIC away: absent. "net1: absent" is short for it.
	State string `yaml:"state" drift:"online" enum:"absent" example:"absent"`
	// Address6 says which IPv6 address it has: dhcp, auto (by router
	// advertisements), or an address, whose
	// prefix length follows from the network's subnet6 unless it is given.
	Address6 string `yaml:"address6" drift:"vm=create,ct=online" example:"auto"`
	// Gateway6 is the IPv6 gateway, or none.
	Gateway6 string `yaml:"gateway6" drift:"vm=create,ct=online" default:"the network's, on the first NIC with a static address6" example:"\"fd00:1::1\""`
}

// Expose is a name under which an edge routes to the guest.
type Expose struct {
	// Name is the DNS name.
	Name string `yaml:"name" form:"route" default:"required" example:"git.example.com"`
	// Port is the guest's port.
	Port int `yaml:"port" form:"port" default:"443" example:"8443"`
	// Via names the Edge.
	Via string `yaml:"via" default:"the only one" example:"edge"`
	// HTTP is the guest's port for the name's twin on port 80, at an Edge with http.
	HTTP int `yaml:"http" form:"port" default:"no twin" example:"80"`
	// ProxyProtocol tells the guest who asks, by a PROXY header.
	ProxyProtocol bool `yaml:"proxyProtocol" default:"false" example:"true"`
	// Early routes before the guest's playbooks have run, as those need which fetch a
	// certificate by that very name.
	Early bool `yaml:"early" default:"false" example:"true"`
}

// Ready is when a guest counts as ready. The zero value: when it runs; and when a
// playbook or route wants it, when its address is known, its SSH port or the route's
// port answers, and cloud-init is not seen at work by the guest agent.
type Ready struct {
	// Agent waits for the guest agent to answer.
	Agent bool `yaml:"agent" only:"vm" default:"false" example:"true"`
	// CloudInit waits for cloud-init to have ended, the reboot of cloudInit.reboot
	// included, as the guest agent tells.
	CloudInit bool `yaml:"cloudInit" only:"vm" default:"false" example:"true"`
	// Port waits for a TCP port to answer.
	Port int `yaml:"port" form:"port" default:"none; 22 if a playbook wants it" example:"443"`
	// Timeout is how long is waited for all of it; a guest that is off for two minutes
	// is not waited for any longer.
	Timeout Duration `yaml:"timeout" default:"the site's" example:"15m"`
}

// Lifecycle is what may be done to a guest to make it what it shall be.
type Lifecycle struct {
	// Reboot says what happens to a change that needs one: never (it waits for a
	// reboot of yours), now, or window (it waits for one of the Fleet's windows).
	// What else takes a stop and a start, as a disk that is to be detached or a
	// container that is to move, waits for the same.
	Reboot string `yaml:"reboot" only:"vm,ct" enum:"never|now|window" default:"never" example:"now"`
	// Replace says whether a guest may be made anew: refuse.
	Replace string `yaml:"replace" only:"vm,ct" enum:"refuse|allow" unbuilt:"allow" default:"refuse" example:"refuse"`
	// Remove is what becomes of a guest that is gone from Git: archive (stopped
	// and kept for the fleet's archiveFor), destroy, or release (left as it is,
	// and no longer ours). A DataVM is never destroyed.
	Remove string `yaml:"remove" enum:"archive|destroy|release" default:"archive" example:"release"`
	// Stop says how a guest is stopped: graceful, which waits for it and gives up
	// in the end; or force, which then pulls the plug.
	Stop string `yaml:"stop" only:"vm,ct" enum:"graceful|force" default:"graceful" example:"force"`
	// Snapshot takes one before a change.
	Snapshot *Later `yaml:"snapshot" later:"snapshots are not built yet: leave it out"`
}
