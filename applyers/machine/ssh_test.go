package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"berth/desired"
)

// bench is a machine over SSH, whose server is in this process.
type bench struct {
	*Machines
	*server
	wires *wires
	host  ssh.Signer
	user  ssh.Signer
	key   []byte
	state string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{wires: &wires{cutAfter: -1}, state: t.TempDir()}
	b.host, _ = newKey(t)
	b.user, b.key = newKey(t)
	b.server = startServer(t, b.user.PublicKey(), b.host)
	b.Machines = b.turn(t)
	return b
}

// turn begins another turn.
func (b *bench) turn(t *testing.T) *Machines {
	t.Helper()
	m, err := New(Options{
		Key:   func(context.Context, desired.SecretRef) ([]byte, error) { return b.key, nil },
		State: b.state, Dial: b.wires.dial, Home: b.state,
	})
	if err != nil {
		t.Fatal(err)
	}
	// Wide, for the processors may be busy.
	m.wait = patience{dial: 10 * time.Second, beat: 50 * time.Millisecond, answer: 10 * time.Second, again: 10 * time.Second, port: 10 * time.Second}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// access reaches the bench's server.
func (b *bench) access() Access {
	return Access{
		ID: "vm/edge", Instance: "one", Address: "127.0.0.1",
		SSH: desired.SSH{User: "root", Port: b.addr.Port, Key: desired.SecretRef{Secret: "ssh-key"}, KnownHosts: "learn"},
	}
}

func (b *bench) name() string { return fmt.Sprintf("vm/edge (root@127.0.0.1:%d)", b.addr.Port) }

// says checks an error, whose begin is the machine's name.
func (b *bench) says(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != b.name()+": "+want {
		t.Errorf("the error is\n  %v\nwant\n  %s: %s", err, b.name(), want)
	}
}

func isUnreachable(err error) bool {
	_, ok := errors.AsType[*UnreachableError](err)
	return ok
}

func TestSSHConnectsOnce(t *testing.T) {
	b := newBench(t)
	m := b.SSH(b.access(), false)
	if m.String() != b.name() {
		t.Errorf("it is called %s", m)
	}
	if _, err := m.Stat(t.Context(), "/"); err != nil {
		t.Error(err)
	}
	if m2 := b.SSH(b.access(), false); m2.String() != m.String() || b.logins() != 1 {
		t.Errorf("%d logins", b.logins())
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Stat(t.Context(), "/"); !isUnreachable(err) || !strings.HasSuffix(err.Error(), ": the turn is over") {
		t.Errorf("after the turn: %v", err)
	}
}

func TestSSHManyAtOnce(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			m := b.SSH(b.access(), false)
			file := filepath.Join(dir, strconv.Itoa(i))
			if err := m.Replace(t.Context(), file, []byte(file), 0o644); err != nil {
				t.Error(err)
			}
			if text, err := m.Read(t.Context(), file, 0, 1000); err != nil || string(text) != file {
				t.Errorf("%s has %q, %v", file, text, err)
			}
		})
	}
	all.Wait()
	if b.logins() != 1 {
		t.Errorf("%d logins", b.logins())
	}
}

func TestSSHErrorsAreFiles(t *testing.T) {
	b := newBench(t)
	m := b.SSH(b.access(), false)
	_, err := m.Read(t.Context(), "/no/such/file", 0, 10)
	b.says(t, err, "read /no/such/file: no such file or directory")
	_, err = m.Read(t.Context(), "relative", 0, 10)
	b.says(t, err, "read relative: a clean path from / on is needed")
	_, err = m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "kill -KILL $$"}})
	if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Signal != "KILL" && exit.Code != 137 {
		t.Errorf("killed: %v", err)
	}
}

func TestSSHDeadLink(t *testing.T) {
	b := newBench(t)
	b.wait.answer = 700 * time.Millisecond
	m := b.SSH(b.access(), false)
	if _, err := m.Stat(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	b.wires.last().die()
	begun := time.Now()
	_, err := m.Stat(t.Context(), "/")
	b.says(t, err, "the connection was lost: no answer for 700ms")
	if !isUnreachable(err) || errors.Is(err, fs.ErrNotExist) || time.Since(begun) > 4*time.Second {
		t.Errorf("after %s: %#v", time.Since(begun), err)
	}
	// The link is back.
	if _, err := m.Stat(t.Context(), "/"); err != nil {
		t.Errorf("after that: %v", err)
	}
}

func TestSSHCutInTheMiddle(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "stream.conf")
	if err := os.WriteFile(file, []byte("former"), 0o644); err != nil {
		t.Fatal(err)
	}
	content := []byte(strings.Repeat("new content\n", 1<<15))
	for _, cut := range []int{5000, 50_000, 200_000, 380_000} {
		b.wires.cutAfter = cut
		m := b.turn(t).SSH(b.access(), false)
		if err := m.Replace(t.Context(), file, content, 0o644); !isUnreachable(err) || !strings.Contains(err.Error(), "the connection was lost: ") {
			t.Fatalf("cut after %d bytes: %v", cut, err)
		}
		b.quiet()
		if text, err := os.ReadFile(file); err != nil || string(text) != "former" {
			t.Errorf("cut after %d bytes, the file has %d bytes, %v", cut, len(text), err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("cut after %d bytes, left is %v, %v", cut, left, err)
		}
	}
	b.wires.cutAfter = -1
	if err := b.SSH(b.access(), false).Replace(t.Context(), file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != string(content) {
		t.Errorf("then the file has %d bytes, %v", len(text), err)
	}
}

func TestSSHUnreachable(t *testing.T) {
	b := newBench(t)
	b.wait.dial = time.Second
	a := b.access()

	a.Address = ""
	if _, err := b.SSH(a, false).Stat(t.Context(), "/"); !isUnreachable(err) || !strings.HasSuffix(err.Error(), ": its address is not known") {
		t.Errorf("without an address: %v", err)
	}

	// A port with nobody behind.
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a = b.access()
	a.SSH.Port = l.Addr().(*net.TCPAddr).Port
	m := b.SSH(a, false)

	// A server that accepts and says nothing.
	begun := time.Now()
	_, err = m.Stat(t.Context(), "/")
	if !isUnreachable(err) || !strings.HasSuffix(err.Error(), ": it took the connection, but did not let us in within 1s: is it an SSH server, and not overloaded?") {
		t.Errorf("a silent one: %v", err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	// Right after, the error stands.
	begun = time.Now()
	if _, again := m.Stat(t.Context(), "/"); again == nil || again.Error() != err.Error() || time.Since(begun) > 900*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(begun), again)
	}
	_ = l.Close()
	if _, err := b.turn(t).SSH(a, false).Stat(t.Context(), "/"); !isUnreachable(err) ||
		!strings.HasSuffix(err.Error(), fmt.Sprintf(": it refuses the connection: does sshd run there, and on port %d (ssh.port)?", a.SSH.Port)) {
		t.Errorf("nobody there: %v", err)
	}

	// A caller that gives up says nothing about the machine.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m = b.turn(t).SSH(b.access(), false)
	if _, err := m.Stat(ctx, "/"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if _, err := m.Stat(t.Context(), "/"); err != nil {
		t.Error(err)
	}
}

func TestSSHKeyRefused(t *testing.T) {
	b := newBench(t)
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(b.user.PublicKey())))
	b.keys(nil, b.host)
	_, err := b.SSH(b.access(), false).Stat(t.Context(), "/")
	b.says(t, err, "refuses the key of secret ssh-key (user root): put its public key into ~root/.ssh/authorized_keys there: "+public)

	good := b.key
	b.key = []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nnot\n")
	_, err = b.turn(t).SSH(b.access(), false).Stat(t.Context(), "/")
	b.says(t, err, "read the SSH key, secret ssh-key: it holds no private key that OpenSSH reads")
	b.key = good
	a := b.access()
	a.SSH.Key = desired.SecretRef{}
	_, err = b.turn(t).SSH(a, false).Stat(t.Context(), "/")
	b.says(t, err, "no key is named (ssh.key), and none is found: no ssh-agent is there (SSH_AUTH_SOCK); "+b.state+"/.ssh has no id_rsa, id_ecdsa, id_ed25519: name a key")
}

func TestSSHAgent(t *testing.T) {
	b := newBench(t)
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ring := agent.NewKeyring()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c) }()
		}
	}()
	a := b.access()
	a.SSH.Key = desired.SecretRef{}
	try := func() error {
		m := b.turn(t)
		m.o.AgentSocket = socket
		_, err := m.SSH(a, false).Stat(t.Context(), "/")
		return err
	}
	b.says(t, try(), "no key is named (ssh.key), and none is found: the ssh-agent holds no key; "+b.state+"/.ssh has no id_rsa, id_ecdsa, id_ed25519: name a key")
	add := func(text []byte) {
		private, err := ssh.ParseRawPrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
			t.Fatal(err)
		}
	}
	_, other := newKey(t)
	add(other)
	b.says(t, try(), "refuses all keys that are shown to it (user root): 1 of the ssh-agent: put the public part of one into ~root/.ssh/authorized_keys there, or name another key (ssh.key)")
	add(b.key)
	if err := try(); err != nil {
		t.Errorf("with the right key: %v", err)
	}
	_ = l.Close()
	if err := try(); !isUnreachable(err) || !strings.Contains(err.Error(), "the ssh-agent does not answer (dial unix ") {
		t.Errorf("without an agent: %v", err)
	}
}

func TestSSHPorts(t *testing.T) {
	b := newBench(t)
	m := b.SSH(b.access(), false)
	l, err := m.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() || at.Port == 0 {
		t.Fatalf("it listens on %v", l.Addr())
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("hello"))
		buf := make([]byte, 10)
		_, _ = c.Read(buf) // Until the other side goes.
		_ = c.Close()
	}()
	c, err := m.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("over the port came %q, %v", buf[:n], err)
	}
	begun := time.Now()
	if err := c.SetReadDeadline(begun.Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) > time.Second {
		t.Errorf("after the deadline: %v", err)
	}
	_ = c.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	_, err = m.Dial(t.Context(), "tcp", l.Addr().String())
	b.says(t, err, "connect to "+l.Addr().String()+" from there: Connection refused")

	b.server.mu.Lock()
	b.noForwards = true
	b.server.mu.Unlock()
	_, err = m.Dial(t.Context(), "tcp", "127.0.0.1:443")
	b.says(t, err, "connect to 127.0.0.1:443 from there: its SSH server forbids it: set AllowTcpForwarding yes (or local) for this user in its sshd_config")
	_, err = m.Listen(t.Context())
	b.says(t, err, "listen on its loopback: its SSH server forbids it: set AllowTcpForwarding yes (or remote) for this user in its sshd_config")
	if _, ok := errors.AsType[*ForwardingError](err); !ok {
		t.Errorf("it is a %T", err)
	}
}

// A shell that prints at login would put its words before each file that is read.
func TestSSHLoginShell(t *testing.T) {
	b := newBench(t)
	for shell, want := range map[string]string{
		`echo Welcome; eval "$0"`:                               `its login shell prints "Welcome\n" before each program's own output: let it print nothing for user root where no terminal is (~/.bashrc and its like)`,
		"echo This account is currently not available.; exit 1": "it runs no programs for user root, but says: This account is currently not available.: give the user a login shell, and no forced command",
		"exec nothing-like-it":                                  "",
	} {
		b.server.mu.Lock()
		b.shell = []string{"sh", "-c", shell}
		b.server.mu.Unlock()
		_, err := b.turn(t).SSH(b.access(), false).Read(t.Context(), "/etc/hostname", 0, 100)
		if !isUnreachable(err) {
			t.Errorf("it is a %T", err)
		}
		if strings.HasPrefix(shell, "exec") { // The rest is the shell's own way to say it.
			if err == nil || !strings.Contains(err.Error(), "it runs no programs for user root, but says: ") || !strings.Contains(err.Error(), "not found") {
				t.Errorf("without a shell: %v", err)
			}
			continue
		}
		b.says(t, err, want)
	}
}
