package desired

// User is the document of kind User: a person or a service with keys.
type User struct {
	// Name is the login name.
	Name string `yaml:"name" default:"required" example:"anna"`
	// Description is for people.
	Description string `yaml:"description" example:"the operator on call"`
	// Keys are public keys, or Users whose keys are meant.
	Keys List `yaml:"keys" example:"[ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO anna@example]"`
	// ImportKeys are keys that cloud-init fetches: gh: from GitHub, gl: from
	// GitLab, lp: from Launchpad.
	ImportKeys List `yaml:"importKeys" form:"import" example:"[gh:anna]"`
	// Sudo is what the user may do as root: true for everything without a
	// password, or a rule of sudoers.
	Sudo string `yaml:"sudo" default:"nothing at all" example:"true"`
	// Shell is the login shell.
	Shell string `yaml:"shell" form:"path" default:"/bin/bash" example:"/bin/zsh"`
	// Groups are Unix groups.
	Groups List   `yaml:"groups" example:"[docker]"`
	Source Source `yaml:"-"`
}

// Host is the document of kind Host: a machine that is not on Proxmox, or not
// ours. It is never changed; routes, needs and playbooks may name it.
type Host struct {
	// Name is what references say. Guests and Hosts share one name space.
	Name string `yaml:"name" default:"required" example:"nas"`
	// Description is for people.
	Description string `yaml:"description" example:"the storage in the cellar"`
	// Address is where it is reached; no guest may take it.
	Address string `yaml:"address" form:"ip" default:"required" example:"10.1.1.5"`
	// SSH is how playbooks reach it, where it differs from the fleet's.
	SSH SSH `yaml:"ssh" default:"the fleet's"`
	// Groups are its groups in Ansible's inventory.
	Groups Words `yaml:"groups" form:"group" example:"[storage]"`
	// Vars are its variables in Ansible's inventory.
	Vars   map[string]any `yaml:"vars" keys:"var" example:"{rack: 2}"`
	Source Source         `yaml:"-"`
}

// Image is the document of kind Image: a disk image, container template or ISO
// by URL and checksum. It has no site: it is fetched onto each site, and node,
// where it is used.
type Image struct {
	// Name is what a disk's image or iso says.
	Name string `yaml:"name" default:"required" example:"debian-12"`
	// Description is for people.
	Description string `yaml:"description" example:"Debian 12, generic cloud"`
	// URL is where Proxmox fetches it from, by http or https.
	URL string `yaml:"url" form:"url" default:"required" example:"https://img.example.net/debian-12.qcow2"`
	// SHA256 is its checksum; this or sha512 is required.
	SHA256 string `yaml:"sha256" form:"sha256" example:"054db2d88c454bb0ad8dfd8883955e3946b57d2b0bf0d023f3ade3c93cdd14e5"`
	// SHA512 is its checksum; this or sha256 is required.
	SHA512 string `yaml:"sha512" form:"sha512" example:"39f6d06e082d6a418438483da4f76092ebd0370a91bad30b82ab6d0f442234d63fe27a15569895e34d6d1e5ca50319f62637f7fb96b98dbde4f6103cf05bff6d"`
	// Content is what the storage keeps it as: import for a virtual machine's
	// disk, vztmpl for a container's template, iso for a CD-ROM.
	Content string `yaml:"content" enum:"import|vztmpl|iso" default:"by use" example:"import"`
	// File is its name on the storage. Proxmox imports no .img: such a file is
	// stored as .qcow2.
	File string `yaml:"file" form:"file" default:"made from name" example:"debian-12.qcow2"`
	// Storage is the class, or the Proxmox storage, that keeps it.
	Storage string `yaml:"storage" default:"the site's images" example:"local"`
	// Decompress is how it is packed.
	Decompress string `yaml:"decompress" enum:"gz|zst|lzo" default:"not packed" example:"gz"`
	// Keep leaves it on the storage when nothing uses it any more.
	Keep   bool   `yaml:"keep" default:"false" example:"true"`
	Source Source `yaml:"-"`
}

// ImageAt is an Image on one site, as a resource: present on a storage or not.
type ImageAt struct {
	Image
	Site string `yaml:"-"`
	// Store is the Proxmox storage; Content and File are always set.
	Store string `yaml:"-"`
	// Present is true in what is wanted.
	Present bool `yaml:"-" path:"present" drift:"online"`
}

// Fetched describes what a recreated image of the same name must equal.
func (i *ImageAt) Checksum() (algorithm, sum string) {
	if i.SHA512 != "" {
		return "sha512", i.SHA512
	}
	return "sha256", i.SHA256
}
