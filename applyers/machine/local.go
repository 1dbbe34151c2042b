package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// Local is this machine. With sudo, files and programs are root's, as
// [Machines.SSH] says it.
func Local(sudo bool) Machine {
	if sudo {
		return newSudoLocal()
	}
	return local{}
}

// local is this machine, without a shell in between.
type local struct{ here }

var _ Machine = local{}

// here are this machine's ports and locks.
type here struct{}

func (here) String() string { return "local" }

func (here) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (here) Listen(ctx context.Context) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
}

func (here) Lock(_ context.Context, dir string) (unlock func(), err error) {
	file, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("lock a directory: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

func (local) Run(ctx context.Context, c Command) (Output, error) {
	return runHere(ctx, c, c.Argv, false)
}

// runHere runs argv, which does what c asks for, by sudo or not.
func runHere(ctx context.Context, c Command, argv []string, sudo bool) (Output, error) {
	if len(c.Argv) == 0 {
		return Output{}, errNoProgram
	}
	c = c.withBounds()
	within, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(within, argv[0], argv[1:]...)
	stdout, stderr := bounded{limit: c.Limit}, bounded{limit: max(c.Limit, outputMax)}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if c.Stdin != nil {
		cmd.Stdin = strings.NewReader(string(c.Stdin))
	}
	// The programs around it, as timeout and sudo, hand on what asks them to end.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// It may not listen, and a grandchild may hold the pipe.
	cmd.WaitDelay = 2 * time.Second
	if sudo {
		// It hands no signal on that comes from its own group.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return endBySudo(context.WithoutCancel(ctx), cmd.Process) }
	}
	err := cmd.Run()
	out := Output{Stdout: stdout.buf.Bytes(), Stderr: stderr.buf.Bytes()}
	if sudo {
		out = out.withoutNoise()
	}
	if err == nil {
		return out, nil
	}
	if within.Err() != nil {
		return out, c.late(ctx, "", within.Err(), out)
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return out, fmt.Errorf("%s: %w", c.name(), err)
	}
	e := &ExitError{Argv: c.words(), Code: exit.ExitCode(), Said: c.said(out)}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal().String()
	}
	return out, e
}

var errNoProgram = errors.New("there is no program to run")

func (c Command) withBounds() Command {
	if c.Limit == 0 {
		c.Limit = outputMax
	}
	if c.Timeout == 0 {
		c.Timeout = runTimeout
	}
	return c
}

// late is the error of a program that was ended because its time was up, or the
// caller's context.
func (c Command) late(ctx context.Context, at string, err error, out Output) error {
	why := "it was ended: " + err.Error()
	if ctx.Err() == nil {
		why = fmt.Sprintf("it did not end within %s", c.Timeout)
	}
	if said := c.said(out); said != "" {
		why += ": " + said
	}
	return &timeoutError{at: at, cmd: c.name(), why: why, err: err}
}

func (local) Read(_ context.Context, path string, from, limit int64) ([]byte, error) {
	// A pipe would be waited for.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no plain file")}
	}
	if from > 0 {
		if _, err := file.Seek(from, io.SeekStart); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	return cut(text, limit)
}

// cut gives the first part of what was read, one byte more than asked for.
func cut(text []byte, limit int64) ([]byte, error) {
	if int64(len(text)) > limit {
		return text[:limit], ErrLonger
	}
	return text, nil
}

func (local) Stat(_ context.Context, path string) (Info, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Info{}, err
	}
	out := Info{Mode: info.Mode(), Size: info.Size()}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		out.UID, out.GID = int(owner.Uid), int(owner.Gid)
	}
	return out, nil
}

func (local) Glob(_ context.Context, pattern string) ([]string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", pattern, err)
	}
	// What can't be read looks empty to Glob.
	if dir := filepath.Dir(pattern); len(files) == 0 && !strings.ContainsAny(dir, `*?[\`) {
		if _, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return nil, fmt.Errorf("list %s: %w", pattern, err)
		}
	}
	slices.Sort(files)
	return slices.DeleteFunc(files, func(file string) bool { return hides(pattern, file) }), nil
}

// hides tells whether a file that a pattern fits is hidden from it: sh and nginx
// take a dot at the start for none of the signs, Go does.
func hides(pattern, file string) bool {
	signs, parts := strings.Split(pattern, "/"), strings.Split(file, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ".") && i < len(signs) && !strings.HasPrefix(signs[i], ".") {
			return true
		}
	}
	return false
}

func (local) Replace(ctx context.Context, path string, content []byte, mode fs.FileMode) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return &fs.PathError{Op: "replace", Path: path, Err: syscall.EISDIR}
	}
	sweep(path)
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.IgnoreUmask(),
		renameio.WithPermissions(mode))
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	if _, err := file.Write(content); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", path, err), file.Cleanup())
	}
	if info, err := os.Stat(path); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				return errors.Join(fmt.Errorf("keep the owner of %s: %w", path, err), file.Cleanup())
			}
		}
		if err := file.Chmod(info.Mode()); err != nil {
			return errors.Join(fmt.Errorf("keep the mode of %s: %w", path, err), file.Cleanup())
		}
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", path, err), file.Cleanup())
	}
	return syncDir(dir)
}

// sweep removes what a killed agent has left beside a file: renameio's names are
// the file's own, with a dot before and digits behind; those of replace.sh have
// the same dot, and its sign behind.
func sweep(path string) {
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		sign, found := strings.CutPrefix(e.Name(), prefix)
		left := len(sign) > 4 && strings.Trim(sign, "0123456789") == "" || strings.HasPrefix(sign, ".berth-new-")
		if found && left && e.Type().IsRegular() {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

func (local) Remove(_ context.Context, path string) error {
	// No directory, as os.Remove would.
	if err := syscall.Unlink(path); err != nil && !gone(err) {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	if err := syncDir(filepath.Dir(path)); err != nil && !gone(err) {
		return err
	}
	return nil
}

// gone tells that a file is not there, nor can be.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

func (l local) MakeDir(ctx context.Context, path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if above := filepath.Dir(path); above != path {
		if err := l.MakeDir(ctx, above); err != nil {
			return err
		}
	}
	err := os.Mkdir(path, 0o755) //nolint:gosec // What is in there is read by others, as nginx's workers.
	if info, made := os.Stat(path); made == nil && info.IsDir() && errors.Is(err, fs.ErrExist) {
		return nil // Another was faster.
	}
	if err != nil {
		return err
	}
	// A service's umask may be another.
	if err := os.Chmod(path, 0o755); err != nil { //nolint:gosec // As above.
		return err
	}
	return syncDir(filepath.Dir(path))
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
