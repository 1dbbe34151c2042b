package desired

// Template is the document of kind Template: a golden image on Proxmox that
// guests are cloned from.
type Template struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Find is how an existing template is told; where several fit, the newest.
	Find   Find   `yaml:"find"`
	Build  *Later `yaml:"build" later:"templates are not built yet: make one by hand or with Packer, and write find"`
	Source Source `yaml:"-"`
}

// Find tells a template by exactly one of its tag, its Proxmox name and its VMID.
type Find struct {
	Tag  string `yaml:"tag"`
	Name string `yaml:"name"`
	ID   int    `yaml:"id"`
}
