//go:build linux

package lxc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// packages are what a container has beyond what is essential: what a playbook needs
// to work in it.
const packages = "systemd-sysv,dbus,openssh-server,python3,iproute2,procps,ca-certificates"

// masked are units that would do nothing good in a container without a way out.
var masked = []string{
	"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
	"console-getty.service", "sys-kernel-debug.mount", "systemd-networkd-wait-online.service",
}

// edition is raised when root file systems are built differently.
const edition = "1"

var templateName = regexp.MustCompile(`^debian-(\d+)\b`)

// suite is the release of Debian that a template's name tells.
func suite(template string) (string, error) {
	if m := templateName.FindStringSubmatch(template); m != nil {
		switch m[1] {
		case "12":
			return "bookworm", nil
		case "13":
			return "trixie", nil
		}
	}
	return "", fmt.Errorf("template %q: real containers are made from templates of Debian 12 and 13 alone; its file name begins with debian-12 or debian-13", template)
}

// Rootfs returns the root file system of a template, by the template's file name. It is
// built where the cache does not have it; who comes while another builds it waits.
func Rootfs(ctx context.Context, cache, template string, say func(line string)) (string, error) {
	release, err := suite(template)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(append([]string{edition, packages}, masked...), "\n")))
	base := filepath.Join(cache, "rootfs")
	goal := filepath.Join(base, release+"-"+hex.EncodeToString(sum[:4]))
	if _, err := os.Stat(goal); err == nil {
		return goal, nil
	}
	if err := os.MkdirAll(base, 0o755); err != nil { //nolint:gosec // Users of containers go through it.
		return "", fmt.Errorf("make the cache: %w", err)
	}
	lock, err := os.OpenFile(goal+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("lock the cache: %w", err)
	}
	defer lock.Close()
	for {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for another process that builds %s: %w", goal, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	if _, err := os.Stat(goal); err == nil {
		return goal, nil
	}
	say(fmt.Sprintf("Building the root file system of Debian %s in %s; once, in about half a minute …", release, goal))
	began := time.Now()
	if err := build(ctx, goal, release); err != nil {
		return "", fmt.Errorf("build the root file system of Debian %s: %w", release, err)
	}
	say(fmt.Sprintf("Built after %d s.", int(time.Since(began).Seconds())))
	return goal, nil
}

// build makes a root file system beside its goal, and puts it there when it is whole.
func build(ctx context.Context, goal, release string) error {
	work := goal + ".part"
	// Of a run that was killed; mmdebstrap has no mounts of its own outside.
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	from, err := mirror(ctx, release)
	if err != nil {
		return err
	}
	args := []string{
		"--variant=minbase", "--include=" + packages, "--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*",
	}
	for _, option := range proxies(ctx) {
		args = append(args, "--aptopt="+option)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nice", append(append([]string{"mmdebstrap"}, args...), release, work, from)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("mmdebstrap: %w: %s", err, lastLines(out, 12)), os.RemoveAll(work))
	}
	if err := finish(work); err != nil {
		return errors.Join(err, os.RemoveAll(work))
	}
	return os.Rename(work, goal)
}

// finish takes out what each container has of its own.
func finish(root string) error {
	keys, err := filepath.Glob(filepath.Join(root, "etc/ssh/ssh_host_*"))
	if err != nil {
		return err
	}
	lists, err := filepath.Glob(filepath.Join(root, "var/lib/apt/lists/*"))
	if err != nil {
		return err
	}
	for _, name := range append(append(keys, lists...), filepath.Join(root, "etc/resolv.conf"), filepath.Join(root, "etc/hostname")) {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	for _, unit := range masked {
		if err := os.Symlink("/dev/null", filepath.Join(root, "etc/systemd/system", unit)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(root, "etc/machine-id"), nil, 0o444) //nolint:gosec // All may read it.
}

// mirror is where apt gets Debian from on this machine.
func mirror(ctx context.Context, release string) (string, error) {
	out, err := do(ctx, "apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT) $(ORIGIN)", "Created-By: Packages")
	if err != nil {
		return "", err
	}
	return chooseMirror(out, release)
}

// chooseMirror takes the mirror of the very release, else that of another of Debian's.
func chooseMirror(targets, release string) (string, error) {
	other := ""
	for line := range strings.Lines(targets) {
		words := strings.Fields(line)
		if len(words) < 3 || words[2] != "main" {
			continue
		}
		if words[1] == release {
			return words[0], nil
		}
		// Updates and security are other archives.
		if other == "" && !strings.Contains(words[1], "-") && !strings.Contains(words[1], "/") && len(words) > 3 && words[3] == "Debian" {
			other = words[0]
		}
	}
	if other == "" {
		return "", fmt.Errorf("apt knows no mirror of Debian's %s on this machine: it must be Debian, and apt-get update must have run", release)
	}
	return other, nil
}

// proxies are the proxies that apt uses on this machine.
func proxies(ctx context.Context) []string {
	out, err := do(ctx, "apt-config", "dump", "--format", "%F %v%n", "Acquire::http::Proxy", "Acquire::https::Proxy")
	if err != nil {
		return nil
	}
	var all []string
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && value != "" {
			all = append(all, fmt.Sprintf("%s %q", name, value))
		}
	}
	return all
}

// lastLines is the end of what a program said, on one line.
func lastLines(out []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(bytes.ToValidUTF8(out, []byte("?")))), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
