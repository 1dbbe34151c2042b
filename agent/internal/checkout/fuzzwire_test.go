package checkout

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/storage/memory"
	"golang.org/x/crypto/ssh"
)

// FuzzSSHAddress holds that an SSH address, however it is written, has one form, and
// that whoever reads that form finds the same user, host, port and path.
func FuzzSSHAddress(f *testing.F) {
	for _, seed := range []string{
		"git@git.example.net:fleet.git", "ssh://git@git.example.net:2222/srv/fleet.git", "ssh://git.example.net/~anna/fleet.git", "[fd00::1]:fleet", "ssh://[fd00::1%25eth0]:22/x", "host:/~x/y//", "a@b@c:d",
		"ssh://u:p@h/x", "ssh://h:0/x", "ssh://h:99999/x", "-oProxyCommand=x:y", "ssh://-h/x", "h:-x", "HOST:Path", "ssh://h/a%2fb", "ssh://h/%00", "h:a b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		read := func(raw string) (sshAddress, error) {
			if !strings.HasPrefix(raw, "ssh://") {
				return parseSCP(raw)
			}
			u, err := url.Parse(raw)
			if err != nil {
				return sshAddress{}, err
			}
			return parseSSH(u)
		}
		a, err := read(raw)
		if err != nil {
			return
		}
		if strings.HasPrefix(a.host, "-") || strings.HasPrefix(a.path, "-") || strings.HasPrefix(a.user, "-") || strings.ContainsFunc(a.String(), unicode.IsControl) {
			t.Errorf("%q became %q, which could be taken for an option", raw, a)
		}
		again, err := read(a.String())
		if err != nil || again != a {
			t.Errorf("%q is %+v, written %q, which reads as %+v (%v)", raw, a, a, again, err)
		}
	})
}

// FuzzKnownHosts holds that no file of known hosts makes a host trusted whose key does
// not stand in it, and that a mistake in it is told by its line.
func FuzzKnownHosts(f *testing.F) {
	const key = "AAAAC3NzaC1lZDI1NTE5AAAAIJ9JK2zIfQ8RZ0jmxCJ2fW6uXcCR2gQy0aNf2Pn4b5wY"
	for _, seed := range []string{
		"", "git.example.net ssh-ed25519 " + key + "\n", "[git.example.net]:2222 ssh-ed25519 " + key, "*.example.net,!bad.example.net ssh-ed25519 " + key + " comment", "@revoked git.example.net ssh-ed25519 " + key,
		"@cert-authority * ssh-ed25519 " + key, "|1|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= ssh-ed25519 " + key, "# words\n\ngit.example.net ssh-ed25519 AAAA\n", "git.example.net\n", "\x00", "a b c d e", "@x y z",
	} {
		f.Add(seed)
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		f.Fatal(err)
	}
	shown, err := ssh.ParsePublicKey(raw)
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "known_hosts")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := (&SSH{KnownHosts: file}).readHostKeys(slog.New(slog.DiscardHandler))
		if err != nil {
			if !strings.Contains(err.Error(), file) {
				t.Errorf("%q does not say where", err)
			}
			return
		}
		if len(h.algorithms("git.example.net:22")) == 0 {
			t.Error("no kind of key would be asked for")
		}
		err = h.check("git.example.net:22", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22}, shown)
		if err == nil && !strings.Contains(text, key) {
			t.Errorf("%q trusts a key that it does not hold", text)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("an error that can't be shown: %q", err)
		}
	})
}

// FuzzGitServer holds of whatever a server says in the place of its references, and of
// its pack, that it is read or refused, and that a refusal can be shown.
func FuzzGitServer(f *testing.F) {
	const tip = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	refs := "003f" + tip + " refs/heads/main\n" + "0000"
	pack := "PACK\x00\x00\x00\x02\x00\x00\x00\x00\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e"
	f.Add([]byte(refs), []byte(pack))
	f.Add([]byte("00550000000000000000000000000000000000000000 capabilities^{}\x00ofs-delta side-band-64k\n0000"), []byte("0008NAK\n"+pack))
	f.Add([]byte("0015ERR access denied"), []byte("0005\x01"))
	f.Add([]byte("Welcome to git!\n"), []byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"))
	f.Add([]byte("0000"), []byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7fx\x9c"))
	f.Fuzz(func(t *testing.T, refs, pack []byte) {
		if len(refs)+len(pack) > 1<<16 {
			return
		}
		source := Source{URL: "ssh://git@git.example.net/fleet.git", Branch: "main"}
		advertised := packp.NewAdvRefs()
		if err := advertised.Decode(bytes.NewReader(refs)); err == nil {
			hash, err := branchTip(source, advertised)
			if err != nil && strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("an error that can't be shown: %q", err)
			}
			if err == nil && !strings.Contains(string(refs), hash.String()) {
				t.Errorf("the tip %s is nowhere in %q", hash, refs)
			}
		}
		for _, sideband := range []bool{false, true} {
			req := packp.NewUploadPackRequest()
			if sideband {
				if err := req.Capabilities.Set(capability.Sideband64k); err != nil {
					t.Fatal(err)
				}
			}
			into := memory.NewStorage()
			if err := storePack(bytes.NewReader(pack), req, into); err != nil {
				continue
			}
			for hash, object := range into.Objects {
				if hash == plumbing.ZeroHash || object.Hash() != hash {
					t.Errorf("%s is stored as %s", object.Hash(), hash)
				}
			}
		}
	})
}
