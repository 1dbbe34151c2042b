package desired

// Container is the document of kind Container: a Linux container.
type Container struct {
	Guest  `yaml:",inline"`
	CPU    CPU  `yaml:"cpu" short:"cores" drift:"online"`
	Memory Size `yaml:"memory" short:"size" drift:"online"`
	Swap   Size `yaml:"swap" drift:"online"`
	// Unprivileged is true unless set.
	Unprivileged bool  `yaml:"unprivileged" drift:"create"`
	Features     Words `yaml:"features" drift:"reboot"`
	// Keys are root's keys at creation: public keys, or Users whose keys are
	// meant; the loader resolves them.
	Keys     List   `yaml:"keys"`
	Password *Later `yaml:"password" later:"secrets are not built yet: use keys"`
	OSType   *Later `yaml:"ostype" later:"Proxmox reads it from the template: leave it out"`
}
