package config

import (
	"fmt"
	"os"
)

// NamedSecret reads the secret that a manifest calls name and no document explains: as
// [Settings.Secret] does, save that the agent's own identity is not for manifests. Who
// can push would have by it whatever was ever encrypted for this agent.
func (s *Settings) NamedSecret(name string, environ func(string) string) ([]byte, error) {
	if name != "" && name == s.Identity.Secret {
		return nil, identityNamed(name)
	}
	return s.Secret(name, environ)
}

func identityNamed(name string) error {
	return fmt.Errorf("secret %q: this is the identity that opens all that is encrypted for the agent, which manifests may not name: write another", name)
}

// isIdentity tells whether a file of this host is the one of the agent's identity.
func (s *Settings) isIdentity(file os.FileInfo) bool {
	for _, path := range []string{s.Identity.File, s.Secrets[s.Identity.Secret]} {
		if path == "" {
			continue
		}
		if own, err := os.Stat(path); err == nil && os.SameFile(own, file) {
			return true
		}
	}
	return false
}
