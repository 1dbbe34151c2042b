// Package durable writes files that are whole or not there, whenever the power fails.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Create writes a file of mode 0600 where none is. Where one is already, it is left as
// it is, and the error is [fs.ErrExist]; of several at once, one is first.
func Create(file string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".new-*") // 0600 by itself.
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(text)
	if err == nil {
		err = temporary.Sync()
	}
	if err := errors.Join(err, temporary.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	// A link, other than a rename, takes nobody's place.
	if err := os.Link(temporary.Name(), file); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
}

// Replace writes a file, in the place of the one that may be there.
func Replace(file string, text []byte, mode os.FileMode) error {
	if err := renameio.WriteFile(file, text, mode); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return syncDir(filepath.Dir(file))
}

// syncDir makes the names in a directory outlive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
