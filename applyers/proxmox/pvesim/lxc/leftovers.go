//go:build linux

package lxc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// label is what the names of all our containers, namespaces and directories begin with.
const label = "berth-lxc-"

// marker lies in each directory of ours, so that no other is ever removed.
const marker = "made-by-berth"

// claim makes a directory for a runtime and locks it: the kernel drops the lock when
// we die. What others left that have died is removed first.
func claim(ctx context.Context, cache string) (string, *os.File, error) {
	runs, err := scratch(cache)
	if err != nil {
		return "", nil, err
	}
	// One at a time looks for leftovers, and makes a directory that it has not locked yet.
	door, err := os.OpenFile(filepath.Join(runs, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("lock the containers' directory: %w", err)
	}
	defer door.Close()
	if err := unix.Flock(int(door.Fd()), unix.LOCK_EX); err != nil {
		return "", nil, fmt.Errorf("lock %s: %w", door.Name(), err)
	}
	if err := sweep(ctx, runs); err != nil {
		return "", nil, err
	}
	run, err := os.MkdirTemp(runs, label)
	if err != nil {
		return "", nil, fmt.Errorf("make a directory for containers: %w", err)
	}
	lock, err := tryLock(run)
	if err != nil {
		return "", nil, err
	}
	// The mark comes first: a directory without it, unless it is empty, is nobody's.
	err = os.WriteFile(filepath.Join(run, marker), nil, 0o600)
	for _, dir := range []string{"ct", "volumes"} {
		err = errors.Join(err, os.Mkdir(filepath.Join(run, dir), 0o755)) //nolint:gosec // Users of containers go through it.
	}
	// The guests' users walk through it, too.
	err = errors.Join(err, os.Chmod(run, 0o755)) //nolint:gosec // See above.
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a directory for containers: %w", err), lock.Close())
	}
	return run, lock, nil
}

// scratch is where the directories of runtimes are: an overlay cannot write onto
// another, which is what the whole disk of a machine in a container is.
func scratch(cache string) (string, error) {
	for _, parent := range []string{cache, os.TempDir(), "/dev/shm"} {
		dir := filepath.Join(parent, "runs")
		if parent != cache {
			dir = filepath.Join(parent, "berth-lxc")
		}
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Users of containers go through it.
			return "", fmt.Errorf("make a directory for containers: %w", err)
		}
		var system unix.Statfs_t
		if err := unix.Statfs(dir, &system); err != nil || system.Type == unix.OVERLAYFS_SUPER_MAGIC {
			continue
		}
		return dir, nil
	}
	return "", fmt.Errorf("%s, %s and /dev/shm are overlays, on which no other can stand: choose a directory on a disk of its own as the cache", cache, os.TempDir())
}

func tryLock(dir string) (*os.File, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock a directory: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), file.Close())
	}
	return file, nil
}

// sweep removes what is nobody's any more.
func sweep(ctx context.Context, runs string) error {
	found, err := filepath.Glob(filepath.Join(runs, label+"*"))
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, run := range found {
		lock, err := tryLock(run)
		if err != nil {
			continue // Its owner lives.
		}
		err = remove(ctx, run)
		if err := errors.Join(err, lock.Close()); err != nil {
			return fmt.Errorf("remove what a killed run has left in %s: %w", run, err)
		}
	}
	return nil
}

// remove takes the containers of a runtime away, its namespace and its directory.
func remove(ctx context.Context, run string) error {
	// Without the marker it is not known whose it is, and it is left alone, unless it is
	// empty: it had just been made.
	if _, err := os.Stat(filepath.Join(run, marker)); err != nil {
		_ = os.Remove(run)
		return nil
	}
	name := filepath.Base(run)
	kill := func(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) } // It may have ended.
	faults := []error{clearGroups(name+"-", kill)}
	if _, err := os.Stat("/run/netns/" + name); err == nil {
		_, err := do(ctx, "ip", "netns", "del", name)
		faults = append(faults, err)
	}
	return errors.Join(append(faults, os.RemoveAll(run))...)
}

// removeGroup removes a cgroup, whose processes have been killed.
func removeGroup(dir string) error {
	for deadline := time.Now().Add(5 * time.Second); ; <-time.After(10 * time.Millisecond) {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove a cgroup: %w", err)
		}
	}
}
