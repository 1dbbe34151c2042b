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
	Description string `yaml:"description" drift:"online"`
	// Hostname is the guest's name on Proxmox and inside; Name unless set.
	Hostname string `yaml:"hostname" drift:"online"`
	Site     string `yaml:"site"`
	// Node is where the guest is made; a migrated guest is followed.
	Node string `yaml:"node"`
	// Plan is what the manifest's id says: a number or a plan's name.
	// VMID is what follows from it, always set after loading.
	Plan string `yaml:"id"`
	VMID int    `yaml:"-" path:"id" drift:"recreate"`
	Uses List   `yaml:"uses"`
	// State is running unless set.
	State       State  `yaml:"state" drift:"online" enum:"running|stopped|absent"`
	Project     string `yaml:"project"`
	Environment string `yaml:"environment"`

	Disks    map[string]Disk `yaml:"disks" drift:"online"`
	Networks map[string]NIC  `yaml:"networks" drift:"online"`
	DNS      List            `yaml:"dns" list:"replace" drift:"vm=create,ct=reboot"`
	Search   List            `yaml:"search" list:"replace" drift:"vm=create,ct=reboot"`

	// Startup is a phase of the site, "never" (onboot off) or "yes" (onboot on,
	// no order).
	Startup    string `yaml:"startup" drift:"online"`
	Tags       Words  `yaml:"tags" drift:"online"`
	Protection bool   `yaml:"protection" drift:"online"`

	Expose    []Expose       `yaml:"expose"`
	Groups    Words          `yaml:"groups"`
	Vars      map[string]any `yaml:"vars"`
	SSH       SSH            `yaml:"ssh"`
	Needs     List           `yaml:"needs"`
	Ready     Ready          `yaml:"ready"`
	Lifecycle Lifecycle      `yaml:"lifecycle"`
	Ignore    List           `yaml:"ignore"`

	Adopt                *Later `yaml:"adopt" later:"taking over a foreign guest is not built yet: give this one another id"`
	RenamedFrom          *Later `yaml:"renamedFrom" later:"renaming is not built yet: keep the name"`
	Count                *Later `yaml:"count" later:"count is not built yet: write the guests out"`
	Nodes                *Later `yaml:"nodes" later:"nodes goes with count, which is not built yet: use node"`
	Pin                  *Later `yaml:"pin" later:"pinning is not built yet: migrated guests are followed"`
	Clone                *Later `yaml:"clone" later:"cloning is not built yet: make the guest from an image"`
	Pool                 *Later `yaml:"pool" later:"pools are not built yet: leave it out"`
	Hookscript           *Later `yaml:"hookscript" later:"root@pam only, a token can't: leave it out"`
	Options              *Later `yaml:"options" later:"verbatim options are not built yet: leave them out"`
	AllowAddressConflict *Later `yaml:"allowAddressConflict" later:"the address preflight is not built yet: leave it out"`
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

	Volume       *Later `yaml:"volume" later:"data VMs are not built yet: give the guest a disk of its own (size and storage)"`
	ISO          *Later `yaml:"iso" later:"CD-ROM drives are not built yet: leave it out"`
	Bind         *Later `yaml:"bind" later:"root@pam only, a token can't: use a volume"`
	Limits       *Later `yaml:"limits" later:"drive limits are not built yet: leave them out"`
	Mount        *Later `yaml:"mount" later:"mounting inside the guest is not built yet: let a playbook do it"`
	Filesystem   *Later `yaml:"filesystem" later:"mounting inside the guest is not built yet: let a playbook do it"`
	Label        *Later `yaml:"label" later:"mounting inside the guest is not built yet: let a playbook do it"`
	MountOptions *Later `yaml:"options" later:"mounting inside the guest is not built yet: let a playbook do it"`
	SecureBoot   *Later `yaml:"secureBoot" later:"EFI disks are not built yet: use seabios"`
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

	Address6 *Later `yaml:"address6" later:"IPv6 is not built yet: leave it out"`
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
