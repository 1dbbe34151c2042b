package desired

// Template is the document of kind Template: a golden image on Proxmox that
// guests are cloned from.
type Template struct {
	// Name is what clone says.
	Name string `yaml:"name" default:"required" example:"debian-12-golden"`
	// Description is for people.
	Description string `yaml:"description" example:"hardened, made in January"`
	// Find is how an existing template is told; where several fit, the newest is
	// taken, and remembered for each clone.
	Find Find `yaml:"find" default:"required" example:"{tag: debian-12}"`
	// Build makes it.
	Build *Later `yaml:"build" later:"templates are not built yet: make one by hand or with Packer, and write find"`
	// Version makes what is built be built anew when it changes.
	Version *Later `yaml:"version" later:"it goes with build: take it out"`
	Source  Source `yaml:"-"`
}

// Find tells a template by exactly one of its tag, its Proxmox name and its VMID.
type Find struct {
	// Tag is a tag that it bears.
	Tag string `yaml:"tag" form:"tag" example:"debian-12"`
	// Name is its name on Proxmox.
	Name string `yaml:"name" example:"debian-12-golden"`
	// ID is its VMID.
	ID int `yaml:"id" form:"vmid" example:"9000"`
}
