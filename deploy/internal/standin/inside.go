//go:build linux

package standin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Address gives the node one more address on its bridge ("10.77.2.1/16",
// "fd77::1/64"), for a server or a client that is told apart by it.
func (n *Network) Address(t testing.TB, prefix string) {
	t.Helper()
	args := []string{"-n", n.Namespace(), "addr", "add", prefix, "dev", "vmbr0"}
	if netip.MustParsePrefix(prefix).Addr().Is6() {
		args = append(args, "nodad") // Nobody else is there, and the look for others takes a second.
	}
	if err := ip(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

// ListenPacket is Listen for UDP.
func (n *Network) ListenPacket(t testing.TB, address string) net.PacketConn {
	t.Helper()
	var conn net.PacketConn
	err := n.inside(func() (err error) {
		conn, err = new(net.ListenConfig).ListenPacket(t.Context(), "udp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// DialFrom is DialContext from one of the node's addresses; the zero address is
// whichever the kernel takes.
func (n *Network) DialFrom(ctx context.Context, from netip.Addr, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial in the stand-in network: %w", err)
	}
	dialer := &net.Dialer{}
	switch {
	case from.IsValid() && network == "udp":
		dialer.LocalAddr = &net.UDPAddr{IP: from.AsSlice()}
	case from.IsValid():
		dialer.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
	}
	var conn net.Conn
	err := n.inside(func() (err error) {
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Address6 gives the host an IPv6 address besides its own.
func (h *Host) Address6(t testing.TB, prefix string) {
	t.Helper()
	if err := ip(t.Context(), "-n", h.namespace, "addr", "add", prefix, "dev", "eth0", "nodad"); err != nil {
		t.Fatal(err)
	}
}

// Unplug takes the host's cable out of the bridge: what is sent to it is lost, and
// nobody is told, until it is plugged in again.
func (h *Host) Unplug(ctx context.Context) error {
	if err := ip(ctx, "-n", h.network.Namespace(), "link", "set", h.port, "nomaster"); err != nil {
		return fmt.Errorf("unplug host %s: %w", h.name, err)
	}
	return nil
}

// Plug puts the host's cable back.
func (h *Host) Plug(ctx context.Context) error {
	if err := ip(ctx, "-n", h.network.Namespace(), "link", "set", h.port, "master", "vmbr0"); err != nil {
		return fmt.Errorf("plug host %s in: %w", h.name, err)
	}
	return nil
}

// Path is where the test finds a file of the host. While the host is off, that is
// where it will be found; a file of the test machine that it would see is not there
// then.
func (h *Host) Path(path string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sshd == nil {
		return filepath.Join(h.dir, "upper", path)
	}
	return filepath.Join("/proc", strconv.Itoa(h.sshd.Process.Pid), "root", path)
}

// WriteFile writes a file on the host, which may be off, and the folders above it.
func (h *Host) WriteFile(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	file := h.Path(path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // sshd refuses keys below a folder that its users cannot enter.
		t.Fatal(err)
	}
	// The mode of a file that is there already would stay.
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil { // Whatever the umask is.
		t.Fatal(err)
	}
}

// Command prepares a program that runs on the host, as root. It ends as those of
// [Network.Command] do. The host must be on.
func (h *Host) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	h.mu.Lock()
	defer h.mu.Unlock()
	pid := "0" // There is no such process, so that the command says so.
	if h.sshd != nil {
		pid = strconv.Itoa(h.sshd.Process.Pid)
	}
	words := []string{"--target=" + pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--", program}
	cmd := exec.CommandContext(ctx, "nsenter", append(words, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Run runs a program on the host and fails the test where that fails.
func (h *Host) Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := h.Command(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("on host %s: %s %q: %v: %s", h.name, program, args, err, out)
	}
	return string(out)
}
