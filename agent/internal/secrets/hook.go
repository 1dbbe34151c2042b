package secrets

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth/agent/internal/config"
	"berth/agent/internal/durable"
	"berth/desired"
)

// MaxKey bounds the name of a key that a hook brings, in bytes: it has to fit into the
// name of a file.
const MaxKey = 140

// Put keeps what a hook brought for the Secret of that name: each key for itself,
// encrypted for the agent. Keys that are kept and not brought stay. A value that is
// equal to the one that is kept changes nothing. It works while locked. It returns when
// all of it would outlive a power failure; where it fails, some keys may be kept, and
// putting all again is the way on.
func (s *Store) Put(ctx context.Context, name string, values map[string]desired.Secret) error {
	if err := plainName(name); err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(values))
	for _, key := range keys {
		size := len(values[key].Reveal())
		switch {
		case key == "" || len(key) > MaxKey:
			return fmt.Errorf("secret %q: key %q: a key has 1 to %d bytes", name, key, MaxKey)
		case size == 0:
			return fmt.Errorf("secret %q: key %q is empty: a secret that is empty protects nothing", name, key)
		case size > config.MaxSecret:
			return fmt.Errorf("secret %q: key %q: %w", name, key, errTooLarge)
		}
	}
	dir, err := s.dir("hook", name)
	if err != nil {
		return fmt.Errorf("secret %q: keep it: %w", name, err)
	}
	// Two that put the same key leave one's value with the other's version else.
	s.putting.Lock()
	defer s.putting.Unlock()
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("secret %q: keep key %q: %w", name, key, err)
		}
		if err := s.put(dir, key, values[key].Reveal()); err != nil {
			return fmt.Errorf("secret %q: keep key %q: %w", name, key, err)
		}
	}
	return nil
}

func (s *Store) put(dir, key string, value []byte) error {
	file := filepath.Join(dir, keyFile(key))
	sum, err := s.sum("hook", value)
	if err != nil {
		return err
	}
	sealed, err := readKept(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && versionBeside(file, sealed) == sum {
		return nil
	}
	if sealed, err = s.seal(value); err != nil {
		return err
	}
	if err := durable.Replace(file, sealed, 0o600); err != nil {
		return err
	}
	// A version that is not of the value beside it is none: killed here, the next Put
	// writes both anew.
	digest := sha256.Sum256(sealed)
	return durable.Replace(versionFile(file), []byte(sum+" "+hex.EncodeToString(digest[:])+"\n"), 0o600)
}

// keyFile is the name of the file of a key, which may hold anything.
func keyFile(key string) string {
	return base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(key)) + ".age"
}

func versionFile(file string) string { return strings.TrimSuffix(file, ".age") + ".version" }

// versionBeside is the version that was noted for this very file; "" is none.
func versionBeside(file string, sealed []byte) string {
	text, err := readKept(versionFile(file))
	if err != nil {
		return ""
	}
	sum, of, _ := strings.Cut(string(bytes.TrimSpace(text)), " ")
	digest := sha256.Sum256(sealed)
	if of != hex.EncodeToString(digest[:]) {
		return ""
	}
	return sum
}

// brought reads what a hook has brought for a key, encrypted, and its version.
func (s *Store) brought(name, key string) (sealed []byte, version string, err error) {
	if err := plainName(name); err != nil {
		return nil, "", err
	}
	dir := filepath.Join(s.Dir, "hook", name)
	if key == "" {
		return nil, "", fmt.Errorf("what hooks bring has keys: name one, as in {secret: %s, key: %s}", name, exampleKey(dir))
	}
	file := filepath.Join(dir, keyFile(key))
	sealed, err = readKept(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("key %q: no hook has brought it yet: PUT it to /hooks/update-secrets of the agent", key)
	}
	if err != nil {
		return nil, "", fmt.Errorf("key %q: %w", key, err)
	}
	if version = versionBeside(file, sealed); version == "" {
		version = digestOf(sealed)
	}
	return sealed, version, nil
}

// exampleKey is a key that has been brought.
func exampleKey(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "a.b"
	}
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), ".age")
		if key, err := base32.HexEncoding.WithPadding(base32.NoPadding).DecodeString(name); is && err == nil {
			return string(key)
		}
	}
	return "a.b"
}

// sum is a fingerprint of a value that only this agent can make. What is made for one
// use says nothing about another.
func (s *Store) sum(use string, value []byte) (string, error) {
	key, err := s.versionKey()
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(use + "\x00"))
	mac.Write(value)
	return hex.EncodeToString(mac.Sum(nil)[:16]), nil
}
