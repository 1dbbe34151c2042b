package checkout_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"berth/agent/internal/checkout"
)

// noise is content that no pack makes smaller.
func noise(t *testing.T, size int) string {
	t.Helper()
	raw := make([]byte, size)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A peer that stops at any point is given up after the time that the settings allow.
func TestSSHSilence(t *testing.T) {
	const patience = 1500 * time.Millisecond
	for name, test := range map[string]struct {
		after int // How many bytes the server sends.
		says  string
	}{
		"at once":                 {0, "while waiting that 127.0.0.1"},
		"in its version":          {5, "goes on with the SSH handshake"},
		"in the key exchange":     {200, "goes on with the SSH handshake"},
		"after the key exchange":  {1500, "goes on with the SSH handshake"},
		"in the middle of a pack": {150_000, "sends the commit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSSHForge(t)
			f.commit("first", "a", noise(t, 400_000))
			f.limits(test.after, false)
			src := f.source()
			src.Timeout = patience
			a := follow(t, src)
			began := time.Now()
			a.fetchFails(checkout.ErrUnreachable, "no answer for 1.5s", test.says, "check the URL, the network and the server")
			if took := time.Since(began); took < patience || took > patience+8*time.Second {
				t.Errorf("it took %s, want about %s", took, patience)
			}
			if got := a.packFiles("*"); len(got) != 0 {
				t.Errorf("left behind: %q", got)
			}
			f.limits(1<<30, false)
			src.Timeout = 0
			if _, err := followIn(t, a.dir, src).Fetch(t.Context()); err != nil {
				t.Errorf("once the server is well again: %v", err)
			}
		})
	}
}

// SSH's own signs of life do not keep up a connection behind which Git hangs.
func TestSSHHangingGit(t *testing.T) {
	t.Parallel()
	f := newSSHForge(t)
	tip := f.commit("first", "a.yaml", "one")
	f.set(func() {
		f.run = func(_ string, c ssh.Channel) bool {
			for range 500 {
				if _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
					break
				}
				<-time.After(20 * time.Millisecond)
			}
			return true
		}
	})
	src := f.source()
	src.Timeout = 1500 * time.Millisecond
	a := follow(t, src)
	began := time.Now()
	a.fetchFails(checkout.ErrUnreachable, "no answer for 1.5s", "tells its branches")
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	// A server that trickles on for ever is ended by the bound of the whole fetch.
	f.set(func() {
		f.run = func(_ string, c ssh.Channel) bool {
			_, _ = io.WriteString(c, "fff0"+tip+" refs/heads/main\x00")
			for {
				if _, err := io.WriteString(c, "x"); err != nil {
					return true
				}
				<-time.After(20 * time.Millisecond)
			}
		}
	})
	a.SetMaxFetch(1200 * time.Millisecond)
	a.fetchFails(checkout.ErrUnreachable, "the fetch was not done after 1.2s")
}

func TestSSHContext(t *testing.T) {
	for _, after := range []int{0, 200, 150_000} {
		f := newSSHForge(t)
		f.commit("first", "a", noise(t, 400_000))
		f.limits(after, false)
		a := follow(t, f.source())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, cancel)
		began := time.Now()
		_, err := a.Fetch(ctx)
		if !errors.Is(err, context.Canceled) || errors.Is(err, checkout.ErrUnreachable) {
			t.Errorf("cancelled after %d bytes: %v", after, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("cancelled after %d bytes: it took %s", after, took)
		}
	}
}

// A connection that is cut anywhere yields an error, never half a commit.
func TestSSHCut(t *testing.T) {
	f := newSSHForge(t)
	tip := f.commit("first", "a", noise(t, 100_000))
	for _, after := range []int{0, 5, 200, 1500, 3000, 20_000, 60_000, 90_000} {
		f.limits(after, true)
		a := follow(t, f.source())
		a.fails(checkout.ErrUnreachable)
		if got := a.packFiles("*"); len(got) != 0 {
			t.Errorf("cut after %d bytes: left behind: %q", after, got)
		}
		if after <= 200 {
			a.fetchFails(checkout.ErrUnreachable, "closed the connection in the SSH handshake")
		}
		f.limits(1<<30, true)
		a.fetch(tip)
	}
}

// What servers say instead of doing as they are asked.
func TestSSHRefused(t *testing.T) {
	f := newSSHForge(t)
	f.commit("first", "a.yaml", "one")
	for _, test := range []struct {
		status uint32
		words  string
		kind   error
		says   []string
	}{
		{128, "fatal: '/fleet.git' does not appear to be a git repository\nfatal: Could not read from remote repository.\n", checkout.ErrNotFound, []string{"does not appear to be a git repository", "(/fleet.git)", "whether the key may read"}},
		{1, "ERROR: Repository not found.\n", checkout.ErrNotFound, []string{"Repository not found."}},
		{1, "remote: ERROR: The project you were looking for could not be found or you don't have permission to view it.\n", checkout.ErrNotFound, nil},
		{1, "FATAL: R any fleet ada DENIED by fallthru\n(or you mis-spelled the reponame)\n", checkout.ErrAuth, []string{"DENIED by fallthru", "let the key of the-key read"}},
		{127, "sh: 1: git-upload-pack: not found\n", checkout.ErrUnreachable, []string{"install Git on the server"}},
		{128, "fatal: detected dubious ownership in repository at '/fleet.git'\n", checkout.ErrUnreachable, []string{"dubious ownership"}},
		{3, "", checkout.ErrUnreachable, []string{"Git on it ended without a word: Process exited with status 3"}},
		{1, "\x1b[31mred\x1b[0m " + strings.Repeat("long ", 2000), checkout.ErrUnreachable, []string{"red", "…"}},
	} {
		f.answers(test.status, test.words)
		if got := follow(t, f.source()).fetchFails(test.kind, test.says...); strings.ContainsRune(got, '\x1b') || len(got) > 1000 {
			t.Errorf("the error holds what a terminal obeys, or is too long: %q", got)
		}
	}
	for _, test := range []struct {
		out  string
		kind error
		says string
	}{
		{"This account is currently not available.\n", checkout.ErrUnreachable, "it says what Git does not: This account is currently not available."},
		{"0020ERR access denied to fleet.gi\n", checkout.ErrAuth, "access denied to"},
		{"0099", checkout.ErrUnreachable, "the connection ended in the middle of the answer"},
	} {
		f.set(func() {
			f.run = func(_ string, c ssh.Channel) bool {
				_, _ = io.WriteString(c, test.out)
				return true
			}
		})
		follow(t, f.source()).fetchFails(test.kind, test.says)
	}
}

// A server that lets the key in and runs nothing for it.
func TestSSHNoCommands(t *testing.T) {
	f := newSSHForge(t)
	f.commit("first", "a.yaml", "one")
	f.set(func() { f.only = "shell" })
	follow(t, f.source()).fetchFails(checkout.ErrAuth, "it lets user git run no Git", "what the server lets the key do")
}

func TestSSHUnreachable(t *testing.T) {
	f := newSSHForge(t)
	f.commit("first", "a.yaml", "one")
	src := f.source()
	src.URL = "ssh://git@127.0.0.1:1/fleet.git"
	follow(t, src).fetchFails(checkout.ErrUnreachable, "connection refused", "ssh://git@127.0.0.1:1/fleet.git")

	src.URL, src.Timeout = "git@git.invalid:fleet.git", 3*time.Second
	follow(t, src).fetchFails(checkout.ErrUnreachable, "git.invalid", "check the URL, the network")

	// Something else listens there.
	src.URL = strings.Replace(f.web.URL, "http://", "ssh://git@", 1) + "/fleet.git"
	follow(t, src).fails(checkout.ErrUnreachable)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, strings.Repeat("220 ready\r\n", 100_000))
			_ = conn.Close()
		}
	}()
	src.URL = "ssh://git@" + listener.Addr().String() + "/fleet.git"
	follow(t, src).fetchFails(checkout.ErrUnreachable, "does not speak SSH", "check the URL's host and port")
}

// Nothing of whoever runs the agent is used: no ssh-agent, no ~/.ssh.
func TestSSHUsesNothingOfTheUser(t *testing.T) {
	f := newSSHForge(t)
	tip := f.commit("first", "a.yaml", "one")
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	src := f.source()
	lines, err := os.ReadFile(src.SSH.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"id_ed25519": privateKey(t, f.key, ""), "known_hosts": lines,
		"config": []byte("Host *\n  Hostname 127.0.0.2\n  Port 1\n  User nobody\n"),
	} {
		if err := os.WriteFile(filepath.Join(home, ".ssh", name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asked := make(chan struct{}, 10)
	socket := filepath.Join(home, "agent")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			asked <- struct{}{}
			_ = conn.Close()
		}
	}()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", socket)
	t.Setenv("SSH_KNOWN_HOSTS", filepath.Join(home, ".ssh", "known_hosts"))
	follow(t, src).fetch(tip)
	follow(t, f.strange()).fetchFails(checkout.ErrHostKey, "is not known")
	src.SSH.Key = credential("the-key", string(privateKey(t, ed25519Key(t), "")))
	follow(t, src).fetchFails(checkout.ErrAuth, "it takes no key ssh-ed25519 SHA256:")
	if len(asked) != 0 {
		t.Error("an ssh-agent was asked")
	}
}

func TestSSHKey(t *testing.T) {
	f := newSSHForge(t)
	tip := f.commit("first", "a.yaml", "one")
	src := f.source()
	const passphrase = "hunter2 und mehr"
	var said strings.Builder
	try := func(key, passphrase checkout.Credential) *follower {
		src.SSH.Key, src.SSH.Passphrase = key, passphrase
		a := follow(t, src)
		t.Cleanup(func() { said.WriteString(a.said.String()) })
		return a
	}
	none := checkout.Credential{}
	rsa := rsaKey(t)
	for _, key := range []struct {
		is   string
		text []byte
		pass checkout.Credential
	}{
		{"ed25519", privateKey(t, f.key, ""), none},
		{"encrypted", privateKey(t, f.key, passphrase), credential("the-passphrase", passphrase)},
		{"without its last newline", []byte(strings.TrimSpace(string(privateKey(t, f.key, "")))), none},
		{"of Windows", []byte(strings.ReplaceAll(string(privateKey(t, f.key, "")), "\n", "\r\n")), none},
	} {
		t.Log(key.is)
		try(credential("the-key", string(key.text)), key.pass).fetch(tip)
	}
	for _, key := range []struct{ text, passphrase, want string }{
		{string(privateKey(t, f.key, passphrase)), "", "the-key: it is encrypted; name its passphrase as repository.ssh.passphrase"},
		{string(privateKey(t, f.key, passphrase)), "hunter3", "the-key: its passphrase is not that of the-passphrase"},
		{string(privateKey(t, f.key, "")), passphrase, "the-key: it is not encrypted; remove repository.ssh.passphrase"},
		{string(ssh.MarshalAuthorizedKey(f.takes)), "", "the-key: it is the public key; name the private one"},
		{"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "", "puttygen FILE -O private-openssh"},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "", "convert it with `ssh-keygen -p -f FILE`"},
		{strings.Replace(string(privateKey(t, f.key, "")), "A", "", 1), "", "or it is damaged"},
		{"", "", "the-key: it is empty"},
		{"hunter2\n", "", "the-key: it is no private key: it should begin with -----BEGIN OPENSSH PRIVATE KEY-----"},
	} {
		pass := none
		if key.passphrase != "" {
			pass = credential("the-passphrase", key.passphrase)
		}
		f.ran()
		_, err := try(credential("the-key", key.text), pass).Fetch(t.Context())
		if err == nil || !strings.Contains(err.Error(), key.want) || !strings.Contains(err.Error(), "repository.ssh.key") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line with %q", err, key.want)
		}
		if err != nil {
			said.WriteString(err.Error())
		}
		if got := f.ran(); len(got) != 0 {
			t.Errorf("the server was asked without a key: %q", got)
		}
	}
	unreadable := checkout.Credential{Name: "the-key", Read: func() ([]byte, error) { return nil, fs.ErrPermission }}
	if _, err := try(unreadable, none).Fetch(t.Context()); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "read repository.ssh.key") {
		t.Errorf("an unreadable key: %v", err)
	}
	// A stranger's key: what to tell the server is said whole.
	stranger := ed25519Key(t)
	said.WriteString(try(credential("the-key", string(privateKey(t, stranger, ""))), none).fetchFails(checkout.ErrAuth, "it takes no key", "of the-key for user git",
		ssh.FingerprintSHA256(publicKey(t, stranger)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(publicKey(t, stranger))))))
	// The key is read again at each fetch; other kinds of keys work, too.
	for _, key := range []ssh.Signer{signer(t, rsa), signer(t, ecdsaKey(t))} {
		f.set(func() { f.takes = key.PublicKey() })
		_, err := try(credential("the-key", string(privateKey(t, f.key, ""))), none).Fetch(t.Context())
		if !errors.Is(err, checkout.ErrAuth) {
			t.Errorf("a key that the server has forgotten: %v", err)
		}
	}
	f.set(func() { f.takes = publicKey(t, rsa) })
	a := try(credential("the-key", string(privateKey(t, rsa, ""))), none)
	a.accept(tip)
	// A server that wants SHA-1 gets no signature.
	f.set(func() { f.signs = []string{ssh.KeyAlgoRSA} })
	a.fetchFails(checkout.ErrAuth, "with SHA-1 only", "use an ed25519 key")
	for _, leak := range append(strings.Fields(string(privateKey(t, f.key, "")))[4:6], passphrase, "hunter") {
		if strings.Contains(said.String()+a.said.String(), leak) {
			t.Errorf("%q is in an error or a log line", leak)
		}
	}
}
