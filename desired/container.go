package desired

// Container is the document of kind Container: a Linux container.
type Container struct {
	Guest  `yaml:",inline"`
	CPU    CPU  `yaml:"cpu" short:"cores" drift:"online" priv:"VM.Config.CPU"`
	Memory Size `yaml:"memory" short:"size" drift:"online" priv:"VM.Config.Memory"`
	Swap   Size `yaml:"swap" drift:"online" priv:"VM.Config.Memory"`
	// Unprivileged is true unless set.
	Unprivileged bool  `yaml:"unprivileged" drift:"create"`
	Features     Words `yaml:"features" drift:"reboot" priv:"VM.Allocate"`
	// Keys are root's keys at creation: public keys, or Users whose keys are
	// meant; the loader resolves them.
	Keys List `yaml:"keys"`
	// Password is root's at creation.
	Password SecretRef `yaml:"password"`
	OSType   *Later    `yaml:"ostype" later:"Proxmox reads it from the template: leave it out"`
}
