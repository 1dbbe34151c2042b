package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

func lineOf(name string, key ssh.PublicKey) string {
	return xknownhosts.Line([]string{name}, key) + "\n"
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHostKeyIsLearntOnce(t *testing.T) {
	b := newBench(t)
	try := func() error {
		_, err := b.turn(t).SSH(b.access(), false).Stat(t.Context(), "/")
		return err
	}
	file := KnownHosts(b.state)
	// An editor left the last line without its end.
	write(t, file, strings.TrimSpace(lineOf("vm.other", b.user.PublicKey())))
	for range 2 {
		if err := try(); err != nil {
			t.Fatal(err)
		}
	}
	alias := Alias("vm/edge", "one")
	want := lineOf("vm.other", b.user.PublicKey()) + lineOf(alias, b.host.PublicKey())
	if text, err := os.ReadFile(file); err != nil || string(text) != want {
		t.Errorf("learnt is %q, %v, want %q", text, err, want)
	}

	// Another key: refused, and named with the line.
	other, _ := newKey(t)
	b.keys(b.user.PublicKey(), other)
	err := try()
	b.says(t, err, fmt.Sprintf("its SSH host key is another than the one learnt before: it shows ssh-ed25519 %s: if it was installed anew by hand, take out %s:2; if not, somebody may stand in between",
		ssh.FingerprintSHA256(other.PublicKey()), file))
	if !isUnreachable(err) {
		t.Errorf("it is a %T", err)
	}
	// Nor is one of another kind taken for a first one.
	b.keys(b.user.PublicKey(), newRSAKey(t))
	if err := try(); err == nil || !strings.Contains(err.Error(), "another than the one learnt before: it shows ssh-rsa SHA256:") {
		t.Errorf("a key of another kind: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != want {
		t.Errorf("then learnt is %q, %v", text, err)
	}

	// Made anew, it is another host.
	a := b.access()
	a.Instance = "two"
	if _, err := b.turn(t).SSH(a, false).Stat(t.Context(), "/"); err != nil {
		t.Errorf("made anew: %v", err)
	}
}

// A server with several keys is asked for the one that is known.
func TestHostKeyOfTheKnownKind(t *testing.T) {
	b := newBench(t)
	rsa := newRSAKey(t)
	b.keys(b.user.PublicKey(), b.host, rsa)
	write(t, KnownHosts(b.state), lineOf(Alias("vm/edge", "one"), rsa.PublicKey()))
	if _, err := b.SSH(b.access(), false).Stat(t.Context(), "/"); err != nil {
		t.Errorf("the RSA key is known: %v", err)
	}
}

func TestHostKeyStrict(t *testing.T) {
	b := newBench(t)
	a := b.access()
	a.SSH.KnownHosts = "strict"
	try := func() error {
		_, err := b.turn(t).SSH(a, false).Stat(t.Context(), "/")
		return err
	}
	file := KnownHosts(b.state)
	line := strings.TrimSpace(lineOf(a.at(), b.host.PublicKey()))
	unknown := fmt.Sprintf("its SSH host key ssh-ed25519 %s is not known, and none is learnt (ssh.knownHosts): compare it with the machine's own, and add this line to %%s: %s",
		ssh.FingerprintSHA256(b.host.PublicKey()), line)
	b.says(t, try(), fmt.Sprintf(unknown, file))
	if _, err := os.Stat(file); err == nil {
		t.Error("something was learnt")
	}
	write(t, file, line+"\n")
	if err := try(); err != nil {
		t.Errorf("after that: %v", err)
	}
	write(t, file, "# good\n"+line+"\nvm.broken ssh-ed25519 AAAA\n")
	if err := try(); err == nil || !strings.Contains(err.Error(), "read the known hosts: "+file+":3: ") || !strings.HasSuffix(err.Error(), ": correct the line, or take it out") {
		t.Errorf("a broken line: %v", err)
	}
	write(t, file, "@revoked * "+strings.SplitN(line, " ", 2)[1]+"\n")
	b.says(t, try(), fmt.Sprintf("its SSH host key ssh-ed25519 %s is revoked by %s:1: somebody may stand in between", ssh.FingerprintSHA256(b.host.PublicKey()), file))

	// The user's own file, where names may be hashed.
	a.SSH.KnownHosts = "file"
	own := filepath.Join(b.state, ".ssh/known_hosts")
	b.says(t, try(), fmt.Sprintf(unknown, own))
	write(t, own, xknownhosts.HashHostname(xknownhosts.Normalize(a.at()))+" "+strings.SplitN(line, " ", 2)[1]+"\n")
	if err := try(); err != nil {
		t.Errorf("known to the user: %v", err)
	}
}

// What can't be written down is not trusted.
func TestHostKeyThatCantBeLearnt(t *testing.T) {
	b := newBench(t)
	write(t, filepath.Join(b.state, "file"), "")
	b.state = filepath.Join(b.state, "file")
	_, err := b.turn(t).SSH(b.access(), false).Stat(t.Context(), "/")
	if !isUnreachable(err) || b.logins() != 0 {
		t.Errorf("%d logins, %v", b.logins(), err)
	}
}

// What x/crypto and the wrapper around it make of any file is an answer.
func FuzzKnownHosts(f *testing.F) {
	f.Add("vm.edge ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6VkzRPrrTQ4yAzqbdbpXxjXWAXgkPEqo1wVTKLYKFA\n")
	f.Add("|1|AAAA|BBBB ssh-ed25519 AAAA\n@cert-authority *,! ssh-rsa AAAA\n@revoked")
	f.Add(strings.Repeat("x", 70_000))
	f.Add("# a comment\n\n[::1]:22 x y")
	file := filepath.Join(f.TempDir(), "known_hosts")
	f.Fuzz(func(t *testing.T, text string) {
		write(t, file, text)
		h := &hostKeys{files: []string{file}, name: "vm.edge:22"}
		if err := h.read(); err != nil {
			if !strings.Contains(err.Error(), file+":") {
				t.Errorf("no place is named: %v", err)
			}
			return
		}
		if len(h.algorithms()) < 6 {
			t.Errorf("asked for is %q", h.algorithms())
		}
	})
}

// While a guest's site does not answer, nobody knows which one it is: what was learnt
// of one of its name counts, and nothing is learnt.
func TestHostKeyWhileTheInstanceIsNotKnown(t *testing.T) {
	b := newBench(t)
	try := func(a Access) error {
		_, err := b.turn(t).SSH(a, false).Stat(t.Context(), "/")
		return err
	}
	unsure := b.access()
	unsure.Instance = ""
	refused := func(key ssh.PublicKey) string {
		return fmt.Sprintf("its SSH host key ssh-ed25519 %s was not learnt before, and none is learnt while its site does not tell which guest it is: see why the site does not answer", ssh.FingerprintSHA256(key))
	}
	b.says(t, try(unsure), refused(b.host.PublicKey()))
	if err := try(b.access()); err != nil {
		t.Fatal(err)
	}
	if err := try(unsure); err != nil {
		t.Errorf("with the key that was learnt: %v", err)
	}
	other, _ := newKey(t)
	b.keys(b.user.PublicKey(), other)
	write(t, KnownHosts(b.state), lineOf(Alias("vm/edge", "one"), b.host.PublicKey())+lineOf(Alias("vm/edge2", "one"), other.PublicKey()))
	b.says(t, try(unsure), refused(other.PublicKey()))
	// A Host has no instance.
	unsure.ID = "host/edge"
	if err := try(unsure); err != nil {
		t.Errorf("a Host: %v", err)
	}
}

// Who turns from learn to strict is told what was learnt.
func TestHostKeyStrictAfterLearn(t *testing.T) {
	b := newBench(t)
	a := b.access()
	if _, err := b.SSH(a, false).Stat(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	file, own := KnownHosts(b.state), filepath.Join(b.state, ".ssh/known_hosts")
	other, _ := newKey(t)
	for _, test := range []struct {
		mode, file string
		key        ssh.Signer
		want       string
	}{
		{"strict", file, b.host, "it is the one that was learnt at first contact (" + file + ":1); "},
		{"file", own, b.host, "it is the one that was learnt at first contact (" + file + ":1); "},
		{"strict", file, other, "it is another than the one that was learnt at first contact (" + file + ":1), so somebody may stand in between; "},
	} {
		b.keys(b.user.PublicKey(), test.key)
		a.SSH.KnownHosts = test.mode
		_, err := b.turn(t).SSH(a, false).Stat(t.Context(), "/")
		b.says(t, err, fmt.Sprintf("its SSH host key ssh-ed25519 %s is not known, and none is learnt (ssh.knownHosts): %scompare it with the machine's own, and add this line to %s: %s",
			ssh.FingerprintSHA256(test.key.PublicKey()), test.want, test.file, strings.TrimSpace(lineOf(a.at(), test.key.PublicKey()))))
	}
}

// Another program may keep the file for as long as it likes.
func TestHostKeyFileIsKept(t *testing.T) {
	b := newBench(t)
	b.wait.dial = 300 * time.Millisecond
	file := KnownHosts(b.state)
	write(t, file, "")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_, err = b.SSH(b.access(), false).Stat(t.Context(), "/")
	b.says(t, err, "its SSH host key can't be judged: lock "+file+": another program keeps it: context deadline exceeded: let the agent read and write "+file)
	if time.Since(begun) > 5*time.Second {
		t.Errorf("it took %s", time.Since(begun))
	}
}

// Two that learn at once trust one key.
func TestHostKeyIsLearntOnceByTwo(t *testing.T) {
	b := newBench(t)
	hosts := make([]*hostKeys, 2)
	keys := make([]ssh.PublicKey, 2)
	for i := range hosts {
		h, err := newRemote(&b.turn(t).o, b.access(), usual).hostKeys()
		if err != nil {
			t.Fatal(err)
		}
		signer, _ := newKey(t)
		hosts[i], keys[i] = h, signer.PublicKey()
	}
	trusted := make([]error, 2)
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { trusted[i] = h.check(t.Context(), nil, keys[i]) })
	}
	all.Wait()
	if (trusted[0] == nil) == (trusted[1] == nil) {
		t.Errorf("two keys were learnt at once: %v", trusted)
	}
	text, err := os.ReadFile(KnownHosts(b.state))
	if err != nil || strings.Count(string(text), "\n") != 1 {
		t.Errorf("learnt is %q, %v", text, err)
	}
	// Both sides agree on new keys later on; what was learnt still counts.
	for i, h := range hosts {
		if err := h.check(t.Context(), nil, keys[i]); (err == nil) != (trusted[i] == nil) {
			t.Errorf("later on: %v, at first: %v", err, trusted[i])
		}
	}
}
