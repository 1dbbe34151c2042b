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
	Name        string `yaml:"name"`
	Description string `yaml:"description" drift:"online" priv:"VM.Config.Options"`
	// Hostname is the guest's name on Proxmox and inside; Name unless set.
	Hostname string `yaml:"hostname" drift:"online" priv:"vm=VM.Config.Options,ct=VM.Config.Network"`
	Site     string `yaml:"site"`
	// Node is where the guest is made; a migrated guest is followed unless Pin
	// is set, and only then compared.
	Node string `yaml:"node" drift:"vm=online,ct=reboot" priv:"VM.Migrate"`
	// Plan is what the manifest's id says: a number or a plan's name.
	// VMID is what follows from it, always set after loading.
	Plan string `yaml:"id"`
	VMID int    `yaml:"-" path:"id" drift:"recreate" priv:"VM.Allocate"`
	Uses List   `yaml:"uses"`
	// State is running unless set.
	State       State  `yaml:"state" drift:"online" enum:"running|stopped|absent" priv:"VM.PowerMgmt"`
	Project     string `yaml:"project"`
	Environment string `yaml:"environment"`

	Disks    map[string]Disk `yaml:"disks" drift:"online" priv:"VM.Config.Disk"`
	Networks map[string]NIC  `yaml:"networks" drift:"online" priv:"VM.Config.Network"`
	DNS      List            `yaml:"dns" list:"replace" drift:"vm=create,ct=reboot" priv:"vm=VM.Config.Cloudinit,ct=VM.Config.Network"`
	Search   List            `yaml:"search" list:"replace" drift:"vm=create,ct=reboot" priv:"vm=VM.Config.Cloudinit,ct=VM.Config.Network"`

	// Startup is a phase of the site, "never" (onboot off) or "yes" (onboot on,
	// no order).
	Startup    string `yaml:"startup" drift:"online" priv:"VM.Config.Options"`
	Tags       Words  `yaml:"tags" drift:"online" priv:"VM.Config.Options"`
	Protection bool   `yaml:"protection" drift:"online" priv:"VM.Config.Options"`

	Expose    []Expose       `yaml:"expose"`
	Groups    Words          `yaml:"groups"`
	Vars      map[string]any `yaml:"vars"`
	SSH       SSH            `yaml:"ssh"`
	Needs     List           `yaml:"needs"`
	Ready     Ready          `yaml:"ready"`
	Lifecycle Lifecycle      `yaml:"lifecycle"`
	Ignore    List           `yaml:"ignore"`

	// Adopt proves which foreign guest with this VMID is taken over, once.
	Adopt Adopt `yaml:"adopt"`
	// RenamedFrom is the name that the guest had in Git before.
	RenamedFrom string `yaml:"renamedFrom"`
	// Count makes so many guests of one document, numbered from 1; 0 is one
	// guest without a number. The loader expands it and leaves 0.
	Count int `yaml:"count"`
	// Nodes are, with Count, where the guests are made, round and round.
	Nodes List `yaml:"nodes" list:"replace"`
	// Pin makes a guest on another node than Node drift: it is migrated.
	Pin bool `yaml:"pin"`
	// Clone makes the guest from a template.
	Clone Clone `yaml:"clone" short:"template" priv:"VM.Clone"`
	// Pool is the Proxmox pool that the guest is a member of; "" leaves it alone.
	Pool       string `yaml:"pool" drift:"online" priv:"Pool.Allocate"`
	Hookscript string `yaml:"hookscript" drift:"online" priv:"root@pam"`
	// Options are further options of Proxmox, verbatim, for what the language
	// has no word.
	Options              map[string]string `yaml:"options" drift:"reboot" priv:"VM.Config.Options"`
	AllowAddressConflict *Later            `yaml:"allowAddressConflict" later:"whether an address answers is not asked yet: leave it out"`
}

// Adopt names a foreign guest by what only one has. One of the two is set.
type Adopt struct {
	// UUID is the SMBIOS uuid of a virtual machine.
	UUID string `yaml:"uuid"`
	// MAC is that of one of the guest's NICs.
	MAC string `yaml:"mac"`
}

// Clone is the template that a guest was made from, and how. Both are settled
// when the guest is made.
type Clone struct {
	// Template names a Template.
	Template string `yaml:"template" drift:"create"`
	// Linked makes disks that share the template's; false (unless set) copies.
	Linked bool `yaml:"linked" drift:"create"`
}

// Disk is a drive of a virtual machine or a volume of a container.
type Disk struct {
	// Image names the Image it is made from.
	Image string `yaml:"image" drift:"create"`
	// Size grows online and never shrinks.
	Size Size `yaml:"size" drift:"online"`
	// Storage is a class of the site, or a Proxmox storage by its own name.
	Storage   string `yaml:"storage" drift:"recreate"`
	Format    string `yaml:"format" drift:"create" enum:"raw|qcow2"`
	Discard   bool   `yaml:"discard" drift:"reboot"`
	SSD       bool   `yaml:"ssd" drift:"reboot"`
	IOThread  bool   `yaml:"iothread" drift:"reboot"`
	Cache     string `yaml:"cache" drift:"reboot" enum:"none|writethrough|writeback|unsafe|directsync"`
	AIO       string `yaml:"aio" drift:"reboot" enum:"native|threads|io_uring"`
	Backup    bool   `yaml:"backup" drift:"online"`
	Replicate bool   `yaml:"replicate" drift:"online"`
	Serial    string `yaml:"serial" drift:"reboot"`
	ReadOnly  bool   `yaml:"readOnly" drift:"reboot"`

	// State is absent for a drive that is to be detached; "" otherwise. The
	// volume is kept as unused.
	State string `yaml:"state" drift:"online" enum:"absent"`
	// Name is what references to a DataVM's disk say; no other disk has one.
	Name string `yaml:"name"`
	// Volume is a DataVM's disk, "lab-certbot-data/letsencrypt", attached.
	Volume string `yaml:"volume" drift:"online"`
	// ISO is the Image in a CD-ROM drive, or "none" for an empty one.
	ISO string `yaml:"iso" drift:"online" priv:"VM.Config.CDROM"`
	// Bind is a directory of the node in a container; only root@pam may ask it.
	Bind   string `yaml:"bind" drift:"reboot" priv:"root@pam"`
	Limits Limits `yaml:"limits" drift:"online"`
	// Mount is where the guest mounts it: a container by Proxmox, a virtual
	// machine by its seed. A volume's is its DataVM's unless set.
	Mount string `yaml:"mount" drift:"vm=create,ct=reboot"`
	// Filesystem is made if there is none; ext4 unless set. Label is its label.
	Filesystem   string `yaml:"filesystem" drift:"vm=create" enum:"ext4|xfs|btrfs"`
	Label        string `yaml:"label" drift:"vm=create"`
	MountOptions Words  `yaml:"options" drift:"vm=create,ct=reboot"`
	// SecureBoot enrols the usual keys in an EFI disk.
	SecureBoot bool `yaml:"secureBoot" drift:"create"`
}

// Limits is the most that a drive may read and write a second; 0 is no limit.
type Limits struct {
	Read     Rate `yaml:"read"`
	Write    Rate `yaml:"write"`
	ReadOps  int  `yaml:"readOps"`
	WriteOps int  `yaml:"writeOps"`
}

// NIC is a network interface.
type NIC struct {
	// Network is a network of the site; the only one unless set.
	Network string `yaml:"network" drift:"online"`
	// Address is "dhcp" (unless set), "none" or an address with its prefix
	// length, which the loader takes from the network or from Hostnum.
	Address string `yaml:"address" instead:"hostnum" drift:"vm=create,ct=online"`
	Hostnum int    `yaml:"hostnum" instead:"address" drift:"-"`
	// Reservation is what the DHCP server will give.
	Reservation string `yaml:"reservation" drift:"-"`
	// Gateway is the network's on the first NIC unless set; "none".
	Gateway string `yaml:"gateway" drift:"vm=create,ct=online"`
	// MAC is made once and remembered unless set.
	MAC      string `yaml:"mac" drift:"online"`
	Model    string `yaml:"model" drift:"reboot" enum:"virtio|e1000|e1000e|rtl8139|vmxnet3"`
	Name     string `yaml:"name" drift:"vm=create,ct=online"`
	Firewall bool   `yaml:"firewall" drift:"online"`
	VLAN     int    `yaml:"vlan" drift:"online"`
	MTU      int    `yaml:"mtu" drift:"online"`
	Rate     Rate   `yaml:"rate" drift:"online"`
	Queues   int    `yaml:"queues" drift:"online"`
	LinkDown bool   `yaml:"linkDown" drift:"online"`
	// State is absent for a NIC that is to be taken away; "" otherwise.
	State string `yaml:"state" drift:"online" enum:"absent"`
	// Address6 is "dhcp", "auto" (router advertisements) or an address with its
	// prefix length; "" is none.
	Address6 string `yaml:"address6" drift:"vm=create,ct=online"`
	// Gateway6 is the network's on the first NIC with a static Address6 unless
	// set; "none".
	Gateway6 string `yaml:"gateway6" drift:"vm=create,ct=online"`
}

// Expose is a name under which an edge routes to the guest.
type Expose struct {
	Name string `yaml:"name"`
	// Port is the guest's; 443 unless set.
	Port int `yaml:"port"`
	// Via names the edge; the only one unless set.
	Via           string `yaml:"via"`
	HTTP          *Later `yaml:"http" later:"the port-80 twin is not built yet: leave it out"`
	ProxyProtocol *Later `yaml:"proxyProtocol" later:"PROXY protocol is not built yet: leave it out"`
	Early         *Later `yaml:"early" later:"early routes are not built yet: the route comes after the playbooks"`
}

// Ready is when a guest counts as ready. The zero value: when it runs and its
// address is known; and when a playbook or route wants it, when its SSH port
// or the route's port answers.
type Ready struct {
	// Agent waits for the guest agent, CloudInit for cloud-init to have ended.
	Agent     bool `yaml:"agent"`
	CloudInit bool `yaml:"cloudInit"`
	// Port waits for a TCP port to answer; 0 is none.
	Port int `yaml:"port"`
	// Timeout is the site's unless set.
	Timeout Duration `yaml:"timeout"`
}

// Lifecycle is what may be done to a guest to make it what it shall be.
type Lifecycle struct {
	// Reboot is never (unless set: changes wait for a reboot of yours) or now.
	Reboot string `yaml:"reboot" enum:"never|now|window"`
	// Replace is refuse.
	Replace string `yaml:"replace" enum:"refuse|allow"`
	// Remove is archive (unless set) or destroy.
	Remove string `yaml:"remove" enum:"archive|destroy|release"`
	// Stop is graceful (unless set) or force, where a guest that does not shut
	// down in time is stopped.
	Stop     string `yaml:"stop" enum:"graceful|force"`
	Snapshot *Later `yaml:"snapshot" later:"snapshots are not built yet: leave it out"`
}
