//go:build linux

package lxc

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"berth/applyers/proxmox/pvesim"
)

// fileName is a volume's id as the name of a directory.
func fileName(id string) string { return url.PathEscape(id) }

// write writes a file of a container, and the directories above it. No link that
// somebody made in the container leads out of it.
func write(dir, name, text string, mode fs.FileMode) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	// In the container's own layer it is the mode of these that counts.
	open := fs.FileMode(0o755)
	if strings.HasPrefix(name, "root/") {
		open = 0o700
	}
	if err := root.MkdirAll(filepath.Dir(name), open); err != nil {
		return err
	}
	// Whatever is there may be a link.
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.WriteFile(name, []byte(text), mode); err != nil {
		return err
	}
	return root.Chmod(name, mode)
}

// personal writes what a new container has of its own.
func personal(ctx context.Context, p paths, from pvesim.Origin) error {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("make a host key: %w", err)
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		return fmt.Errorf("make a host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return fmt.Errorf("make a host key: %w", err)
	}
	files := []struct {
		name, text string
		mode       fs.FileMode
	}{
		{"etc/ssh/ssh_host_ed25519_key", string(pem.EncodeToMemory(block)), 0o600},
		{"etc/ssh/ssh_host_ed25519_key.pub", string(ssh.MarshalAuthorizedKey(public)), 0o644},
		{"etc/machine-id", "", 0o444},
	}
	if from.Keys != "" {
		files = append(files, struct {
			name, text string
			mode       fs.FileMode
		}{"root/.ssh/authorized_keys", strings.TrimSpace(from.Keys) + "\n", 0o600})
	}
	if from.Password != "" {
		shadow, err := withPassword(ctx, filepath.Join(p.rootfs, "etc/shadow"), from.Password)
		if err != nil {
			return err
		}
		files = append(files, struct {
			name, text string
			mode       fs.FileMode
		}{"etc/shadow", shadow, 0o640})
	}
	for _, f := range files {
		if err := write(p.upper(), f.name, f.text, f.mode); err != nil {
			return fmt.Errorf("write /%s of the container: %w", f.name, err)
		}
	}
	if from.Password != "" {
		if err := os.Chown(filepath.Join(p.upper(), "etc/shadow"), 0, shadowGroup); err != nil {
			return fmt.Errorf("set root's password: %w", err)
		}
	}
	return nil
}

// shadowGroup may read passwords' hashes on every Debian.
const shadowGroup = 42

// withPassword gives root a password in a file like /etc/shadow.
func withPassword(ctx context.Context, file, password string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("set root's password: %w", err)
	}
	cmd := exec.CommandContext(ctx, "openssl", "passwd", "-6", "-stdin")
	cmd.Stdin = strings.NewReader(password + "\n")
	hash, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("set root's password by openssl passwd (package openssl): %w", err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, "root:"); ok {
			_, rest, _ = strings.Cut(rest, ":")
			lines[i] = "root:" + strings.TrimSpace(string(hash)) + ":" + rest
		}
	}
	return strings.Join(lines, ""), nil
}

// inherited writes what Proxmox writes into a container at each start.
func inherited(root string, c pvesim.Container) error {
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	short, _, _ := strings.Cut(c.Hostname, ".")
	names := c.Hostname
	if short != c.Hostname {
		names += " " + short
	}
	address := "127.0.1.1"
	for _, n := range c.Networks {
		if isPrefix(n.Address) {
			address, _, _ = strings.Cut(n.Address, "/")
			break
		}
	}
	hosts += address + " " + names + "\n"
	var resolv strings.Builder
	if len(c.SearchDomains) > 0 {
		resolv.WriteString("search " + strings.Join(c.SearchDomains, " ") + "\n")
	}
	for _, server := range c.Nameservers {
		resolv.WriteString("nameserver " + server + "\n")
	}
	// Without a name server the file is empty: nothing leads out, and to wait for one
	// that never answers takes ten seconds at each login.
	files := map[string]string{"etc/hostname": short + "\n", "etc/hosts": hosts, "etc/resolv.conf": resolv.String()}
	for name, text := range files {
		if err := write(root, name, text, 0o644); err != nil {
			return fmt.Errorf("write /%s of the container: %w", name, err)
		}
	}
	return dhcpClient(root, c)
}

const (
	networkd = "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
	dhcpFile = "etc/systemd/network/50-pve-%s.network"
)

// dhcpClient lets systemd-networkd ask for addresses where the configuration wants them.
func dhcpClient(dir string, c pvesim.Container) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("let the container ask for an address: %w", err)
	}
	defer root.Close()
	old, err := fs.Glob(root.FS(), fmt.Sprintf(dhcpFile, "*"))
	if err != nil {
		return fmt.Errorf("let the container ask for an address: %w", err)
	}
	for _, file := range append(old, networkd) {
		if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("let the container ask for an address: %w", err)
		}
	}
	for _, n := range c.Networks {
		if n.Address != "dhcp" {
			continue
		}
		text := fmt.Sprintf("[Match]\nName=%s\n\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\n", n.Name)
		if err := write(dir, fmt.Sprintf(dhcpFile, n.Name), text, 0o644); err != nil {
			return fmt.Errorf("let the container ask for an address: %w", err)
		}
	}
	if !wantsDHCP(c) {
		return nil
	}
	err = root.MkdirAll(filepath.Dir(networkd), 0o755)
	if err := errors.Join(err, root.Symlink("/lib/systemd/system/systemd-networkd.service", networkd)); err != nil {
		return fmt.Errorf("let the container ask for an address: %w", err)
	}
	return nil
}
