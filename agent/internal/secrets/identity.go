package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"berth/agent/internal/config"
	"berth/desired"
)

// hostIdentity is the identity that agent.yaml names, which is never locked. It is
// read each time, and held nowhere.
type hostIdentity struct {
	settings *config.Settings
	env      func(string) string
}

// Recipient is the public half of the first identity, which new files are encrypted
// for.
func (h hostIdentity) Recipient() string {
	_, recipient, err := h.read()
	if err != nil {
		return ""
	}
	return recipient
}

// Identities are all that the file holds.
func (h hostIdentity) Identities() ([]age.Identity, error) {
	identities, _, err := h.read()
	if err != nil {
		return nil, fmt.Errorf("identity of agent.yaml: %w", err)
	}
	return identities, nil
}

// CheckIdentity tells early that the identity which agent.yaml names can't be used, with
// what to do; nil where none is named.
func CheckIdentity(settings *config.Settings, env func(string) string) error {
	named := settings.Identity
	if named == (config.Credential{}) {
		return nil
	}
	_, _, err := hostIdentity{settings: settings, env: env}.read()
	switch {
	case err == nil:
		return nil
	case named.Secret == "" && errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("there is no file %s: write it there, or have `agent bootstrap` make it", named.File)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w: let the agent's user read it, or have systemd hand it on: LoadCredential=NAME:FILE in the service, {secret: NAME} here", err)
	}
	return fmt.Errorf("%s: identity: %w", settings.Place("identity"), err)
}

func (h hostIdentity) read() ([]age.Identity, string, error) {
	text, err := h.settings.Read(h.settings.Identity, h.env)
	if err != nil {
		return nil, "", err
	}
	defer clear(text)
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
		return readSSH(text, h.settings.Identity)
	}
	// The error of the parser may quote what it read.
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, "", fmt.Errorf("%s holds no identity: write what age-keygen prints, or a private key of SSH's without a passphrase", h.settings.Identity)
	}
	switch first := identities[0].(type) {
	case *age.X25519Identity:
		return identities, first.Recipient().String(), nil
	case *age.HybridIdentity:
		return identities, first.Recipient().String(), nil
	}
	return nil, "", fmt.Errorf("%s holds an identity of a kind that is not known here: take one of age-keygen's", h.settings.Identity)
}

// readSSH takes a private key of SSH's for an identity.
func readSSH(text []byte, where config.Credential) ([]age.Identity, string, error) {
	identity, err := agessh.ParseIdentity(text)
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, "", fmt.Errorf("%s is a private key of SSH's with a passphrase, which nobody types here: take one without", where)
	case err != nil:
		return nil, "", fmt.Errorf("%s is no private key of SSH's that age takes: those are ssh-ed25519 and ssh-rsa", where)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, "", fmt.Errorf("%s is no private key of SSH's", where)
	}
	return []age.Identity{identity}, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
}

// asLocked finds the error that somebody locked the agent meanwhile.
func asLocked(err error) error {
	if locked, is := errors.AsType[*desired.LockedError](err); is {
		return locked
	}
	return nil
}
