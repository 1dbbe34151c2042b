package desired

// Secret is the document of kind Secret: where a secret is, never what. Exactly
// one of its places is set.
type Secret struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// File is a path on the agent's host, readable by the agent alone.
	File string `yaml:"file"`
	// Credential is a systemd credential of the agent's service.
	Credential string `yaml:"credential"`
	// Env is a variable of the agent's environment.
	Env string `yaml:"env"`

	Age      *Later `yaml:"age" later:"age files are not decrypted yet: put the secret into a file or a systemd credential on the agent's host"`
	SOPS     *Later `yaml:"sops" later:"sops files are not decrypted yet: put the secret into a file or a systemd credential on the agent's host"`
	Vault    *Later `yaml:"vault" later:"vault files are not decrypted yet: put the secret into a file or a systemd credential on the agent's host"`
	Generate *Later `yaml:"generate" later:"secrets are not generated yet: make one with openssl rand -hex 16 and put it into a file or a systemd credential on the agent's host"`
	Source   Source `yaml:"-"`
}
