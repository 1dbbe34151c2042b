package desired

import "cmp"

// DataVM is the document of kind DataVM: a virtual machine that is never started
// and holds data disks, which guests attach by reference. It outlives every one
// of them.
type DataVM struct {
	// Name is the holder's name in Git and on Proxmox, its identity.
	Name string `yaml:"name" default:"required" example:"certs"`
	// Description is for people. Berth adds a line of its own below it on Proxmox.
	Description string `yaml:"description" drift:"online" priv:"VM.Config.Options" example:"what certbot keeps"`
	// Site is the Site on which it lives.
	Site string `yaml:"site" default:"the fleet's" example:"home"`
	// Node is where it is made.
	Node string `yaml:"node" default:"the site's" example:"pve1"`
	// Plan is the VMID: a number, or the name of one of the site's plans.
	Plan string `yaml:"id" default:"the plan called default" example:"9501"`
	// VMID is what follows from Plan, always set after loading.
	VMID int `yaml:"-" path:"id" drift:"recreate" priv:"VM.Allocate"`
	// Tags are its tags on Proxmox, all of them but Berth's own.
	Tags Words `yaml:"tags" drift:"online" priv:"VM.Config.Options" form:"tag" example:"[data]"`
	// Pool is the Proxmox pool that it is a member of.
	Pool string `yaml:"pool" drift:"online" priv:"Pool.Allocate" example:"lab"`
	// Disks are the data disks by the holder's slot; each has a name, which
	// "volume: HOLDER/NAME" of a guest says.
	Disks map[string]Disk `yaml:"disks" drift:"online" priv:"VM.Config.Disk" keys:"slot" default:"required" example:"{scsi0: {name: letsencrypt, storage: ssd, size: 10GiB, mount: /etc/letsencrypt}}"`
	// Protection keeps it and its disks from being removed, by anyone.
	Protection bool `yaml:"protection" drift:"online" priv:"VM.Config.Options" example:"true"`
	// Adopt proves which foreign machine with this VMID is taken over, once; take
	// it out afterwards.
	Adopt Adopt `yaml:"adopt"`
	// RenamedFrom is the name that it had in Git before: identity moves, never
	// data.
	RenamedFrom string `yaml:"renamedFrom" form:"name" example:"letsencrypt"`
	// Ignore are fields, by dotted path, that Berth lets go: live may differ.
	Ignore List `yaml:"ignore" example:"[tags]"`
	// Lifecycle is what may be done to it.
	Lifecycle Lifecycle `yaml:"lifecycle"`

	// Hostname, its name on Proxmox, is always Name; State is always Stopped and
	// Startup "never". All three are compared.
	Hostname string `yaml:"-" path:"hostname" drift:"online" priv:"VM.Config.Options"`
	State    State  `yaml:"-" path:"state" drift:"online" priv:"VM.PowerMgmt"`
	Startup  string `yaml:"-" path:"startup" drift:"online" priv:"VM.Config.Options"`
}

// VM is the virtual machine that holds the data.
func (d *DataVM) VM() *VM {
	return &VM{Guest: Guest{
		Name: d.Name, Hostname: cmp.Or(d.Hostname, d.Name), Description: d.Description, Site: d.Site, Node: d.Node, Plan: d.Plan, VMID: d.VMID,
		Tags: d.Tags, Pool: d.Pool, Disks: d.Disks, Protection: d.Protection, Adopt: d.Adopt, RenamedFrom: d.RenamedFrom,
		Ignore: d.Ignore, Lifecycle: d.Lifecycle, State: cmp.Or(d.State, Stopped), Startup: cmp.Or(d.Startup, "never"),
	}}
}

// effectOf leaves out what a data VM's disk only tells those who attach it: the
// holder itself mounts nothing. What takes a reboot elsewhere takes none here,
// since it never runs.
func (d *DataVM) effectOf(path Path, declared Effect) Effect {
	if keys := path.Keys(); len(keys) == 3 && keys[0] == "disks" {
		switch keys[2] {
		case "name", "mount", "filesystem", "label", "options", "readOnly":
			return ""
		}
	}
	if declared == Reboot {
		return Online
	}
	return declared
}
