package desired

import "strings"

// VM is the document of kind VM: a virtual machine.
type VM struct {
	Guest  `yaml:",inline"`
	CPU    CPU    `yaml:"cpu" short:"cores" drift:"reboot" priv:"VM.Config.CPU"`
	Memory Memory `yaml:"memory" short:"size" drift:"reboot" priv:"VM.Config.Memory"`
	Agent  Agent  `yaml:"agent" short:"enabled" drift:"reboot" priv:"VM.Config.Options"`

	// Proxmox's own words, one to one.
	BIOS     string `yaml:"bios" drift:"reboot" enum:"seabios|ovmf" priv:"VM.Config.Options"`
	Machine  string `yaml:"machine" drift:"reboot" priv:"VM.Config.HWType"`
	SCSIHW   string `yaml:"scsihw" drift:"reboot" enum:"lsi|lsi53c810|virtio-scsi-pci|virtio-scsi-single|megasas|pvscsi" priv:"VM.Config.HWType"`
	OSType   string `yaml:"ostype" drift:"reboot" enum:"other|wxp|w2k|w2k3|w2k8|wvista|win7|win8|win10|win11|l24|l26|solaris" priv:"VM.Config.Options"`
	VGA      string `yaml:"vga" drift:"reboot" priv:"VM.Config.HWType"`
	Serial0  string `yaml:"serial0" drift:"reboot" enum:"socket" priv:"VM.Config.HWType"`
	Tablet   bool   `yaml:"tablet" drift:"reboot" priv:"VM.Config.Options"`
	Keyboard string `yaml:"keyboard" drift:"reboot" priv:"VM.Config.Options"`
	Hotplug  string `yaml:"hotplug" drift:"online" priv:"VM.Config.Options"`
	// Boot is the order of devices; at creation the disk with an image, else
	// all drives, then NICs.
	Boot List `yaml:"boot" list:"replace" drift:"reboot" priv:"VM.Config.Options"`

	CloudInit *CloudInit `yaml:"cloudInit"`
	// Seed is the digest of what CloudInit asks for; "" without one. An edit
	// applies at re-creation.
	Seed string `yaml:"-" path:"cloudInit" drift:"create"`
}

// effectOf tells that Proxmox's own cloud-init drive, unlike a seed, follows the
// configuration at the next start.
func (v *VM) effectOf(path Path, declared Effect) Effect {
	if v.CloudInit == nil || !v.CloudInit.Native || declared != Create {
		return declared
	}
	keys := path.Keys()
	switch {
	case keys[0] == "dns" || keys[0] == "search":
		return Reboot
	case len(keys) == 3 && keys[0] == "networks" && (strings.HasPrefix(keys[2], "address") || strings.HasPrefix(keys[2], "gateway")):
		return Reboot
	}
	return declared
}

// CPU is a virtual machine's or a container's processors.
type CPU struct {
	Cores   int    `yaml:"cores"`
	Sockets int    `yaml:"sockets"`
	Type    string `yaml:"type"`
	// Units is the weight against other guests, Limit the most CPUs used.
	Units int     `yaml:"units" drift:"online"`
	Limit float64 `yaml:"limit" drift:"online"`
	NUMA  bool    `yaml:"numa"`
	// Flags are added to the type or, with a "-", taken from it: "+aes".
	Flags Words `yaml:"flags"`
}

// Memory is a virtual machine's memory.
type Memory struct {
	Size Size `yaml:"size"`
	// Min is what ballooning may go down to.
	Min Size `yaml:"min"`
	// Balloon false takes the balloon device away.
	Balloon bool `yaml:"balloon"`
}

// Agent is the QEMU guest agent's channel.
type Agent struct {
	Enabled bool   `yaml:"enabled"`
	FSTrim  bool   `yaml:"fstrim"`
	Type    string `yaml:"type" enum:"virtio|isa"`
}

// CloudInit is what a virtual machine's seed asks of cloud-init at first boot.
type CloudInit struct {
	Users    []CloudUser          `yaml:"users"`
	Packages Words                `yaml:"packages"`
	Upgrade  bool                 `yaml:"upgrade"`
	Apt      map[string]AptSource `yaml:"apt"`
	Files    map[string]SeedFile  `yaml:"files"`
	// Run holds shell lines, and argument lists, in order of the layers.
	Run []Command `yaml:"run"`
	// CACerts are PEM files in the repository; the loader reads them.
	CACerts List `yaml:"caCerts"`
	CAPEMs  List `yaml:"-"`
	// Raw is user-data verbatim.
	Raw    map[string]any `yaml:"raw"`
	Reboot bool           `yaml:"reboot"`
	// Slot is where the seed disk goes; scsi30 unless set.
	Slot     string `yaml:"slot"`
	OnChange string `yaml:"onChange" enum:"keep"`
	// Native takes Proxmox's own cloud-init drive instead of a seed: then only one
	// user, its keys, addresses and name servers can be asked. The choice is
	// settled when the guest is made.
	Native bool `yaml:"native"`
}

// CloudUser is a User of the fleet, or the image's own user with keys.
type CloudUser struct {
	Name string `yaml:"name"`
	Keys List   `yaml:"keys"`
	// User is the User document meant; nil for the image's own user, whose Keys
	// the loader has resolved.
	User *User `yaml:"-"`
}

// AptSource is one file of apt's sources.
type AptSource struct {
	Source string `yaml:"source"`
	KeyID  string `yaml:"keyid"`
	Key    string `yaml:"key" instead:"from"`
	// From is a key file in the repository, read into Key.
	From string `yaml:"from" instead:"key"`
}

// SeedFile is a file that cloud-init writes.
type SeedFile struct {
	Content string `yaml:"content" instead:"from"`
	// From is a file in the repository, read into Content.
	From   string `yaml:"from" instead:"content"`
	Mode   string `yaml:"mode"`
	Owner  string `yaml:"owner"`
	Append bool   `yaml:"append"`
	Defer  bool   `yaml:"defer"`
}

// Command is a shell line, or an argument list.
type Command struct {
	Shell string
	Args  []string
}
