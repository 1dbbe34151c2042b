package desired

import "net/netip"

// Site is the document of kind Site: a Proxmox cluster.
type Site struct {
	// Name is what guests and references say.
	Name string `yaml:"name" default:"required" example:"paris"`
	// Description is for people.
	Description string `yaml:"description" example:"the rack in the cellar"`
	// Endpoints are the API's addresses, tried in turn.
	Endpoints List `yaml:"endpoints" list:"replace" form:"endpoint" default:"required" example:"[\"https://10.1.1.11:8006\", \"https://10.1.1.12:8006\"]"`
	// TLS is how the endpoints' certificates are judged.
	TLS TLS `yaml:"tls" default:"the system's authorities" example:"{ca: pve-root-ca.pem}"`
	// Token names the secret that holds the API token, "user@realm!id=uuid".
	Token SecretRef `yaml:"token" default:"required" example:"{secret: pve-home}"`
	// Node is where guests are made that name none.
	Node string `yaml:"node" default:"the only node" example:"pve1"`
	// Storage are classes, by name: a Proxmox storage and defaults of the disks
	// that name it.
	Storage map[string]StorageClass `yaml:"storage" example:"{ssd: {store: local-nvme, ssd: true, discard: true}}"`
	// Images is the class, or the Proxmox storage, where images are kept.
	Images string `yaml:"images" default:"the only class" example:"local"`
	// Seeds is the class, or the Proxmox storage, where seeds of cloudInit are
	// uploaded; it takes the content import.
	Seeds string `yaml:"seeds" default:"that of images" example:"local"`
	// Timeouts bound what is waited for.
	Timeouts Timeouts `yaml:"timeouts" example:"{task: 30m}"`
	// MACPrefix is the first three bytes of the MACs that Berth makes.
	MACPrefix string `yaml:"macPrefix" form:"macprefix" default:"bc:24:11" example:"\"bc:24:11\""`
	// Networks are the site's bridges with their address plans, by name.
	Networks map[string]Network `yaml:"networks" example:"{lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.1}}"`
	// IDs are plans of VMIDs, by name; the one called default is for guests
	// without id.
	IDs map[string]IDPlan `yaml:"ids" example:"{default: {range: 100000-199999}, prod: {base: 4001000, plus: hostnum}}"`
	// Foreign are VMIDs, and ranges of them, that are never used and never
	// touched, even if a manifest names one.
	Foreign []IDRange `yaml:"foreign" example:"[101, 60000-60003]"`
	// Phases are the steps in which a host starts its guests, by name.
	Phases map[string]Phase `yaml:"phases" example:"{infrastructure: {order: 2000, up: 30s, down: 60s}}"`
	Source Source           `yaml:"-"`
}

// TLS is how an endpoint's certificate is judged: by the system's authorities
// unless one of the two is set.
type TLS struct {
	// Fingerprint is the SHA-256 of the certificate.
	Fingerprint string `yaml:"fingerprint" form:"fingerprint" example:"\"4F:1C:7B:0E:93:5A:D2:66:8B:21:F0:C9:37:E4:AA:18:5D:72:90:3E:BC:46:01:DF:69:87:2C:F5:13:A8:E0:54\""`
	// CA is a PEM file of authorities, from the manifest's directory.
	CA string `yaml:"ca" example:"pve-root-ca.pem"`
	// CAPEM is what CA holds.
	CAPEM string `yaml:"-"`
}

// StorageClass is a Proxmox storage with defaults for the disks that name it.
type StorageClass struct {
	// Store is the Proxmox storage.
	Store string `yaml:"store" default:"required" example:"local-nvme"`
	// SSD is a default of disks.
	SSD bool `yaml:"ssd" example:"true"`
	// Discard is a default of disks.
	Discard bool `yaml:"discard" example:"true"`
	// IOThread is a default of disks.
	IOThread bool `yaml:"iothread" example:"true"`
	// Cache is a default of disks.
	Cache string `yaml:"cache" enum:"none|writethrough|writeback|unsafe|directsync" example:"none"`
	// Format is a default of disks.
	Format string `yaml:"format" enum:"raw|qcow2" default:"the storage's own" example:"raw"`
	// Set tells which of the defaults the manifest gives.
	Set map[Path]Source `yaml:"-"`
	// PerNode is the Proxmox storage on nodes that call it otherwise than store.
	PerNode map[string]string `yaml:"perNode" example:"{pve2: nvme2}"`
}

// Timeouts bound what is waited for on a site.
type Timeouts struct {
	// Task is for every Proxmox task but creations.
	Task Duration `yaml:"task" default:"10m" example:"30m"`
	// Create is for creations and imports.
	Create Duration `yaml:"create" default:"30m" example:"1h"`
	// Shutdown is for a graceful shutdown.
	Shutdown Duration `yaml:"shutdown" default:"3m" example:"5m"`
	// Ready is for a started guest to be ready.
	Ready Duration `yaml:"ready" default:"10m" example:"20m"`
}

// Network is a bridge with its address plan.
type Network struct {
	// Bridge is the nodes' bridge.
	Bridge string `yaml:"bridge" default:"required" example:"vmbr0"`
	// VLAN is the tag of NICs.
	VLAN int `yaml:"vlan" form:"vlan" default:"none" example:"30"`
	// MTU is the largest packet of NICs.
	MTU int `yaml:"mtu" form:"natural" default:"the bridge's" example:"1500"`
	// Firewall is a default of NICs.
	Firewall bool `yaml:"firewall" default:"false" example:"true"`
	// Subnet is needed for static addresses and host numbers.
	Subnet netip.Prefix `yaml:"subnet" example:"10.1.1.0/24"`
	// Gateway goes to the first NIC of a guest with a static address.
	Gateway netip.Addr `yaml:"gateway" example:"10.1.1.1"`
	// DNS are the name servers of guests.
	DNS List `yaml:"dns" list:"replace" form:"ip" example:"[10.1.1.1]"`
	// Search are the search domains of guests.
	Search List `yaml:"search" list:"replace" example:"[example.net]"`
	// Static are, if given, all the addresses that guests may take.
	Static []AddrRange `yaml:"static" default:"all that are not dhcp or reserved" example:"[10.1.1.4, 10.1.1.21-10.1.1.99]"`
	// DHCP are the addresses that a DHCP server gives out: no guest may take one
	// as a static address.
	DHCP []AddrRange `yaml:"dhcp" example:"[10.1.1.100-10.1.1.199]"`
	// Reserved are addresses, or ranges, and whose they are. What static lists
	// may be taken nevertheless.
	Reserved map[string]string `yaml:"reserved" keys:"range" example:"{10.1.1.2: pihole, 10.1.1.201-10.1.1.211: legacy}"`
	Set      map[Path]Source   `yaml:"-"`
	// Subnet6 gives the prefix length of IPv6 addresses that name none.
	Subnet6 netip.Prefix `yaml:"subnet6" example:"fd00:1::/64"`
	// Gateway6 goes to the first NIC of a guest with a static IPv6 address.
	Gateway6 netip.Addr `yaml:"gateway6" example:"\"fd00:1::1\""`
}

// AddrRange is an address or a range of addresses, both ends included:
// "10.1.1.4" or "10.1.1.21-10.1.1.99".
type AddrRange struct{ From, To netip.Addr }

// Contains tells whether a lies in r.
func (r AddrRange) Contains(a netip.Addr) bool { return r.From.Compare(a) <= 0 && a.Compare(r.To) <= 0 }

// IDRange is a VMID or a range of them, both ends included.
type IDRange struct{ From, To int }

// Contains tells whether id lies in r.
func (r IDRange) Contains(id int) bool { return r.From <= id && id <= r.To }

// IDPlan says what VMIDs guests get: Base plus the host part of net0's address,
// or one of Range that follows from a hash of site and name.
type IDPlan struct {
	// Base gives, with plus: hostnum, base + the host part of net0's address, or
	// of its reservation.
	Base int `yaml:"base" form:"natural" example:"4001000"`
	// Plus says what is added to base.
	Plus string `yaml:"plus" enum:"hostnum" default:"required with base" example:"hostnum"`
	// Range gives an id within, which follows from site and name: the same from
	// the same commit.
	Range IDRange `yaml:"range" example:"20000-20999"`
}

// Phase is when a host starts its guests: order, and seconds to wait after
// start and stop.
type Phase struct {
	// Order is the place in the row: smaller starts first, and stops last.
	Order int `yaml:"order" form:"natural" example:"2000"`
	// Up is how long is waited after a start.
	Up Duration `yaml:"up" example:"30s"`
	// Down is how long is waited for a stop.
	Down Duration `yaml:"down" example:"1m"`
}
