package desired

// DataVM is the document of kind DataVM: a virtual machine that is never started
// and holds data disks, which guests attach by reference. It outlives every one
// of them.
type DataVM struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description" drift:"online" priv:"VM.Config.Options"`
	Site        string `yaml:"site"`
	Node        string `yaml:"node"`
	// Plan is what the manifest's id says: a number or a plan's name.
	// VMID is what follows from it, always set after loading.
	Plan string `yaml:"id"`
	VMID int    `yaml:"-" path:"id" drift:"recreate" priv:"VM.Allocate"`
	Tags Words  `yaml:"tags" drift:"online" priv:"VM.Config.Options"`
	Pool string `yaml:"pool" drift:"online" priv:"Pool.Allocate"`
	// Disks by the holder's slot; each has a Name.
	Disks       map[string]Disk `yaml:"disks" drift:"online" priv:"VM.Config.Disk"`
	Protection  bool            `yaml:"protection" drift:"online" priv:"VM.Config.Options"`
	Adopt       Adopt           `yaml:"adopt"`
	RenamedFrom string          `yaml:"renamedFrom"`
	Ignore      List            `yaml:"ignore"`
	Lifecycle   Lifecycle       `yaml:"lifecycle"`

	// State is always Stopped and Startup "never": both are compared.
	State   State  `yaml:"-" path:"state" drift:"online" priv:"VM.PowerMgmt"`
	Startup string `yaml:"-" path:"startup" drift:"online" priv:"VM.Config.Options"`
}

// VM is the virtual machine that holds the data.
func (d *DataVM) VM() *VM {
	return &VM{Guest: Guest{
		Name: d.Name, Hostname: d.Name, Description: d.Description, Site: d.Site, Node: d.Node, Plan: d.Plan, VMID: d.VMID,
		Tags: d.Tags, Pool: d.Pool, Disks: d.Disks, Protection: d.Protection, Adopt: d.Adopt, RenamedFrom: d.RenamedFrom,
		Ignore: d.Ignore, Lifecycle: d.Lifecycle, State: Stopped, Startup: "never",
	}}
}
