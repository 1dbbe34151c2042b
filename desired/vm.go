package desired

// VM is the document of kind VM: a virtual machine.
type VM struct {
	Guest  `yaml:",inline"`
	CPU    CPU    `yaml:"cpu" short:"cores" drift:"reboot"`
	Memory Memory `yaml:"memory" short:"size" drift:"reboot"`
	Agent  Agent  `yaml:"agent" short:"enabled" drift:"reboot"`

	// Proxmox's own words, one to one.
	BIOS     string `yaml:"bios" drift:"reboot" enum:"seabios|ovmf"`
	Machine  string `yaml:"machine" drift:"reboot"`
	SCSIHW   string `yaml:"scsihw" drift:"reboot" enum:"lsi|lsi53c810|virtio-scsi-pci|virtio-scsi-single|megasas|pvscsi"`
	OSType   string `yaml:"ostype" drift:"reboot" enum:"other|wxp|w2k|w2k3|w2k8|wvista|win7|win8|win10|win11|l24|l26|solaris"`
	VGA      string `yaml:"vga" drift:"reboot"`
	Serial0  string `yaml:"serial0" drift:"reboot" enum:"socket"`
	Tablet   bool   `yaml:"tablet" drift:"reboot"`
	Keyboard string `yaml:"keyboard" drift:"reboot"`
	Hotplug  string `yaml:"hotplug" drift:"online"`
	// Boot is the order of devices; at creation the disk with an image, else
	// all drives, then NICs.
	Boot List `yaml:"boot" list:"replace" drift:"reboot"`

	CloudInit *CloudInit `yaml:"cloudInit"`
	// Seed is the digest of what CloudInit asks for; "" without one. An edit
	// applies at re-creation.
	Seed string `yaml:"-" path:"cloudInit" drift:"create"`
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
	Flags *Later  `yaml:"flags" later:"CPU flags are not built yet: leave them out"`
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
	Native   *Later `yaml:"native" later:"Proxmox's own cloud-init drive is not built yet: leave it out, the seed disk does the same"`
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
