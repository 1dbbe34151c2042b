package desired

// SecretPlace is the document of kind Secret: where a secret is, never what. Exactly
// one of its places is set.
type SecretPlace struct {
	// Name is what {secret: NAME} says.
	Name string `yaml:"name" default:"required" example:"apps"`
	// Description is for people.
	Description string `yaml:"description" example:"the token of the backup server"`
	// Age is a file in the repository that age has encrypted, from the manifest's
	// directory. The agent's identity opens it, once the agent is unlocked.
	Age string `yaml:"age" example:"secrets/apps.age"`
	// SOPS is a file in the repository that SOPS has encrypted with age, from the
	// manifest's directory: YAML, JSON, dotenv or any other.
	SOPS string `yaml:"sops" example:"secrets/apps.sops.yaml"`
	// Vault is a file in the repository that ansible-vault has encrypted.
	Vault *VaultPlace `yaml:"vault" example:"{file: secrets/lab.yml, password: {secret: vault-password}}"`
	// File is a path on the agent's host, readable by the agent alone.
	File string `yaml:"file" form:"path" example:"/etc/berth/apps"`
	// Credential is a systemd credential of the agent's service.
	Credential string `yaml:"credential" example:"apps"`
	// Env is a variable of the agent's environment, whose name begins with
	// BERTH_SECRET_.
	Env string `yaml:"env" example:"BERTH_SECRET_APPS"`
	// Generate makes the secret at random, once, and keeps it encrypted on the agent's
	// host.
	Generate *Generate `yaml:"generate" example:"{length: 32}"`
	// Hook says that the secret is what others send: by PUT to the agent's
	// /hooks/update-secrets and /hooks/update-certificates, kept encrypted on the
	// agent's host.
	Hook bool `yaml:"hook" example:"true"`
	// Path is the file of Age, SOPS or Vault from the root of the manifests; "" where
	// the secret is elsewhere.
	Path   string `yaml:"-"`
	Source Source `yaml:"-"`
}

// VaultPlace is a file that ansible-vault has encrypted, and its password.
type VaultPlace struct {
	// File is the file in the repository, from the manifest's directory.
	File string `yaml:"file" default:"required" example:"secrets/lab.yml"`
	// Password is the secret that holds the vault's password.
	Password SecretRef `yaml:"password" default:"required" example:"{secret: vault-password}"`
}

// Generate is how a secret is made.
type Generate struct {
	// Length is how many characters it has.
	Length int `yaml:"length" form:"secretlength" default:"32" example:"24"`
	// Chars is what they are: letters and digits (alnum), digits of a hexadecimal
	// number (hex), digits, or all of ASCII that needs no quoting in a shell, YAML or a
	// URL (safe).
	Chars string `yaml:"chars" enum:"alnum|hex|digits|safe" default:"alnum" example:"hex"`
}
