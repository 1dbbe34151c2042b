package desired

// User is the document of kind User: a person or a service with keys.
type User struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Keys are public keys, or Users whose keys are meant; the loader resolves
	// them to keys.
	Keys       List `yaml:"keys"`
	ImportKeys List `yaml:"importKeys"`
	// Sudo is "" (no), "true" for NOPASSWD:ALL, or a sudoers rule.
	Sudo   string `yaml:"sudo"`
	Shell  string `yaml:"shell"`
	Groups List   `yaml:"groups"`
	Source Source `yaml:"-"`
}

// Host is the document of kind Host: a machine that is not on Proxmox, or not
// ours. It is never changed; routes, needs and playbooks may name it.
type Host struct {
	Name        string         `yaml:"name"`
	Description string         `yaml:"description"`
	Address     string         `yaml:"address"`
	SSH         SSH            `yaml:"ssh"`
	Groups      Words          `yaml:"groups"`
	Vars        map[string]any `yaml:"vars"`
	Source      Source         `yaml:"-"`
}

// Image is the document of kind Image: a disk image or container template by
// URL and checksum.
type Image struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	URL         string `yaml:"url"`
	SHA256      string `yaml:"sha256"`
	SHA512      string `yaml:"sha512"`
	// Content is import (a VM's disk) or vztmpl (a container's template),
	// by use unless set.
	Content string `yaml:"content" enum:"import|vztmpl|iso"`
	// File is its name on the storage; made from Name unless set.
	File string `yaml:"file"`
	// Storage is the site's `images` unless set.
	Storage    string `yaml:"storage"`
	Decompress string `yaml:"decompress" enum:"gz|zst|lzo"`
	Keep       bool   `yaml:"keep"`
	Source     Source `yaml:"-"`
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
