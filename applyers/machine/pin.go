package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// PinnedError is that a machine is known to have other SSH host keys than those that
// were learnt of it before.
type PinnedError struct {
	// Key is one that it has now, File and Line say where the other one stands.
	Key, File string
	Line      int
}

// Error says what to do.
func (e *PinnedError) Error() string {
	return fmt.Sprintf("its SSH host key is another than the one learnt before: it has %s now: if it was installed anew by hand, take out %s:%d; if not, somebody may stand in between",
		e.Key, e.File, e.Line)
}

// Pin notes in a file of known hosts which SSH host keys a machine has, where that is
// known otherwise than from whoever answers at its address, so that the first contact
// is not blind. Keys are one a line, each its kind and itself. A machine that is known
// there already keeps the keys that it has: others of these kinds are a [PinnedError].
func Pin(ctx context.Context, file, alias, keys string) (err error) {
	shown, err := parseKeys(keys)
	if err != nil || len(shown) == 0 {
		return err
	}
	is := func(name string) bool { return name == alias }
	if known, err := learnt(file, is); err == nil && len(known) > 0 {
		return unlike(file, known, shown)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("note the SSH host keys of %s: %w", alias, err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("note the SSH host keys of %s: %w", alias, err)
	}
	defer func() {
		if closing := f.Close(); err == nil && closing != nil {
			err = fmt.Errorf("note the SSH host keys of %s: %w", alias, closing)
		}
	}()
	if err := flock(ctx, f); err != nil {
		return fmt.Errorf("lock %s: %w", file, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("note the SSH host keys of %s: %w", alias, err)
	}
	known, err := learnt(file, is)
	if err != nil || len(known) > 0 {
		return errors.Join(err, unlike(file, known, shown))
	}
	var lines strings.Builder
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		lines.WriteString("\n") // An editor may have left the last line without its end.
	}
	for _, key := range shown {
		lines.WriteString(xknownhosts.Line([]string{alias}, key) + "\n")
	}
	if _, err := f.WriteString(lines.String()); err != nil {
		return fmt.Errorf("note the SSH host keys of %s: %w", alias, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("note the SSH host keys of %s: %w", alias, err)
	}
	return nil
}

func parseKeys(text string) ([]ssh.PublicKey, error) {
	var all []ssh.PublicKey
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return nil, fmt.Errorf("its SSH host key can't be read: %w", err)
		}
		all = append(all, key)
	}
	return all, nil
}

// unlike compares the keys of each kind.
func unlike(file string, known []pinned, shown []ssh.PublicKey) error {
	for _, key := range shown {
		same := func(p pinned) bool { return bytes.Equal(p.key.Marshal(), key.Marshal()) }
		if slices.ContainsFunc(known, same) {
			continue
		}
		if at := slices.IndexFunc(known, func(p pinned) bool { return p.key.Type() == key.Type() }); at >= 0 {
			return &PinnedError{Key: key.Type() + " " + ssh.FingerprintSHA256(key), File: file, Line: known[at].line}
		}
	}
	return nil
}
