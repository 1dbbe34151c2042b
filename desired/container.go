package desired

// Container is the document of kind Container: a Linux container.
type Container struct {
	Guest `yaml:",inline"`
	// CPU is the processors; a number is that of the cores.
	CPU CPU `yaml:"cpu" short:"cores" drift:"online" priv:"VM.Config.CPU" example:"2"`
	// Memory is the most memory that it uses.
	Memory Size `yaml:"memory" short:"size" drift:"online" priv:"VM.Config.Memory" example:"512MiB"`
	// Swap is the most swap that it uses.
	Swap Size `yaml:"swap" drift:"online" priv:"VM.Config.Memory" example:"512MiB"`
	// Unprivileged maps the container's root to a user without rights.
	Unprivileged bool `yaml:"unprivileged" drift:"create" priv:"VM.Allocate" default:"true" example:"true"`
	// Features are Proxmox's features of containers. A token may ask for nesting,
	// of an unprivileged one; others, and any of a privileged one, are root@pam's.
	Features Words `yaml:"features" drift:"reboot" priv:"VM.Allocate" example:"[nesting]"`
	// Keys are root's SSH keys at creation: public keys, or Users whose keys are
	// meant. A clone has its template's.
	Keys List `yaml:"keys" example:"[anna]"`
	// Password is root's password at creation. A clone has its template's.
	Password SecretRef `yaml:"password" example:"{secret: ct-root}"`
	// OSType is the distribution.
	OSType *Later `yaml:"ostype" later:"Proxmox reads it from the template: leave it out"`
}
