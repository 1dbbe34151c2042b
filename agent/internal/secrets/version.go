package secrets

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"berth/agent/internal/durable"
	"berth/desired"
)

// Version names the value that a reference has now without telling it: another after
// the secret was rotated, and the same else, as long as the agent keeps its directory.
// It is known while the agent is locked.
//
// Of age and Ansible Vault files it is a digest of the file; of a SOPS file one of the
// key's encrypted value, which SOPS leaves as it is while others are edited, and makes
// anew with all others when its data key is rotated. What is generated is made by it, if
// it is not there yet.
func (v *View) Version(_ context.Context, ref desired.SecretRef) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	version, err := v.version(ref)
	if err != nil {
		return "", say(ref.Secret, err)
	}
	return version, nil
}

func (v *View) version(ref desired.SecretRef) (string, error) {
	doc := v.places[ref.Secret]
	switch {
	case doc == nil:
	case doc.Hook:
		e, err := v.brought(ref)
		return e.version, err
	case doc.Generate != nil:
		e := v.entry(entryKey{name: ref.Secret})
		err := v.generated(e, doc)
		return e.version, err
	case doc.Path != "":
		version, err := v.versionFile(doc, ref.Key)
		if err != nil {
			return "", fmt.Errorf("%s: %w", doc.Path, err)
		}
		return version, nil
	}
	value, err := v.read(ref)
	if err != nil {
		return "", err
	}
	return v.store.sum("value", value)
}

// versionFile is a digest of an encrypted file, or of what stands for a key in it.
func (v *View) versionFile(doc *desired.SecretPlace, key string) (string, error) {
	text, err := v.file(doc.Path)
	if err != nil || doc.SOPS == "" {
		return digestOf(text), err
	}
	f, err := parseSOPS(doc.Path, text)
	if err != nil || key == "" || f.format == sopsBinary {
		return digestOf(text), err
	}
	value, err := f.find(key)
	if err != nil || strings.HasPrefix(string(value), sopsSealed) {
		return digestOf(value), err
	}
	return v.store.sum("value", value) // Left in clear by the rule of the file.
}

// digestOf names what is encrypted already.
func digestOf(sealed []byte) string {
	sum := sha256.Sum256(sealed)
	return hex.EncodeToString(sum[:16])
}

// versionKey is the key of fingerprints of values, made once. Who has it, and a
// fingerprint, can try guesses: it lies beside what it names, readable by the agent
// alone.
func (s *Store) versionKey() ([]byte, error) {
	s.keying.Lock()
	defer s.keying.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	dir, err := s.dir()
	if err != nil {
		return nil, fmt.Errorf("make the key of versions: %w", err)
	}
	file := filepath.Join(dir, "version.key")
	key, err := readKept(file)
	if errors.Is(err, fs.ErrNotExist) {
		fresh := make([]byte, sha256.Size)
		_, _ = rand.Read(fresh) // It never fails.
		if err = durable.Create(file, fresh); err == nil || errors.Is(err, fs.ErrExist) {
			key, err = readKept(file)
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the key of versions: %w", err)
	case len(key) != sha256.Size:
		return nil, fmt.Errorf("%s is damaged: remove it; what uses secrets then runs once more", file)
	}
	s.key = key
	return key, nil
}
