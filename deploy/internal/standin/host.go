//go:build linux

package standin

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshd refuses to run by a relative name, since it starts itself again.
const sshd = "/usr/sbin/sshd"

// Host is a machine on a Network that answers SSH on port 22 for root. Its
// methods may be called from any goroutine.
type Host struct {
	network   *Network
	name      string
	namespace string
	address   string
	port      string // The bridge's side of its cable.
	dir       string
	hostKey   string

	mu      sync.Mutex // Guards what follows.
	sshd    *exec.Cmd  // Nil while the host is off.
	stopped chan struct{}
	silent  time.Time
	console bytes.Buffer // What sshd said; read only after it ended.
}

// Host adds a machine that is switched off. The address lies in Subnet;
// authorizedKey is a line of authorized_keys that may log in as root.
func (n *Network) Host(t testing.TB, name, address, authorizedKey string) *Host {
	t.Helper()
	h, err := n.Add(t.Context(), name, address, authorizedKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// Add is Host for goroutines other than the test's own, where no test can be
// ended: whoever adds a machine stops it, too.
func (n *Network) Add(ctx context.Context, name, address, authorizedKey string) (*Host, error) {
	h := &Host{
		network:   n,
		name:      name,
		namespace: n.name + "-" + name,
		address:   address,
		dir:       filepath.Join(n.dir, name),
	}
	if err := h.write(authorizedKey); err != nil {
		return nil, err
	}
	port := "tap" + strconv.FormatInt(n.hosts.Add(1), 10)
	h.port = port
	for _, args := range [][]string{
		{"netns", "add", h.namespace},
		{"-n", n.Namespace(), "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", h.namespace},
		{"-n", n.Namespace(), "link", "set", port, "master", "vmbr0", "up"},
		{"-n", h.namespace, "link", "set", "lo", "up"},
		{"-n", h.namespace, "addr", "add", address + "/16", "dev", "eth0"},
	} {
		if err := ip(ctx, args...); err != nil {
			return nil, fmt.Errorf("make host %s: %w", name, err)
		}
	}
	return h, nil
}

// write lays out the upper layer of the host's file system.
func (h *Host) write(authorizedKey string) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("make host %s: %w", h.name, err)
	}
	hostKey, err := ssh.NewPublicKey(public)
	if err != nil {
		return fmt.Errorf("make host %s: %w", h.name, err)
	}
	block, err := ssh.MarshalPrivateKey(private, h.name)
	if err != nil {
		return fmt.Errorf("make host %s: %w", h.name, err)
	}
	h.hostKey = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hostKey)))
	for _, dir := range []string{"upper", "work", "root", "home"} {
		if err := os.MkdirAll(filepath.Join(h.dir, dir), 0o755); err != nil { //nolint:gosec // sshd refuses keys below a folder that its users cannot enter.
			return fmt.Errorf("make host %s: %w", h.name, err)
		}
	}
	for _, file := range []struct {
		name string
		text string
		mode os.FileMode
	}{
		{"etc/hostname", h.name + "\n", 0o644},
		// A resolver that cannot be reached costs Ansible ten seconds a host.
		{"etc/resolv.conf", "", 0o644},
		{"etc/ssh/standin_key", string(pem.EncodeToMemory(block)), 0o600},
		{"etc/ssh/standin_authorized_keys", strings.TrimSpace(authorizedKey) + "\n", 0o644},
		{"etc/ssh/standin_config", sshdConfig, 0o644},
	} {
		path := filepath.Join(h.dir, "upper", file.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // These are /etc and /etc/ssh of the host.
			return fmt.Errorf("make host %s: %w", h.name, err)
		}
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			return fmt.Errorf("make host %s: %w", h.name, err)
		}
	}
	return nil
}

// sshdConfig names everything, so that the test machine's own configuration,
// which lies in the layer below, has no say.
const sshdConfig = `Port 22
HostKey /etc/ssh/standin_key
AuthorizedKeysFile /etc/ssh/standin_authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PidFile none
MaxStartups 100
Subsystem sftp internal-sftp
`

// StartFile is run at each start of a host on which it is an executable file, as
// a service manager would start what is enabled; hosts have none. It leaves what
// it starts in the background, and the host is not on before it ends.
const StartFile = "/etc/standin-start"

// boot runs as the first process of the host's own namespaces and becomes its
// sshd. The mounts are seen by nobody else and go with the last process. Root's
// home is its own: what people put into theirs on the test machine may take
// seconds at each login, or wait for a lock.
//
//nolint:dupword // That is how mount is called.
const boot = `set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir run/sshd
mount --bind "$1/home" root
hostname "$2"
if [ -x ."$4" ]; then chroot . "$4"; fi
exec chroot . "$3" -D -e -f /etc/ssh/standin_config
`

// Start switches the host on and returns when its sshd answers. What was
// written before a Stop is still there, but for /run and /tmp.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sshd != nil {
		return fmt.Errorf("start host %s: it is on", h.name)
	}
	if err := ip(ctx, "-n", h.namespace, "link", "set", "eth0", "up"); err != nil {
		return fmt.Errorf("start host %s: %w", h.name, err)
	}
	h.console.Reset()
	// The host outlives the context of the call that starts it: Stop ends it.
	cmd := exec.Command("nsenter", "--net="+namespaceFile(h.namespace), "--", "sh", "-c", boot, "boot", h.dir, h.name, sshd, StartFile) //nolint:noctx // See above.
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &h.console, &h.console
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setsid:     true,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start host %s: %w", h.name, err)
	}
	stopped := make(chan struct{})
	go func() {
		_ = cmd.Wait() // It always ends by a signal, or with words on its console.
		close(stopped)
	}()
	h.sshd, h.stopped, h.silent = cmd, stopped, time.Now()
	if err := h.answers(ctx); err != nil {
		return errors.Join(fmt.Errorf("start host %s: %w", h.name, err), h.off(ctx), fmt.Errorf("its console says: %s", &h.console))
	}
	return nil
}

// answers waits until sshd says its name.
func (h *Host) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		tried := time.Now()
		conn, err := h.network.DialContext(ctx, "tcp", net.JoinHostPort(h.address, "22"))
		if err == nil {
			greeting := make([]byte, 4)
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_, err = conn.Read(greeting)
			_ = conn.Close()
			if err == nil && string(greeting) == "SSH-" {
				return nil
			}
		}
		h.silent = tried
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for its sshd: %w: %w", ctx.Err(), err)
		case <-h.stopped:
			return errors.New("its sshd ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop cuts the host's power: everything in it ends at once and its address
// falls silent. Stopping a host that is off does nothing.
func (h *Host) Stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sshd == nil {
		return nil
	}
	return h.off(context.Background())
}

// off ends the host's first process, and the kernel all others with it.
func (h *Host) off(ctx context.Context) error {
	down := ip(ctx, "-n", h.namespace, "link", "set", "eth0", "down")
	_ = h.sshd.Process.Kill() // It may have ended by itself.
	<-h.stopped
	h.sshd = nil
	if down != nil {
		return fmt.Errorf("stop host %s: %w", h.name, down)
	}
	return nil
}

// Silent is the last time, in the latest start, at which the host was seen not to
// answer SSH yet: whoever was there before it was too early.
func (h *Host) Silent() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.silent
}

// Address is the host's IP address.
func (h *Host) Address() string { return h.address }

// HostKey is the host's public key, as in a line of known_hosts after the
// address. It is known before the first start and never changes.
func (h *Host) HostKey() string { return h.hostKey }

// ReadFile reads a file as the host sees it, by its absolute path. The host
// must be on. An error for a file that is not there is fs.ErrNotExist.
func (h *Host) ReadFile(path string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sshd == nil {
		return nil, fmt.Errorf("read %s on host %s: it is off", path, h.name)
	}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.sshd.Process.Pid), "root", path))
	if err != nil {
		return nil, fmt.Errorf("read a file of host %s: %w", h.name, err)
	}
	return text, nil
}

// ClientKey makes a key pair for logging in to hosts. It returns the private
// key's file, without a passphrase, and the line for authorized_keys.
func ClientKey(t testing.TB) (file, authorizedKey string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "berth end-to-end test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "id_ed25519")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
