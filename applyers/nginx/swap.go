package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// replace puts content in the managed file's place at once, with the owner and
// mode that it had. The directory is made if it is not there.
func replace(managed string, content []byte) error {
	dir := filepath.Dir(managed)
	file, err := renameio.NewPendingFile(managed, renameio.WithTempDir(dir),
		renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		return fmt.Errorf("write %s: %w", managed, err)
	}
	if _, err := file.Write(content); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", managed, err), file.Cleanup())
	}
	if info, err := os.Stat(managed); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				return errors.Join(fmt.Errorf("keep the owner of %s: %w", managed, err), file.Cleanup())
			}
		}
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return errors.Join(fmt.Errorf("put %s in place: %w", managed, err), file.Cleanup())
	}
	return syncDir(dir)
}

// remember keeps the file that was before, and with it that a reload is due.
func remember(managed string, before []byte) error {
	if err := renameio.WriteFile(former(managed), before, 0o600, renameio.WithTempDir(filepath.Dir(managed))); err != nil {
		return fmt.Errorf("keep the file that was before: %w", err)
	}
	return syncDir(filepath.Dir(managed))
}

// forget tells that nginx is known to run the managed file.
func forget(managed string) error {
	if err := remove(former(managed)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(managed))
}

// remove removes a file that may be gone already.
func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", file, err)
	}
	return nil
}

// syncDir makes a rename last through a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
