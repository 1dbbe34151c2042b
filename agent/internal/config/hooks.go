package config

// Hooks are what callers of a control node may ask: that a host is to be provisioned,
// and that secrets and certificates are new.
type Hooks struct {
	// Token is what callers must show: a file, or {secret: NAME}. Nobody may call
	// without one.
	Token Credential `yaml:"token"`
}
