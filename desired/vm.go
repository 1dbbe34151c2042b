package desired

import "strings"

// VM is the document of kind VM: a virtual machine.
type VM struct {
	Guest `yaml:",inline"`
	// CPU is the processors; a number is that of the cores.
	CPU CPU `yaml:"cpu" short:"cores" drift:"reboot" priv:"VM.Config.CPU" example:"2"`
	// Memory is the memory; a size alone is its size.
	Memory Memory `yaml:"memory" short:"size" drift:"reboot" priv:"VM.Config.Memory" example:"2GiB"`
	// Agent is the QEMU guest agent's channel; true opens it.
	Agent Agent `yaml:"agent" short:"enabled" drift:"reboot" priv:"VM.Config.Options" example:"true"`

	// BIOS is the firmware: ovmf for UEFI, which wants an efidisk0.
	BIOS string `yaml:"bios" drift:"reboot" enum:"seabios|ovmf" priv:"VM.Config.Options" example:"seabios"`
	// Machine is QEMU's machine type.
	Machine string `yaml:"machine" drift:"reboot" priv:"VM.Config.HWType" example:"q35"`
	// SCSIHW is the SCSI controller.
	SCSIHW string `yaml:"scsihw" drift:"reboot" enum:"lsi|lsi53c810|virtio-scsi-pci|virtio-scsi-single|megasas|pvscsi" priv:"VM.Config.HWType" default:"virtio-scsi-single at creation" example:"virtio-scsi-single"`
	// OSType is what Proxmox tunes the machine for.
	OSType string `yaml:"ostype" drift:"reboot" enum:"other|wxp|w2k|w2k3|w2k8|wvista|win7|win8|win10|win11|l24|l26|solaris" priv:"VM.Config.Options" default:"l26 at creation" example:"l26"`
	// VGA is the display, in Proxmox's words; serial0 is a text console.
	VGA string `yaml:"vga" drift:"reboot" priv:"VM.Config.HWType" example:"serial0"`
	// Serial0 is the first serial port. A socket is all that a token may ask.
	Serial0 string `yaml:"serial0" drift:"reboot" enum:"socket" priv:"VM.Config.HWType" example:"socket"`
	// Tablet shows the mouse as a tablet.
	Tablet bool `yaml:"tablet" drift:"reboot" priv:"VM.Config.Options" example:"false"`
	// Keyboard is the layout of the console's keyboard.
	Keyboard string `yaml:"keyboard" drift:"reboot" priv:"VM.Config.Options" example:"de"`
	// Hotplug is what may be plugged while the machine runs, in Proxmox's words.
	Hotplug string `yaml:"hotplug" drift:"online" priv:"VM.Config.Options" example:"\"disk,network\""`
	// Boot is the order in which devices are booted from.
	Boot List `yaml:"boot" list:"replace" drift:"reboot" priv:"VM.Config.Options" form:"device" default:"at creation the disk with an image, else all drives, then NICs" example:"[scsi0, net0]"`

	// CloudInit is what cloud-init does at the first boot.
	CloudInit *CloudInit `yaml:"cloudInit" example:"{users: [anna], packages: [git]}"`
	// Seed is the digest of what CloudInit asks for; "" without one. An edit
	// applies at re-creation or, with onChange: rerun, at the next boot.
	Seed string `yaml:"-" path:"cloudInit" drift:"create" priv:"VM.Config.Disk"`
	// Drive is what Proxmox's own cloud-init drive says, where CloudInit is native;
	// nil otherwise.
	Drive *CloudDrive `yaml:"-" path:"cloudInit"`
}

// effectOf tells that a seed is read at the next boot where its manifest says so,
// and that Proxmox's own cloud-init drive follows the configuration at the next
// start.
func (v *VM) effectOf(path Path, declared Effect) Effect {
	if v.CloudInit == nil || declared != Create {
		return declared
	}
	if !v.CloudInit.Native {
		if path == "cloudInit" && v.CloudInit.Reruns() {
			return Reboot
		}
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
	// Cores is how many cores a socket has, or a container sees.
	Cores int `yaml:"cores" form:"positive" example:"2"`
	// Sockets is how many sockets a virtual machine has.
	Sockets int `yaml:"sockets" only:"vm" form:"positive" example:"1"`
	// Type is the processor that a virtual machine sees.
	Type string `yaml:"type" only:"vm" example:"x86-64-v2-AES"`
	// Units is the weight against other guests.
	Units int `yaml:"units" drift:"online" form:"natural" example:"200"`
	// Limit is the most processors' worth of time that is used.
	Limit float64 `yaml:"limit" drift:"online" example:"1.5"`
	// NUMA shows a virtual machine which memory is near which socket.
	NUMA bool `yaml:"numa" only:"vm" example:"true"`
	// Flags are what is added to the type or, with a "-", taken from it.
	Flags Words `yaml:"flags" list:"literal" only:"vm" example:"[+aes]"`
}

// Memory is a virtual machine's memory.
type Memory struct {
	// Size is how much it has, in whole MiB.
	Size Size `yaml:"size" example:"2GiB"`
	// Min is what ballooning may go down to.
	Min Size `yaml:"min" example:"1GiB"`
	// Balloon says whether there is a balloon device.
	Balloon bool `yaml:"balloon" example:"false"`
}

// Agent is the QEMU guest agent's channel.
type Agent struct {
	// Enabled opens the channel.
	Enabled bool `yaml:"enabled" example:"true"`
	// FSTrim lets the guest give back what is free after a disk was moved.
	FSTrim bool `yaml:"fstrim" example:"true"`
	// Type is the channel's hardware.
	Type string `yaml:"type" enum:"virtio|isa" example:"virtio"`
}

// CloudInit is what a virtual machine's seed asks of cloud-init at first boot.
type CloudInit struct {
	// Users are Users of the fleet, or the image's own user with keys.
	Users []CloudUser `yaml:"users" example:"[anna, {name: debian, keys: [anna]}]"`
	// Packages are what is installed.
	Packages Words `yaml:"packages" example:"[git, qemu-guest-agent]"`
	// Upgrade brings all packages up to date.
	Upgrade bool `yaml:"upgrade" default:"false" example:"true"`
	// Apt are files of apt's sources, by file name.
	Apt map[string]AptSource `yaml:"apt" keys:"apt" example:"{example.list: {source: \"deb https://apt.example.net stable main\"}}"`
	// Files are the files that are written, by path.
	Files map[string]SeedFile `yaml:"files" keys:"path" example:"{/etc/motd: {content: hello}}"`
	// Run are the commands of the first boot, shell lines or lists of arguments;
	// those of lower layers run first.
	Run []Command `yaml:"run" example:"[\"systemctl enable x\", [touch, /a b]]"`
	// CACerts are PEM files of certificates, from the manifest's directory.
	CACerts List `yaml:"caCerts" example:"[certs/lab.crt]"`
	CAPEMs  List `yaml:"-"`
	// Raw is user-data verbatim, for what cloud-init has and the language has not.
	Raw map[string]any `yaml:"raw" example:"{locale: de_DE.UTF-8}"`
	// Reboot restarts the guest once, last; after a rerun too.
	Reboot bool `yaml:"reboot" default:"false" example:"true"`
	// Slot is where the seed disk goes.
	Slot string `yaml:"slot" form:"device" default:"scsi30" example:"scsi29"`
	// OnChange says what an edit of cloudInit does to a guest that stands. keep
	// notes it, and it applies when the guest is made anew. rerun puts a new seed
	// into its slot, and at its next boot the guest goes through the whole of
	// cloudInit once more as if it were new: packages, upgrade, apt, files, run in
	// full, network and host name, users with their keys and sudo, reboot. All of
	// it must bear being done twice: append adds again. Nothing is taken back:
	// users, keys, packages and files that are no longer asked for stay. The disks,
	// the SSH host keys (unless raw says ssh_deletekeys) and what playbooks have
	// done stay as well. The other fields that a seed carries apply with it. The
	// boot is yours to make, unless lifecycle.reboot is now or window: make it on Proxmox,
	// where a reboot from within does not show, so that a new address stays
	// unknown unless the guest agent tells it. A guest that was
	// adopted has no seed, and is given none.
	OnChange string `yaml:"onChange" enum:"keep|rerun|recreate" unbuilt:"recreate" default:"keep" example:"rerun"`
	// Native takes Proxmox's own cloud-init drive instead of a seed: then only one
	// user, its keys, addresses and name servers can be asked. The choice is
	// settled when the guest is made.
	Native bool `yaml:"native" default:"false" example:"true"`
}

// CloudUser is a User of the fleet, or the image's own user with keys.
type CloudUser struct {
	// Name is a User, or the login name of the image's own user.
	Name string `yaml:"name" default:"required" example:"debian"`
	// Keys are public keys, or Users whose keys are meant, for the image's own
	// user.
	Keys List `yaml:"keys" example:"[anna]"`
	// User is the User document meant; nil for the image's own user, whose Keys
	// the loader has resolved.
	User *User `yaml:"-"`
}

// AptSource is one file of apt's sources.
type AptSource struct {
	// Source is the line of the file; $RELEASE and $KEY_FILE are put in.
	Source string `yaml:"source" default:"required" example:"\"deb https://apt.example.net stable main\""`
	// KeyID is the fingerprint of the key that signs, fetched from a key server.
	KeyID string `yaml:"keyid" example:"9DC858229FC7DD38854AE2D88D81803C0EBFCD88"`
	// Key is the public key itself.
	Key string `yaml:"key" instead:"from" example:"\"-----BEGIN PGP PUBLIC KEY BLOCK-----\""`
	// From is a file with the key, from the manifest's directory.
	From string `yaml:"from" instead:"key" example:"keys/example.asc"`
}

// SeedFile is a file that cloud-init writes.
type SeedFile struct {
	// Content is what is in it.
	Content string `yaml:"content" instead:"from" example:"hello"`
	// From is a file with the content, from the manifest's directory.
	From string `yaml:"from" instead:"content" example:"files/motd"`
	// Mode is the file's mode.
	Mode string `yaml:"mode" form:"mode" default:"0644" example:"0755"`
	// Owner is its user, or user:group.
	Owner string `yaml:"owner" form:"owner" default:"root:root" example:"root:adm"`
	// Append adds to the file instead of writing it anew.
	Append bool `yaml:"append" default:"false" example:"true"`
	// Defer writes it after users and packages are there.
	Defer bool `yaml:"defer" default:"false" example:"true"`
}

// Command is a shell line, or an argument list.
type Command struct {
	Shell string
	Args  []string
}
