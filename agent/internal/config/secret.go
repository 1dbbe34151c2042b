package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"
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
			return Trim(value), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("secret %q: %w", name, err)
		}
	}
	file, ok := s.Secrets[name]
	if !ok {
		return nil, fmt.Errorf("secret %q: neither a systemd credential nor in `secrets` of %s: add `secrets: {%s: FILE}`", name, s.where(), name)
	}
	value, err := readSecret(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("secret %q: there is no file %s: write it, or correct `secrets` of %s", name, file, s.where())
	}
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	return value, nil
}

// MaxSecret bounds a secret, in bytes.
const MaxSecret = 1 << 20

// readSecret reads a file that other users cannot read.
func readSecret(file string) ([]byte, error) {
	// Opening a pipe must not wait for somebody to write into it.
	opened, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return readOpened(file, opened)
}

// readOpened judges the very file that it reads: one that takes its place
// meanwhile is not read.
func readOpened(file string, opened *os.File) ([]byte, error) {
	info, err := opened.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", file)
	case info.Mode().Perm()&0o007 != 0:
		return nil, fmt.Errorf("%s: mode %04o lets every user of this machine at it; run chmod o-rwx on it", file, info.Mode().Perm())
	case info.Size() > MaxSecret:
		return nil, fmt.Errorf("%s: larger than %d bytes, which no secret is", file, MaxSecret)
	}
	value, err := io.ReadAll(io.LimitReader(opened, MaxSecret))
	if err != nil {
		return nil, err
	}
	return Trim(value), nil
}

// DocumentFile reads the file that a Secret document names. It must lie in one of
// the directories of `secretFiles`, links followed. The value is never part of an
// error, nor does one tell what else there is on the host.
func (s *Settings) DocumentFile(name, file string) ([]byte, error) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		if _, _, inside := s.allowed(filepath.Clean(file)); !inside {
			return nil, s.outside(name, file)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("secret %q: there is no file %s on this host: write it, or correct `file` of the Secret", name, file)
		}
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	dir, rest, inside := s.allowed(real)
	if !inside {
		return nil, s.outside(name, file)
	}
	if info, err := os.Stat(real); err == nil && s.isIdentity(info) {
		return nil, identityNamed(name)
	}
	value, err := readWithin(dir, rest)
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	return value, nil
}

// allowed finds the directory of `secretFiles` that a file lies in.
func (s *Settings) allowed(file string) (dir, rest string, inside bool) {
	for _, given := range s.SecretFiles {
		for _, dir := range []string{given, resolved(given)} {
			if rest, err := filepath.Rel(dir, file); dir != "" && err == nil && filepath.IsLocal(rest) && rest != "." {
				return dir, rest, true
			}
		}
	}
	return "", "", false
}

// resolved is a directory with its links followed; "" if it is not there.
func resolved(dir string) string {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	return real
}

func (s *Settings) outside(name, file string) error {
	where := strings.Join(s.SecretFiles, ", ")
	if where == "" {
		where = "every directory (`secretFiles` is empty)"
	}
	return fmt.Errorf("secret %q: %s lies outside of %s, where manifests may point: move it there, or add its directory to `secretFiles` of %s",
		name, file, where, s.where())
}

// readWithin reads a file below a directory; no link that is put in its way
// meanwhile leads out.
func readWithin(dir, rest string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	opened, err := root.OpenFile(rest, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return readOpened(filepath.Join(dir, rest), opened)
}

// DocumentCredential reads the systemd credential that a Secret document names.
func (s *Settings) DocumentCredential(name, credential string, environ func(string) string) ([]byte, error) {
	if credential == s.Identity.Secret && credential != "" {
		return nil, identityNamed(name)
	}
	dir := environ("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, fmt.Errorf("secret %q: the agent has no systemd credentials: add LoadCredential=%s:FILE to its service", name, credential)
	}
	if credential == "" || credential != filepath.Base(credential) || strings.HasPrefix(credential, ".") {
		return nil, fmt.Errorf("secret %q: credential %q is no plain name", name, credential)
	}
	value, err := os.ReadFile(filepath.Join(dir, credential))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("secret %q: the agent's service has no credential %q: add LoadCredential=%s:FILE to it", name, credential, credential)
	}
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	return Trim(value), nil
}

// secretVariables is how the variables begin that a Secret document may name.
const secretVariables = "BERTH_SECRET_"

// DocumentEnv reads the variable of the agent's environment that a Secret document
// names: one that was meant for it.
func (s *Settings) DocumentEnv(name, variable string, environ func(string) string) ([]byte, error) {
	switch value := environ(variable); {
	case !strings.HasPrefix(variable, secretVariables):
		return nil, fmt.Errorf("secret %q: env %q: manifests may name variables that begin with %s only: rename it", name, variable, secretVariables)
	case value == "":
		return nil, fmt.Errorf("secret %q: the agent's environment has no %s: set it in its service", name, variable)
	default:
		return Trim([]byte(value)), nil
	}
}

func (s *Settings) where() string {
	if s.File != "" {
		return s.File
	}
	return Default
}

// Trim takes the newline off that editors add. Keys, and what is no text, keep theirs.
func Trim(value []byte) []byte {
	text := string(value)
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return value
	}
	if strings.Count(strings.TrimRight(text, "\r\n"), "\n") > 0 {
		return value
	}
	return []byte(strings.TrimRight(text, "\r\n"))
}
