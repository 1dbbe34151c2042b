package checkout_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"berth/agent/internal/checkout"
)

// line is a line of known hosts for the forge, or for a pattern in its place.
func (f *sshForge) line(key ssh.PublicKey, pattern ...string) string {
	if len(pattern) == 0 {
		return knownhosts.Line([]string{f.address}, key) + "\n"
	}
	return pattern[0] + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + "\n"
}

func TestUnknownHost(t *testing.T) {
	f := newSSHForge(t)
	tip := f.commit("first", "a.yaml", "one")
	src := f.strange()
	a := follow(t, src)
	key := f.hostKeys[0].PublicKey()
	line := f.line(key)
	says := []string{
		"cannot trust the server: its host key is not known: it shows ssh-ed25519 " + ssh.FingerprintSHA256(key),
		src.SSH.KnownHosts + " has none for [127.0.0.1]:" + f.port(),
		"compare the fingerprint", "add this line to the file: " + strings.TrimSpace(line),
	}
	got := a.fetchFails(checkout.ErrHostKey, says...)
	if _, err := os.Stat(src.SSH.KnownHosts); err == nil {
		t.Error("the key was learnt, and nobody had asked for that")
	}
	// The same port of another host, another port of the same host.
	f.knows(src, f.line(key, "[127.0.0.2]:"+f.port())+f.line(key, "127.0.0.1"))
	a.fetchFails(checkout.ErrHostKey, says...)
	// What the error tells to add is enough.
	_, add, _ := strings.Cut(got, "add this line to the file: ")
	f.knows(src, add)
	a.accept(tip)
	if got := f.loggedIn(); len(got) != 1 {
		t.Errorf("%d logins; the key must not be shown to a host that is not trusted", len(got))
	}
}

// TestKnownHosts follows a server that has a key of each kind.
func TestKnownHosts(t *testing.T) {
	f := newSSHForge(t)
	tip := f.commit("first", "a.yaml", "one")
	ed, ec, rsa := f.hostKeys[0], signer(t, ecdsaKey(t)), signer(t, rsaKey(t))
	other := publicKey(t, ed25519Key(t))
	authority := signer(t, ed25519Key(t))
	f.set(func() { f.hostKeys = []ssh.Signer{ec, rsa, ed, certified(t, ed, authority, "127.0.0.1")} })
	hashed := knownhosts.HashHostname(knownhosts.Normalize(f.address))
	for name, lines := range map[string]string{
		"only ed25519":         f.line(ed.PublicKey()),
		"only ecdsa":           f.line(ec.PublicKey()),
		"only rsa":             f.line(rsa.PublicKey()),
		"all, rsa first":       f.line(rsa.PublicKey()) + f.line(ec.PublicKey()) + f.line(ed.PublicKey()),
		"hashed":               f.line(other, "example.com") + f.line(rsa.PublicKey(), hashed),
		"a pattern":            f.line(ec.PublicKey(), "10.*,127.0.0.*"),
		"old and new":          "# rotated\n\n" + f.line(other) + f.line(ed.PublicKey()),
		"several names":        f.line(ed.PublicKey(), "git.example.com,[127.0.0.1]:"+f.port()),
		"a comment":            strings.TrimSpace(f.line(ed.PublicKey())) + " ada@home\r\n",
		"no newline":           strings.TrimSpace(f.line(ed.PublicKey())),
		"an authority":         f.line(authority.PublicKey(), "@cert-authority *"),
		"authority and plain":  f.line(authority.PublicKey(), "@cert-authority *") + f.line(ed.PublicKey()),
		"another one's revoke": f.line(other, "@revoked *") + f.line(ed.PublicKey()),
	} {
		t.Run(name, func(t *testing.T) {
			src := f.source()
			f.knows(src, lines)
			follow(t, src).fetch(tip)
		})
	}
	shown := func(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }
	for name, test := range map[string]struct {
		lines string
		says  []string
	}{
		"changed": {
			"# mine\n" + f.line(other),
			[]string{"its host key has changed: it shows " + shown(ed.PublicKey()), "known_hosts:2 has " + shown(other), "somebody may stand in between", strings.TrimSpace(f.line(ed.PublicKey()))},
		},
		"changed, and several lines": {
			f.line(other) + f.line(other, "127.0.0.1,[127.0.0.1]:"+f.port()) + f.line(publicKey(t, ecdsaKey(t))) + f.line(publicKey(t, ed25519Key(t))),
			[]string{"known_hosts:1 has", "known_hosts:2 has", "known_hosts:3 has ecdsa-sha2-nistp256", "1 more line"},
		},
		"revoked": {
			f.line(ed.PublicKey()) + f.line(ed.PublicKey(), "@revoked *"),
			[]string{"it shows the host key " + shown(ed.PublicKey()), "known_hosts:2 revokes", "ask the server's operator"},
		},
		"another authority": {
			f.line(other, "@cert-authority *"),
			[]string{"it shows the host key certificate for " + shown(ed.PublicKey()) + " by " + shown(authority.PublicKey())},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, learn := range []bool{false, true} {
				src := f.source()
				src.SSH.Learn = learn
				f.knows(src, test.lines)
				before := len(f.loggedIn())
				follow(t, src).fetchFails(checkout.ErrHostKey, test.says...)
				if now, _ := os.ReadFile(src.SSH.KnownHosts); string(now) != test.lines || len(f.loggedIn()) != before {
					t.Errorf("known hosts became %q, or it logged in", now)
				}
			}
		})
	}
	// The kind that is known is gone: what is shown in its place is told.
	src := f.source()
	f.knows(src, f.line(ed.PublicKey()))
	f.set(func() { f.hostKeys = []ssh.Signer{ec} })
	follow(t, src).fetchFails(checkout.ErrHostKey, "has changed: it shows "+shown(ec.PublicKey()), "known_hosts:1 has "+shown(ed.PublicKey()))
	// A host certificate for another host.
	f.set(func() { f.hostKeys = []ssh.Signer{certified(t, ed, authority, "git.example.com")} })
	f.knows(src, f.line(authority.PublicKey(), "@cert-authority *"))
	follow(t, src).fetchFails(checkout.ErrHostKey, "git.example.com", "ask the server's operator")
}

// certified is a host key with its authority's certificate for a name.
func certified(t *testing.T, key, authority ssh.Signer, host string) ssh.Signer {
	t.Helper()
	cert := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{host},
		ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A server that signs as SHA-1 and older do is told apart from a stranger.
func TestHostKeyTooOld(t *testing.T) {
	f := newSSHForge(t)
	f.commit("first", "a.yaml", "one")
	old, err := ssh.NewSignerWithAlgorithms(signer(t, rsaKey(t)).(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.hostKeys = []ssh.Signer{old} })
	src := f.source()
	f.knows(src, f.line(old.PublicKey()))
	follow(t, src).fetchFails(checkout.ErrHostKey, "no common algorithm for the host key; the server offers ssh-rsa", "ed25519 host key")
}

func TestKnownHostsFile(t *testing.T) {
	f := newSSHForge(t)
	f.commit("first", "a.yaml", "one")
	src := f.source()
	key := f.line(f.hostKeys[0].PublicKey())
	for _, test := range []struct{ lines, want string }{
		{key + "# next\nexample.com ssh-ed25519 AAAA\n", "known_hosts:3: "},
		{key + "nonsense\n", "known_hosts:2: missing host pattern; correct the line, or remove it"},
		{"@unknown " + key, "known_hosts:1: unexpected marker"},
	} {
		f.knows(src, test.lines)
		_, err := follow(t, src).Fetch(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", test.lines, err, test.want)
		}
	}
	f.knows(src, key)
	if err := os.Chmod(src.SSH.KnownHosts, 0o646); err != nil {
		t.Fatal(err)
	}
	if _, err := follow(t, src).Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "known_hosts: mode 0646") || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("a file that everybody may write: %v", err)
	}
	src.SSH.KnownHosts = filepath.Dir(src.SSH.KnownHosts)
	if _, err := follow(t, src).Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
}

func TestLearn(t *testing.T) {
	f := newSSHForge(t)
	tip := f.commit("first", "a.yaml", "one")
	src := f.strange()
	src.SSH.Learn = true
	f.knows(src, f.line(publicKey(t, ed25519Key(t)), "example.com")[:60]+"\n")
	if _, err := follow(t, src).Fetch(t.Context()); err == nil {
		t.Error("a damaged file was learnt into")
	}
	others := strings.TrimSpace(f.line(publicKey(t, ed25519Key(t)), "example.com")) // Without its newline.
	f.knows(src, others)
	a := follow(t, src)
	a.accept(tip)
	a.fetch(tip)
	was := f.hostKeys[0].PublicKey()
	if now, err := os.ReadFile(src.SSH.KnownHosts); err != nil || string(now) != others+"\n"+f.line(was) {
		t.Errorf("known hosts are %q, %v", now, err)
	}
	if said := a.said.String(); strings.Count(said, "learnt the repository server's host key") != 1 || !strings.Contains(said, ssh.FingerprintSHA256(was)) {
		t.Errorf("it was not logged once, with the fingerprint: %s", said)
	}
	// From then on it is pinned.
	f.set(func() { f.hostKeys = []ssh.Signer{signer(t, ed25519Key(t))} })
	a.fetchFails(checkout.ErrHostKey, "its host key has changed", "known_hosts:2 has")

	// A file that can't be written: nothing is trusted that would not be known next time.
	src.SSH.KnownHosts = filepath.Join(t.TempDir(), "absent", "known_hosts")
	follow(t, src).fetchFails(checkout.ErrHostKey, "its host key cannot be learnt", "let the agent write the file")
	// Or one that is made.
	src.SSH.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
	follow(t, src).fetch(tip)
	if info, err := os.Stat(src.SSH.KnownHosts); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("known hosts: %v, %v", info, err)
	}
}

// One address in two spellings is one source; another user, port or path is not.
func TestSSHSourceIdentity(t *testing.T) {
	f := newSSHForge(t)
	tip := f.commit("first", "a.yaml", "one")
	src := f.source()
	a := follow(t, src)
	a.accept(tip)
	for url, want := range map[string]error{
		"git+ssh://" + f.address + "/fleet.git/":          nil,
		"ssh://git@127.0.0.1:0" + f.port() + "/fleet.git": nil,
		"ssh://ann@" + f.address + "/fleet.git":           checkout.ErrSourceChanged,
		"ssh://git@" + f.address + "/~/fleet.git":         checkout.ErrSourceChanged,
		"ssh://git@localhost:" + f.port() + "/fleet.git":  checkout.ErrSourceChanged,
		f.url: checkout.ErrSourceChanged,
	} {
		changed := src
		if changed.URL = url; strings.HasPrefix(url, "http") {
			changed.SSH = nil
		}
		if _, err := followIn(t, a.dir, changed).Fetch(t.Context()); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
	}
}
