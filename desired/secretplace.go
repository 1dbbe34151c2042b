package desired

// SecretPlace is the document of kind Secret: where a secret is, never what. Exactly
// one of its places is set.
type SecretPlace struct {
	// Name is what {secret: NAME} says.
	Name string `yaml:"name" default:"required" example:"apps"`
	// Description is for people.
	Description string `yaml:"description" example:"the token of the backup server"`
	// File is a path on the agent's host, readable by the agent alone.
	File string `yaml:"file" form:"path" example:"/etc/berth/apps"`
	// Credential is a systemd credential of the agent's service.
	Credential string `yaml:"credential" example:"apps"`
	// Env is a variable of the agent's environment, whose name begins with
	// BERTH_SECRET_.
	Env string `yaml:"env" example:"BERTH_SECRET_APPS"`

	// Age is an encrypted file in the repository.
	Age *Later `yaml:"age" later:"age files are not built yet: put the secret into a file or a systemd credential on the agent's host"`
	// SOPS is an encrypted file in the repository.
	SOPS *Later `yaml:"sops" later:"sops files are not built yet: put the secret into a file or a systemd credential on the agent's host"`
	// Vault is an encrypted file of Ansible's in the repository.
	Vault *Later `yaml:"vault" later:"vault files are not built yet: put the secret into a file or a systemd credential on the agent's host"`
	// Generate makes one.
	Generate *Later `yaml:"generate" later:"generated secrets are not built yet: make one with openssl rand -hex 16 and put it into a file or a systemd credential on the agent's host"`
	Source   Source `yaml:"-"`
}
