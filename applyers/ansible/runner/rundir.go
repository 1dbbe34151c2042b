package runner

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed callback/berth_events.py
var callback []byte

const (
	// Without a hyphen, at which Ansible breaks the lines of its warnings.
	runPrefix = "berth.ansible."
	lockName  = "lock"

	// A playbook's directory holds text; more than this is a mistake.
	maxBytes = 64 << 20
	maxFiles = 20000
)

// runDir is the private directory of one run. It is locked while the run lasts,
// so that what a killed agent left behind can be told and removed.
type runDir struct {
	path string
	lock *os.File
}

func newRunDir(base string) (*runDir, error) {
	dir, err := os.MkdirTemp(base, runPrefix) // With mode 0700.
	if err != nil {
		return nil, fmt.Errorf("make a private directory: %w", err)
	}
	d := &runDir{path: dir}
	if err := d.hold(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("make a private directory: %w", err)
	}
	for _, sub := range []string{"src", "keys", "vaults", "vars", "callback", "tmp", "cp"} {
		if err := os.Mkdir(d.in(sub), 0o700); err != nil {
			d.remove()
			return nil, fmt.Errorf("make a private directory: %w", err)
		}
	}
	return d, nil
}

// hold makes the lock appear locked, so that nobody else can take it in between.
func (d *runDir) hold() error {
	f, err := os.OpenFile(d.in("lock.new"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err == nil {
		err = os.Rename(f.Name(), d.in(lockName))
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	d.lock = f
	return nil
}

func (d *runDir) in(name string) string { return filepath.Join(d.path, name) }

// write puts a file there that nobody else can read.
func (d *runDir) write(name string, text []byte) error {
	if err := os.WriteFile(d.in(name), text, 0o600); err != nil {
		return fmt.Errorf("write %s of the run: %w", name, err)
	}
	return nil
}

func (d *runDir) remove() {
	_ = os.RemoveAll(d.path)
	_ = d.lock.Close()
}

// sweep removes what agents that were killed left under base: their private
// directories, and processes that still work for them.
func sweep(base string, log *slog.Logger) {
	dirs, _ := filepath.Glob(filepath.Join(base, runPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Getuid() {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
		if err != nil {
			// Another agent may be making it right now.
			if time.Since(info.ModTime()) > time.Hour {
				_ = os.RemoveAll(dir)
			}
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			log.Warn("removing what a killed agent left of a playbook's run", slog.String("dir", dir))
			killMentioning(dir, true)
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}

// unpack writes dir of fsys to the disk as Git has it: with the modes that
// Ansible's copy looks at. It tells of what it passed over, since Ansible would
// miss it without a word.
func unpack(ctx context.Context, fsys fs.FS, dir, to string, say func(string)) error {
	files, size := 0, int64(0)
	err := fs.WalkDir(fsys, dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		target := filepath.Join(to, filepath.FromSlash(strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")))
		if dir == "." {
			target = filepath.Join(to, filepath.FromSlash(name))
		}
		if entry.IsDir() {
			if name != dir && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir // The playbook's digest does not cover it.
			}
			return os.MkdirAll(target, 0o755) //nolint:gosec // Its parent is private.
		}
		if to, ok := linkWithin(fsys, dir, name, entry); ok {
			return os.Symlink(to, target) //nolint:gosec // Nobody else writes where it is made.
		}
		if !entry.Type().IsRegular() {
			say(name + " is no plain file and is left out: put a copy in its place")
			return nil
		}
		files++
		n, err := unpackFile(fsys, name, target, maxBytes-size)
		size += n
		if files > maxFiles || errors.Is(err, errTooMuch) {
			return fmt.Errorf("more than %d MiB or %d files beside the playbook: give it a directory of its own", maxBytes>>20, maxFiles)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("unpack %s: %w", path.Clean(dir), err)
	}
	return nil
}

// linkWithin is where a symbolic link leads that stays within dir, as a repository of
// playbooks may have them. A way that goes down and up again does not count: it may
// lead through another link.
func linkWithin(fsys fs.FS, dir, name string, entry fs.DirEntry) (to string, ok bool) {
	if entry.Type()&fs.ModeSymlink == 0 {
		return "", false
	}
	to, err := fs.ReadLink(fsys, name)
	if err != nil || path.IsAbs(to) || path.Clean(to) != strings.TrimSuffix(to, "/") {
		return "", false
	}
	at := path.Join(path.Dir(name), to)
	return to, fs.ValidPath(at) && (dir == "." || at == dir || strings.HasPrefix(at, dir+"/"))
}

var errTooMuch = errors.New("too much")

func unpackFile(fsys fs.FS, name, target string, limit int64) (int64, error) {
	in, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return 0, err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.LimitReader(in, limit+1))
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err == nil && n > limit {
		err = errTooMuch
	}
	if err == nil {
		err = os.Chmod(target, mode) // The umask may have taken bits away.
	}
	return n, err
}
