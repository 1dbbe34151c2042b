//go:build linux

package standin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// scratch is the folder that holds one folder for each network. An overlay
// cannot stand on another overlay, which is what a container's /tmp is; there
// the memory file system serves.
func scratch() (string, error) {
	for _, parent := range []string{os.TempDir(), "/dev/shm"} {
		var fs unix.Statfs_t
		if err := unix.Statfs(parent, &fs); err != nil || fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
			continue
		}
		base := filepath.Join(parent, "berth-standin")
		if err := os.MkdirAll(base, 0o700); err != nil {
			return "", fmt.Errorf("make the stand-ins' folder: %w", err)
		}
		return base, nil
	}
	return "", fmt.Errorf("neither %s nor /dev/shm can carry an overlay", os.TempDir())
}

// claim makes a folder for one network, whose name is the prefix of the
// network's namespaces, and locks it. The kernel drops the lock when this
// process dies, however it dies.
func claim(base string) (string, *os.File, error) {
	dir, err := os.MkdirTemp(base, "berth-")
	if err != nil {
		return "", nil, fmt.Errorf("make a stand-in network's folder: %w", err)
	}
	lock, err := tryLock(dir)
	if err != nil {
		return "", nil, err
	}
	return dir, lock, nil
}

// tryLock locks a network's folder. It fails with unix.EWOULDBLOCK where a
// living process has it.
func tryLock(dir string) (*os.File, error) {
	lock, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open a stand-in network's folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// sweep removes the networks of runs that were killed. A folder younger than a
// minute is left alone: its maker may not have locked it yet.
func sweep(ctx context.Context, base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return fmt.Errorf("look for leftover networks: %w", err)
	}
	for _, entry := range entries {
		dir := filepath.Join(base, entry.Name())
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := tryLock(dir)
		if err != nil {
			continue // In use, or removed by somebody else who sweeps.
		}
		if err := errors.Join(remove(ctx, dir), lock.Close()); err != nil {
			return fmt.Errorf("remove a leftover network: %w", err)
		}
	}
	return nil
}

// remove ends what still runs in a network's namespaces and takes namespaces
// and files away. The overlays go with the mount namespaces of their hosts.
func remove(ctx context.Context, dir string) error {
	namespaces, err := filepath.Glob(namespaceFile(filepath.Base(dir) + "-*"))
	if err != nil {
		return fmt.Errorf("list the namespaces of %s: %w", dir, err)
	}
	var faults []error
	for _, file := range namespaces {
		name := filepath.Base(file)
		faults = append(faults, killAll(ctx, name), ip(ctx, "netns", "del", name))
	}
	return errors.Join(append(faults, os.RemoveAll(dir))...)
}

// killAll ends every process in a network namespace. It is one of ours, so is
// all that runs there: masters that ssh keeps for reuse, workers of nginx.
func killAll(ctx context.Context, namespace string) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		pids, err := processes(ctx, namespace)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end the processes in %s: %v are still there", namespace, pids)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // It may have ended by itself.
		}
		<-time.After(10 * time.Millisecond)
	}
}

// processes lists the processes in a network namespace. A zombie is in none.
func processes(ctx context.Context, namespace string) ([]int, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", namespace).Output()
	if err != nil {
		return nil, fmt.Errorf("list the processes in %s: %w", namespace, err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(out)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("list the processes in %s: %w", namespace, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
