package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Secret reads the secret that a manifest calls name: systemd's credential of
// that name, else the file that `secrets` gives. The value is never part of an
// error.
func (s *Settings) Secret(name string, environ func(string) string) ([]byte, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("secret %q: not a plain name", name)
	}
	if dir := environ("CREDENTIALS_DIRECTORY"); dir != "" {
		value, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			return trim(value), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("secret %q: %w", name, err)
		}
	}
	file, ok := s.Secrets[name]
	if !ok {
		return nil, fmt.Errorf("secret %q: neither a systemd credential nor in `secrets` of %s: add `secrets: {%s: FILE}`", name, s.where(), name)
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("secret %q: there is no file %s: write it, or correct `secrets` of %s", name, file, s.where())
	case err != nil:
		return nil, fmt.Errorf("secret %q: %w", name, err)
	case info.Mode().Perm()&0o007 != 0:
		return nil, fmt.Errorf("secret %q: %s: mode %04o lets every user of this machine at it; run chmod o-rwx on it", name, file, info.Mode().Perm())
	}
	value, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	return trim(value), nil
}

func (s *Settings) where() string {
	if s.File != "" {
		return s.File
	}
	return Default
}

// trim takes the newline off that editors add. Keys keep theirs.
func trim(value []byte) []byte {
	text := string(value)
	if strings.Count(strings.TrimRight(text, "\r\n"), "\n") > 0 {
		return value
	}
	return []byte(strings.TrimRight(text, "\r\n"))
}
