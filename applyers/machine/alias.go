package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"berth/desired"
)

// KnownHosts is the agent's own file of host keys, in a state directory. OpenSSH
// reads and writes it for playbooks.
func KnownHosts(state string) string { return filepath.Join(state, "known_hosts") }

// Alias is the name under which a host's key is kept. It follows from the host
// and its instance, not from an address: one that moves is the same host, and
// one that was made anew is a new host whose key is learnt anew.
func Alias(id desired.ID, instance string) string {
	name := strings.ReplaceAll(string(id), "/", ".")
	if instance == "" {
		return name
	}
	sum := sha256.Sum256([]byte(instance))
	return name + "." + hex.EncodeToString(sum[:6])
}

// ParseKey reads a private key. Its errors name the secret, never what it holds.
func ParseKey(ref desired.SecretRef, text []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(text)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nil, fmt.Errorf("read the SSH key, secret %s: it has a passphrase of its own, which nobody is asked for: keep the key without one, in a Secret that age or SOPS encrypts", ref.Secret)
	}
	if err != nil {
		// The parser's own error could quote the key.
		return nil, fmt.Errorf("read the SSH key, secret %s: it holds no private key that OpenSSH reads", ref.Secret)
	}
	return signer, nil
}
