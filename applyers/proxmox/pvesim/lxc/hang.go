//go:build linux

package lxc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// hang mounts a tree in the mount namespace of a process. A thread enters another one
// only with a root and a working directory of its own; afterwards it has those of
// all others again, so that it need not end: what was started from it would be told
// that its parent has died.
func hang(pid, tree int, path string) error {
	home, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	defer home.Close()
	space, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "ns/mnt"))
	if err != nil {
		return err
	}
	defer space.Close()
	here, err := os.Open(".")
	if err != nil {
		return err
	}
	defer here.Close()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("leave the other threads' directories: %w", err)
	}
	if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNS); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter its mounts: %w", err)
	}
	fault := unix.MoveMount(tree, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err := errors.Join(unix.Setns(int(home.Fd()), unix.CLONE_NEWNS), unix.Fchdir(int(here.Fd()))); err != nil {
		// The thread stays locked, and ends with this goroutine.
		return errors.Join(fault, fmt.Errorf("leave its mounts: %w", err))
	}
	runtime.UnlockOSThread()
	if fault != nil {
		return fmt.Errorf("hang its volume up: %w", fault)
	}
	return nil
}
