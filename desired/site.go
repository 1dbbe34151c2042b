package desired

import "net/netip"

// Site is the document of kind Site: a Proxmox cluster.
type Site struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Endpoints are the API's addresses, tried in turn: "https://10.1.1.11:8006".
	Endpoints List `yaml:"endpoints" list:"replace"`
	TLS       TLS  `yaml:"tls"`
	// Token names the secret that holds "user@realm!id=uuid".
	Token SecretRef `yaml:"token"`
	// Node is where guests are made that name none; the only node by default.
	Node    string                  `yaml:"node"`
	Storage map[string]StorageClass `yaml:"storage"`
	// Images and Seeds name the class, or else the Proxmox storage, where
	// images are kept and seeds are uploaded.
	Images   string   `yaml:"images"`
	Seeds    string   `yaml:"seeds"`
	Timeouts Timeouts `yaml:"timeouts"`
	// MACPrefix is the first three bytes of the MACs that Berth makes.
	MACPrefix string             `yaml:"macPrefix"`
	Networks  map[string]Network `yaml:"networks"`
	IDs       map[string]IDPlan  `yaml:"ids"`
	// Foreign are VMIDs that are never used and never touched: "101" or
	// "60000-60003".
	Foreign []IDRange        `yaml:"foreign"`
	Phases  map[string]Phase `yaml:"phases"`
	Source  Source           `yaml:"-"`
}

// TLS is how an endpoint's certificate is judged: by the system's authorities
// unless one of the two is set.
type TLS struct {
	// Fingerprint is the SHA-256 of the certificate, "AB:CD:…".
	Fingerprint string `yaml:"fingerprint"`
	// CA is a PEM file in the repository; the loader puts its content in CAPEM.
	CA    string `yaml:"ca"`
	CAPEM string `yaml:"-"`
}

// StorageClass is a Proxmox storage with defaults for the disks that name it.
type StorageClass struct {
	Store    string `yaml:"store"`
	SSD      bool   `yaml:"ssd"`
	Discard  bool   `yaml:"discard"`
	IOThread bool   `yaml:"iothread"`
	Cache    string `yaml:"cache" enum:"none|writethrough|writeback|unsafe|directsync"`
	Format   string `yaml:"format" enum:"raw|qcow2"`
	// Set tells which of the defaults the manifest gives.
	Set map[Path]Source `yaml:"-"`
	// PerNode is the Proxmox storage on nodes that call it otherwise than Store.
	PerNode map[string]string `yaml:"perNode"`
}

// Timeouts bound what is waited for on a site.
type Timeouts struct {
	// Task is for every Proxmox task but creations; 10m unless set.
	Task Duration `yaml:"task"`
	// Create is for creations and imports; 30m unless set.
	Create Duration `yaml:"create"`
	// Shutdown is for a graceful shutdown; 3m unless set.
	Shutdown Duration `yaml:"shutdown"`
	// Ready is for a started guest to be ready; 10m unless set.
	Ready Duration `yaml:"ready"`
}

// Network is a bridge with its address plan.
type Network struct {
	Bridge   string `yaml:"bridge"`
	VLAN     int    `yaml:"vlan"`
	MTU      int    `yaml:"mtu"`
	Firewall bool   `yaml:"firewall"`
	// Subnet is needed for static addresses and host numbers.
	Subnet  netip.Prefix `yaml:"subnet"`
	Gateway netip.Addr   `yaml:"gateway"`
	DNS     List         `yaml:"dns" list:"replace"`
	Search  List         `yaml:"search" list:"replace"`
	// Static, if given, lists all addresses that guests may take; DHCP those
	// that no guest may take as a static one; Reserved whose an address is.
	Static   []AddrRange       `yaml:"static"`
	DHCP     []AddrRange       `yaml:"dhcp"`
	Reserved map[string]string `yaml:"reserved"`
	Set      map[Path]Source   `yaml:"-"`
	// Subnet6 and Gateway6 are for IPv6; the prefix length of addresses that give
	// none follows from Subnet6.
	Subnet6  netip.Prefix `yaml:"subnet6"`
	Gateway6 netip.Addr   `yaml:"gateway6"`
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
	Base  int     `yaml:"base"`
	Plus  string  `yaml:"plus" enum:"hostnum"`
	Range IDRange `yaml:"range"`
}

// Phase is when a host starts its guests: order, and seconds to wait after
// start and stop.
type Phase struct {
	Order int      `yaml:"order"`
	Up    Duration `yaml:"up"`
	Down  Duration `yaml:"down"`
}
