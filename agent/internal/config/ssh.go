package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// SSH is how an SSH remote is reached. No ssh-agent is asked, and nothing is read
// of ~/.ssh or of ssh_config.
type SSH struct {
	// Key is the private key that the agent shows, as ssh-keygen writes it: a file,
	// or {secret: NAME}.
	Key Credential `yaml:"key"`
	// Passphrase is what the key is encrypted with, if it is: {secret: NAME}.
	Passphrase Passphrase `yaml:"passphrase"`
	// KnownHosts says whose host keys are trusted: those in a file, which is never
	// written; strict (the default): those in the state directory's known_hosts;
	// learn: those too, and what a host shows at first contact is added there. A
	// key that is another than the known one is refused in any case.
	KnownHosts string `yaml:"knownHosts"`
}

// The words of knownHosts that are no file; "" is strict, and "file", which
// manifests know, is refused: whose file it would be, nobody could tell.
const (
	strict = "strict"
	learn  = "learn"
)

func isMode(knownHosts string) bool {
	return knownHosts == strict || knownHosts == learn || knownHosts == "file"
}

// KnownHosts is the file of the repository's known hosts, and whether a host that
// is not in it yet is trusted and added.
func (s *Settings) KnownHosts() (file string, learns bool) {
	switch k := s.Repository.SSH.KnownHosts; k {
	case "", strict, learn:
		return filepath.Join(s.State, "known_hosts"), k == learn
	default:
		return k, false
	}
}

// Credential is a secret of the agent's own: a file, or the name of a secret. The
// zero value is none.
type Credential struct {
	File   string
	Secret string // As in [Settings.Secret].
}

// String names the credential in messages; it is never the content.
func (c Credential) String() string {
	if c.Secret != "" {
		return fmt.Sprintf("secret %q", c.Secret)
	}
	return c.File
}

// UnmarshalYAML reads a file's name, or {secret: NAME}.
func (c *Credential) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!str" && node.Value != "" &&
		!strings.ContainsFunc(node.Value, unicode.IsControl) && !strings.HasPrefix(node.Value, "-----") {
		c.File = node.Value
		return nil
	}
	if c.Secret = secretName(node); c.Secret == "" {
		return fmt.Errorf("line %d: write a file, as in /etc/berth/git-key, or {secret: NAME}; never the secret itself", node.Line)
	}
	return nil
}

// Passphrase is the name of a secret. It is no file, lest somebody writes the
// passphrase itself and finds it in an error about a missing file.
type Passphrase struct {
	Secret string // As in [Settings.Secret].
}

// UnmarshalYAML reads {secret: NAME}.
func (p *Passphrase) UnmarshalYAML(node *yaml.Node) error {
	if p.Secret = secretName(node); p.Secret == "" {
		return fmt.Errorf("line %d: write {secret: NAME}; never the passphrase itself", node.Line)
	}
	return nil
}

// secretName reads {secret: NAME}; "" is anything else.
func secretName(node *yaml.Node) string {
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "secret" && node.Content[1].Kind == yaml.ScalarNode {
		return node.Content[1].Value
	}
	return ""
}

// Read reads a credential. Its errors name the credential and never hold it.
func (s *Settings) Read(c Credential, environ func(string) string) ([]byte, error) {
	if c.Secret != "" {
		return s.Secret(c.Secret, environ)
	}
	return readSecret(c.File)
}
