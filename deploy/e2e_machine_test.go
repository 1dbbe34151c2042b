//go:build linux

package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"berth/applyers/machine"
	"berth/deploy/internal/standin"
	"berth/desired"
)

// machineBed is a host with a real sshd and a real sudo, and who reaches it.
type machineBed struct {
	network *standin.Network
	host    *standin.Host
	key     []byte
	public  string
	state   string
}

func newMachineBed(t *testing.T, prepare func(*standin.Host)) *machineBed {
	t.Helper()
	network := standin.Net(t)
	for _, program := range []string{"ssh", "sudo", "flock", "useradd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
		}
	}
	file, public := standin.ClientKey(t)
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b := &machineBed{network: network, key: key, public: public, state: t.TempDir()}
	b.host = network.Host(t, "edge", "10.77.0.21", public)
	if prepare != nil {
		prepare(b.host)
	}
	if err := b.host.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// as logs in as a user, in a turn of its own.
func (b *machineBed) as(t *testing.T, user string, sudo bool) machine.Machine {
	t.Helper()
	turn, err := machine.New(machine.Options{
		Key:   func(context.Context, desired.SecretRef) ([]byte, error) { return b.key, nil },
		State: b.state, Dial: b.network.DialContext,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = turn.Close() })
	return turn.SSH(machine.Access{
		ID: "vm/edge", Instance: "one", Address: b.host.Address(),
		SSH: desired.SSH{User: user, Port: 22, Key: desired.SecretRef{Secret: "ssh-key"}, KnownHosts: "learn"},
	}, sudo)
}

// ssh is OpenSSH's own client, by the same known hosts and alias that playbooks use.
func (b *machineBed) ssh(t *testing.T, checking string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, b.key, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := b.network.Command(t.Context(), "ssh", "-F", "none", "-i", file, "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking="+checking, "-o", "HashKnownHosts=no", "-o", "HostKeyAlias="+machine.Alias("vm/edge", "one"),
		"-o", "UserKnownHostsFile="+machine.KnownHosts(b.state), "-o", "GlobalKnownHostsFile=/dev/null",
		"root@"+b.host.Address(), "echo", "in").CombinedOutput()
	return string(out), err
}

func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("%s: the error is\n  %v\nwant\n  %s", what, err, want)
	}
}

func TestMachineOverSSH(t *testing.T) {
	t.Parallel()
	b := newMachineBed(t, nil)
	ctx := t.Context()
	m := b.as(t, "root", false)

	// Many at once, over one connection, which sshd allows ten sessions.
	b.host.Run(t, "mkdir", "/srv/edge")
	content := bytes.Repeat([]byte("a line of an edge\n"), 100_000)
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			file := fmt.Sprintf("/srv/edge/%d.conf", i)
			if err := m.Replace(ctx, file, content[:i*50_000], 0o640); err != nil {
				t.Error(err)
			}
			if text, err := m.Read(ctx, file, 0, 4<<20); err != nil || !bytes.Equal(text, content[:i*50_000]) {
				t.Errorf("%s has %d bytes, %v", file, len(text), err)
			}
		})
	}
	all.Wait()
	if files, err := m.Glob(ctx, "/srv/edge/*.conf"); err != nil || len(files) != 30 {
		t.Errorf("there are %d files, %v", len(files), err)
	}
	if info, err := m.Stat(ctx, "/srv/edge/3.conf"); err != nil || info.Mode != 0o640 || info.Size != 150_000 {
		t.Errorf("one is %+v, %v", info, err)
	}

	// OpenSSH finds the key where it was learnt.
	if out, err := b.ssh(t, "yes"); err != nil || out != "in\n" {
		t.Errorf("ssh says %q, %v", out, err)
	}

	// Programs.
	out, err := m.Run(ctx, machine.Command{Argv: []string{"sh", "-c", "id -un; cat; exit 7", "'$HOME'"}, Stdin: []byte("in")})
	if exit, ok := errors.AsType[*machine.ExitError](err); !ok || exit.Code != 7 || string(out.Stdout) != "root\nin" {
		t.Errorf("a program: %q, %v", out.Stdout, err)
	}
	if _, err := m.Run(ctx, machine.Command{Argv: []string{"sleep", "987"}, Timeout: time.Second}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that takes too long: %v", err)
	}
	eventually(t, 10*time.Second, "it was ended there", func() error {
		text, err := b.host.Command(ctx, "sh", "-c", `for p in /proc/[0-9]*; do if [ "$(tr '\0' ' ' <$p/cmdline)" = "sleep 987 " ]; then echo $p; fi; done 2>/dev/null`).Output()
		if err == nil && len(text) > 0 {
			return fmt.Errorf("%s is there", bytes.TrimSpace(text))
		}
		return err
	})

	// Ports, both ways.
	conn, err := m.Dial(ctx, "tcp", "127.0.0.1:22")
	if err != nil {
		t.Fatal(err)
	}
	greeting := make([]byte, 4)
	if _, err := conn.Read(greeting); err != nil || string(greeting) != "SSH-" {
		t.Errorf("from its own port 22 comes %q, %v", greeting, err)
	}
	_ = conn.Close()
	_, err = m.Dial(ctx, "tcp", "127.0.0.1:9")
	says(t, "a closed port", err, "vm/edge (root@10.77.0.21:22): connect to 127.0.0.1:9 from there: Connection refused")
	listener, err := m.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c, err := listener.Accept(); err == nil {
			_, _ = c.Write([]byte("hello"))
			_ = c.Close()
		}
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	if text := b.host.Run(t, "bash", "-c", fmt.Sprintf("cat </dev/tcp/127.0.0.1/%d", port)); !strings.HasSuffix(text, "hello") {
		t.Errorf("over the port comes %q", text)
	}
	_ = listener.Close()

	// Locks, against another agent and one on the machine itself.
	unlock, err := m.Lock(ctx, "/srv/edge")
	if err != nil {
		t.Fatal(err)
	}
	other := b.as(t, "root", false)
	if _, err := other.Lock(ctx, "/srv/edge"); !errors.Is(err, machine.ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	if out, err := b.host.Command(ctx, "flock", "-n", "/srv/edge", "true").CombinedOutput(); err == nil {
		t.Errorf("locked there as well: %s", out)
	}
	unlock()
	unlock, err = other.Lock(ctx, "/srv/edge")
	if err != nil {
		t.Fatalf("after that: %v", err)
	}
	unlock()
}

// OpenSSH learns a key for a playbook; the edge takes it, and no other.
func TestMachineHostKeys(t *testing.T) {
	t.Parallel()
	b := newMachineBed(t, func(host *standin.Host) {
		text, err := os.ReadFile(host.Path("/etc/ssh/standin_config"))
		if err != nil {
			t.Fatal(err)
		}
		host.WriteFile(t, "/etc/ssh/standin_config", string(text)+"AllowTcpForwarding no\n", 0o600)
	})
	if out, err := b.ssh(t, "accept-new"); err != nil || !strings.HasSuffix(out, "in\n") {
		t.Fatalf("ssh says %q, %v", out, err)
	}
	m := b.as(t, "root", false)
	if _, err := m.Stat(t.Context(), "/etc"); err != nil {
		t.Errorf("with the key that OpenSSH has learnt: %v", err)
	}
	learnt := machine.Alias("vm/edge", "one") + " " + b.host.HostKey() + "\n"
	file := machine.KnownHosts(b.state)
	if text, err := os.ReadFile(file); err != nil || string(text) != learnt {
		t.Errorf("learnt is %q, %v, want %q", text, err, learnt)
	}
	_, err := m.Listen(t.Context())
	says(t, "listen", err, "vm/edge (root@10.77.0.21:22): listen on its loopback: its SSH server forbids it: set AllowTcpForwarding yes (or remote) for this user in its sshd_config")
	_, err = m.Dial(t.Context(), "tcp", "127.0.0.1:22")
	says(t, "dial", err, "vm/edge (root@10.77.0.21:22): connect to 127.0.0.1:22 from there: its SSH server forbids it: set AllowTcpForwarding yes (or local) for this user in its sshd_config")

	if err := os.WriteFile(file, []byte("\n"+machine.Alias("vm/edge", "one")+" "+b.public+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = b.as(t, "root", false).Stat(t.Context(), "/etc")
	if err == nil || !strings.HasPrefix(err.Error(), "vm/edge (root@10.77.0.21:22): its SSH host key is another than the one learnt before: it shows ssh-ed25519 SHA256:") ||
		!strings.Contains(err.Error(), "take out "+file+":2; if not, somebody may stand in between") {
		t.Errorf("with another key: %v", err)
	}
	if out, err := b.ssh(t, "yes"); err == nil {
		t.Errorf("ssh takes it: %s", out)
	}
}

func TestMachineSudo(t *testing.T) {
	t.Parallel()
	b := newMachineBed(t, func(host *standin.Host) {
		host.WriteFile(t, "/etc/sudoers.d/berth", "deploy ALL=(root) NOPASSWD: ALL\nasked ALL=(root) ALL\nfew ALL=(root) NOPASSWD: /usr/bin/id\n", 0o440)
	})
	ctx := t.Context()
	for _, user := range []string{"deploy", "asked", "few", "nobody-special"} {
		b.host.Run(t, "useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", user)
	}
	const file = "/etc/nginx-berth/stream.conf"
	m := b.as(t, "deploy", true)
	if err := m.MakeDir(ctx, "/etc/nginx-berth"); err != nil {
		t.Fatal(err)
	}
	if err := m.Replace(ctx, file, []byte("routes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if info, err := m.Stat(ctx, file); err != nil || info.UID != 0 || info.Mode != 0o644 {
		t.Errorf("the file is %+v, %v", info, err)
	}
	out, err := m.Run(ctx, machine.Command{Argv: []string{"id", "-un"}})
	if err != nil || string(out.Stdout) != "root\n" {
		t.Errorf("programs are run by %q, %v", out.Stdout, err)
	}
	unlock, err := m.Lock(ctx, "/etc/nginx-berth")
	if err != nil {
		t.Fatal(err)
	}
	unlock()

	line := func(user string) string {
		return ": put this line into /etc/sudoers.d/berth there, by visudo: " + user + " ALL=(root) NOPASSWD: ALL (files are written by sh as root, which is as much), or use ssh.user: root"
	}
	for user, reason := range map[string]string{
		"asked": "it asks asked for a password", "few": "it asks few for a password", "nobody-special": "it asks nobody-special for a password",
	} {
		m := b.as(t, user, true)
		want := "vm/edge (" + user + "@10.77.0.21:22): sudo: " + reason + line(user)
		says(t, user+" writes", m.Replace(ctx, file, []byte("other\n"), 0o644), want)
		_, err := m.Run(ctx, machine.Command{Argv: []string{"id"}})
		says(t, user+" runs", err, want)
		_, err = m.Lock(ctx, "/etc/nginx-berth")
		says(t, user+" locks", err, want)
		// Without sudo it is the file system that says no.
		err = b.as(t, user, false).Replace(ctx, file, []byte("other\n"), 0o644)
		says(t, user+" writes without sudo", err, "vm/edge ("+user+"@10.77.0.21:22): replace "+file+": permission denied")
		if text, err := m.Read(ctx, file, 0, 100); err == nil {
			t.Errorf("%s reads %q by sudo", user, text)
		}
	}
	if text, err := b.host.ReadFile(file); err != nil || string(text) != "routes\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if left := b.host.Run(t, "ls", "-A", "/etc/nginx-berth"); left != "stream.conf\n" {
		t.Errorf("beside it is %q", left)
	}
	b.host.Run(t, "mv", "/usr/bin/sudo", "/usr/bin/no-sudo")
	says(t, "without sudo", m.Remove(ctx, file), "vm/edge (deploy@10.77.0.21:22): sudo: there is none: install the package sudo, or set nginx.sudo: false, or use ssh.user: root")
}

func TestMachineFullDisk(t *testing.T) {
	t.Parallel()
	b := newMachineBed(t, nil)
	ctx := t.Context()
	m := b.as(t, "root", false)
	b.host.Run(t, "mkdir", "/srv/small")
	b.host.Run(t, "mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", "/srv/small")
	const file = "/srv/small/stream.conf"
	if err := m.Replace(ctx, file, []byte("former\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := m.Replace(ctx, file, make([]byte, 1<<20), 0o644)
	says(t, "a full disk", err, "vm/edge (root@10.77.0.21:22): replace "+file+": no space left on device")
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("it is no ENOSPC: %v", err)
	}
	b.host.Run(t, "mount", "-o", "remount,ro", "/srv/small")
	says(t, "a read-only one", m.Replace(ctx, file, []byte("new\n"), 0o644), "vm/edge (root@10.77.0.21:22): replace "+file+": read-only file system")
	if text, err := b.host.ReadFile(file); err != nil || string(text) != "former\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if left := b.host.Run(t, "ls", "-A", "/srv/small"); left != "stream.conf\n" {
		t.Errorf("beside it is %q", left)
	}
}

func TestMachineDeadLink(t *testing.T) {
	t.Parallel()
	b := newMachineBed(t, nil)
	ctx := t.Context()
	m := b.as(t, "root", false)
	b.host.Run(t, "mkdir", "/srv/edge")
	const file = "/srv/edge/stream.conf"
	if err := m.Replace(ctx, file, []byte("former\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	unlock, err := m.Lock(ctx, "/srv/edge")
	if err != nil {
		t.Fatal(err)
	}
	// The content is large enough to be on its way when the cable is pulled.
	time.AfterFunc(30*time.Millisecond, func() { _ = b.host.Unplug(context.WithoutCancel(ctx)) })
	begun := time.Now()
	err = m.Replace(ctx, file, bytes.Repeat([]byte("new content\n"), 8<<20), 0o644)
	took := time.Since(begun)
	says(t, "a dead link", err, "vm/edge (root@10.77.0.21:22): the connection was lost: no answer for 8s")
	if took > 16*time.Second {
		t.Errorf("it was found after %s", took)
	}
	says(t, "under the lock", m.Remove(ctx, file), "vm/edge (root@10.77.0.21:22): the connection was lost under a lock, so nothing more is done there: no answer for 8s")
	unlock()
	begun = time.Now()
	_, err = m.Stat(ctx, file)
	if _, ok := errors.AsType[*machine.UnreachableError](err); !ok || time.Since(begun) > 12*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
	if err := b.host.Plug(ctx); err != nil {
		t.Fatal(err)
	}
	// The lock ends without us; sshd would wait for hours.
	eventually(t, machine.LockOutlives+10*time.Second, "the lock is free", func() error {
		unlock, err := b.as(t, "root", false).Lock(ctx, "/srv/edge")
		if err == nil {
			unlock()
		}
		return err
	})
	if text, err := b.host.ReadFile(file); err != nil || string(text) != "former\n" {
		t.Errorf("the file has %d bytes, %v", len(text), err)
	}
	m = b.as(t, "root", false)
	if err := m.Replace(ctx, file, []byte("new\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if left := b.host.Run(t, "ls", "-A", "/srv/edge"); left != "stream.conf\n" {
		t.Errorf("beside it is %q", left)
	}
	if text, err := b.host.ReadFile(file); err != nil || string(text) != "new\n" {
		t.Errorf("then the file has %d bytes, %v", len(text), err)
	}
}
