package checkout_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"berth/agent/internal/checkout"
)

// sshForge serves a forge's repository over SSH, and misbehaves as a test wants it to.
type sshForge struct {
	*forge
	address string // host:port.
	key     crypto.Signer

	mu       sync.Mutex
	hostKeys []ssh.Signer
	takes    ssh.PublicKey                            // The key that may log in,
	signs    []string                                 // and how it may sign; nil for any good way.
	only     string                                   // The one kind of request that sessions take, unless "".
	wrap     func(net.Conn) net.Conn                  // Stands between the server and the network, if set.
	run      func(command string, c ssh.Channel) bool // Answers in Git's place, unless it returns false.
	status   uint32                                   // What run exits with.
	commands []string
	users    []string
	open     int // Connections.
}

func newSSHForge(t *testing.T) *sshForge {
	t.Helper()
	f := &sshForge{forge: newForge(t), key: ed25519Key(t)}
	f.takes = publicKey(t, f.key)
	f.hostKeys = []ssh.Signer{signer(t, ed25519Key(t))}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return f
}

// serve is one connection.
func (f *sshForge) serve(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(f.t.Context(), func() { _ = conn.Close() })()
	f.mu.Lock()
	f.open++
	defer f.set(func() { f.open-- })
	takes := string(f.takes.Marshal())
	config := &ssh.ServerConfig{
		PublicKeyAuthAlgorithms: f.signs,
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != takes {
				return nil, errors.New("stranger")
			}
			return nil, nil //nolint:nilnil // It means: whatever he likes.
		},
	}
	for _, key := range f.hostKeys {
		config.AddHostKey(key)
	}
	through := conn
	if f.wrap != nil {
		through = f.wrap(conn)
	}
	f.mu.Unlock()
	server, channels, requests, err := ssh.NewServerConn(through, config)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.users = append(f.users, server.User())
	f.mu.Unlock()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go f.session(channel, requests)
	}
}

func (f *sshForge) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	for request := range requests {
		f.mu.Lock()
		only := f.only
		f.mu.Unlock()
		if request.Type != "exec" || only != "" && request.Type != only {
			_ = request.Reply(false, nil)
			continue
		}
		var exec struct{ Command string }
		_ = ssh.Unmarshal(request.Payload, &exec)
		_ = request.Reply(true, nil)
		f.mu.Lock()
		f.commands = append(f.commands, exec.Command)
		run, status := f.run, f.status
		f.mu.Unlock()
		go func() {
			if run == nil || !run(exec.Command, channel) {
				status = 0
				if err := f.server.UploadPack(channel, channel); err != nil {
					_, _ = fmt.Fprintln(channel.Stderr(), "fatal:", err)
					status = 128
				}
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			_ = channel.Close()
		}()
	}
}

func (f *sshForge) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// answers lets every command say these words to people and exit.
func (f *sshForge) answers(status uint32, words string) {
	f.set(func() {
		f.status = status
		f.run = func(_ string, c ssh.Channel) bool {
			_, _ = io.WriteString(c.Stderr(), words)
			return true
		}
	})
}

// limits lets the server send so many bytes on each connection; then it stalls, or is cut off.
func (f *sshForge) limits(bytes int, cut bool) {
	f.set(func() {
		f.wrap = func(c net.Conn) net.Conn {
			return &limitedConn{Conn: c, left: bytes, cut: cut, ended: f.t.Context().Done()}
		}
	})
}

type limitedConn struct {
	net.Conn
	left  int
	cut   bool
	ended <-chan struct{} // The test is over.
}

func (l *limitedConn) Write(p []byte) (int, error) {
	if len(p) <= l.left {
		l.left -= len(p)
		return l.Conn.Write(p)
	}
	_, _ = l.Conn.Write(p[:l.left])
	l.left = 0
	if l.cut {
		_ = l.Close()
		return 0, io.ErrClosedPipe
	}
	<-l.ended
	return 0, io.ErrClosedPipe
}

// source follows the forge with its key, and with known hosts that name it.
func (f *sshForge) source() checkout.Source {
	f.t.Helper()
	src := f.strange()
	f.knows(src, knownhosts.Line([]string{f.address}, f.hostKeys[0].PublicKey())+"\n")
	return src
}

// strange is a source whose known hosts are not there yet.
func (f *sshForge) strange() checkout.Source {
	f.t.Helper()
	return checkout.Source{
		URL: "ssh://git@" + f.address + "/fleet.git", Branch: "main", Timeout: 10 * time.Second,
		SSH: &checkout.SSH{
			Key:        credential("the-key", string(privateKey(f.t, f.key, ""))),
			KnownHosts: filepath.Join(f.t.TempDir(), "known_hosts"),
		},
	}
}

func (f *sshForge) knows(src checkout.Source, lines string) {
	f.t.Helper()
	if err := os.WriteFile(src.SSH.KnownHosts, []byte(lines), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// ran returns the commands that were run since the last call.
func (f *sshForge) ran() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.commands
	f.commands = nil
	return all
}

// loggedIn returns who logged in, each time.
func (f *sshForge) loggedIn() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.users)
}

func (f *sshForge) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

func (f *sshForge) port() string {
	_, port, _ := net.SplitHostPort(f.address)
	return port
}

func credential(name, content string) checkout.Credential {
	return checkout.Credential{Name: name, Read: func() ([]byte, error) { return []byte(content), nil }}
}

func ed25519Key(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecdsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signer(t *testing.T, key crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func publicKey(t *testing.T, key crypto.Signer) ssh.PublicKey {
	t.Helper()
	return signer(t, key).PublicKey()
}

// privateKey writes a key as ssh-keygen does.
func privateKey(t *testing.T, key crypto.Signer, passphrase string) []byte {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "berth")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "berth", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

// fetchFails expects an error of fetching that holds all the parts, and returns it.
func (f *follower) fetchFails(kind error, parts ...string) string {
	f.t.Helper()
	got := f.fails(kind)
	for _, part := range parts {
		if !strings.Contains(got, part) {
			f.t.Errorf("the error lacks %s:\n%s", strconv.Quote(part), got)
		}
	}
	return got
}

func TestSSHFetch(t *testing.T) {
	f := newSSHForge(t)
	follow(t, f.source()).fetchFails(checkout.ErrEmpty, "push a first commit")
	first := f.commit("first", "edge.yaml", "kind: Edge")
	a := follow(t, f.source())
	f.ran()
	c := a.accept(first)
	if got := a.file(c, "edge.yaml"); got != "kind: Edge" {
		t.Errorf("file holds %q", got)
	}
	second := f.commit("second", "edge.yaml", "kind: Edge # two")
	c = a.accept(second)
	a.fetch(second)
	if got := a.file(c, "edge.yaml"); got != "kind: Edge # two" {
		t.Errorf("file holds %q", got)
	}
	want := "git-upload-pack '/fleet.git'"
	if got := f.ran(); !slices.Equal(got, []string{want, want, want}) {
		t.Errorf("three fetches ran %q, want %q each", got, want)
	}
	if got := f.loggedIn(); !slices.Equal(got, []string{"git", "git", "git", "git"}) {
		t.Errorf("logins as %q, want 4 as git", got)
	}
	src := f.source()
	src.Branch = "prod"
	follow(t, src).fetchFails(checkout.ErrBranch, "it has main")
	amended := f.amend("amended")
	if got := a.fails(checkout.ErrRewritten); !strings.Contains(got, amended[:7]) {
		t.Errorf("the error lacks the commit: %s", got)
	}
	// No connection outlives its fetch.
	late := time.After(5 * time.Second)
	for f.connections() > 0 {
		select {
		case <-late:
			t.Fatalf("%d connections are still there", f.connections())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Damage that is found after the commit was fetched takes a second request, on the same connection.
func TestSSHSecondRequest(t *testing.T) {
	f := newSSHForge(t)
	a := follow(t, f.source())
	a.accept(f.commit("first", "a.yaml", "one"))
	first := a.packFiles("*")
	a.accept(f.commit("second", "b.yaml", "two"))
	for _, name := range first {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	third := f.commit("third", "b.yaml", "three")
	b := followIn(t, a.dir, f.source())
	f.ran()
	logins := len(f.loggedIn())
	if got := b.file(b.fetch(third), "a.yaml"); got != "one" {
		t.Errorf("file holds %q", got)
	}
	if ran, in := len(f.ran()), len(f.loggedIn())-logins; ran != 2 || in != 1 {
		t.Errorf("%d requests in %d logins, want 2 in 1", ran, in)
	}
}
