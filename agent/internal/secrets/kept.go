package secrets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"berth/agent/internal/config"
)

// identities are what opens files for this agent.
func (s *Store) identities() ([]age.Identity, error) {
	if s.identity == nil {
		return nil, errors.New("the agent has no identity here: name one by `identity` in agent.yaml")
	}
	return s.identity.Identities()
}

// seal encrypts a value for the agent. It needs no unlock.
func (s *Store) seal(value []byte) ([]byte, error) {
	recipient := ""
	if s.identity != nil {
		recipient = s.identity.Recipient()
	}
	if recipient != "" {
		return sealAge(value, recipient)
	}
	if _, err := s.identities(); err != nil && asLocked(err) == nil {
		return nil, err // There is none, or it is damaged.
	}
	return nil, errors.New("the public half of the agent's identity is missing or damaged: `agent unlock` writes it anew")
}

// forUs says for whom files have to be encrypted, behind an error that they are not.
func (s *Store) forUs(err error) error {
	if !errors.Is(err, errNotForUs) || s.identity == nil || s.identity.Recipient() == "" {
		return err
	}
	return fmt.Errorf("%w: encrypt it for %s", err, s.identity.Recipient())
}

// maxSealed bounds encrypted files, in bytes: Ansible Vault writes four for one.
const maxSealed = 6 * config.MaxSecret

// readBounded reads a file that should be small.
func readBounded(file io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(file, maxSealed+1))
	if err == nil && len(text) > maxSealed {
		return nil, errTooLarge
	}
	return text, err
}

// readKept reads a file of the store's directory.
func readKept(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(file)
}

// dir makes a directory within the store's.
func (s *Store) dir(names ...string) (string, error) {
	if s.Dir == "" {
		return "", errors.New("there is no directory to keep it in")
	}
	dir := filepath.Join(append([]string{s.Dir}, names...)...)
	return dir, os.MkdirAll(dir, 0o700)
}

// plainName tells whether a name stays within the directory that it is put in.
func plainName(name string) error {
	if name == "" || name[0] == '.' || name != filepath.Base(name) || !fs.ValidPath(name) || len(name) > 200 {
		return fmt.Errorf("secret %q: not a plain name", name)
	}
	return nil
}
