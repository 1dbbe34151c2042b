package checkout_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"berth/agent/internal/checkout"
)

// signing is a repository whose commits git itself signs, by keys that ssh-keygen and gpg
// have made.
type signing struct {
	t    *testing.T
	dir  string // The repository.
	home string // Of git, with short names for gpg's socket below it.
	env  []string
}

func newSigning(t *testing.T) *signing {
	t.Helper()
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("BERTH_REAL=1 tries signatures by git, ssh-keygen and gpg")
	}
	for _, program := range []string{"git", "ssh-keygen", "gpg", "gpgconf"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("BERTH_REAL=1 and there is no %s", program)
		}
	}
	home, err := os.MkdirTemp("", "sign") //nolint:usetesting // The path of gpg's socket must be short.
	if err != nil {
		t.Fatal(err)
	}
	s := &signing{t: t, dir: t.TempDir(), home: home}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GNUPGHOME=" + home, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	}
	t.Cleanup(func() {
		// The agent that gpg has started ends with the directory of its socket.
		_ = s.command("gpgconf", "--kill", "gpg-agent").Run()
		_ = os.RemoveAll(home)
	})
	s.run("git", "init", "-q", "-b", "main")
	return s
}

func (s *signing) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:noctx // Its last use is in a cleanup.
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

func (s *signing) run(name string, args ...string) string {
	s.t.Helper()
	out, err := s.command(name, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes a commit as these options of git say.
func (s *signing) commit(message string, options ...string) string {
	s.t.Helper()
	s.run("git", append(options, "commit", "-q", "--allow-empty", "-m", message)...)
	return s.run("git", "rev-parse", "HEAD")
}

// verdict is git's own of the newest commit.
func (s *signing) verdict(options ...string) bool {
	return s.command("git", append(options, "verify-commit", "HEAD")...).Run() == nil
}

func (s *signing) follow(verify checkout.Verify) *follower {
	s.t.Helper()
	return follow(s.t, checkout.Source{URL: s.dir, Branch: "main", Verify: &verify})
}

func TestRealSSHSignatures(t *testing.T) {
	s := newSigning(t)
	var keys []string
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		key := filepath.Join(s.home, kind)
		s.run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "the laptop", "-f", key)
		keys = append(keys, key)
	}
	signers := filepath.Join(s.home, "allowed_signers")
	list := func(options string, keys ...string) {
		t.Helper()
		var lines strings.Builder
		for _, key := range keys {
			public, err := os.ReadFile(key + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			lines.WriteString("ada@example.com " + options + string(public))
		}
		writeFile(t, signers, lines.String())
	}
	with := func(key string) []string {
		return []string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + key, "-c", "commit.gpgsign=true", "-c", "gpg.ssh.allowedSignersFile=" + signers}
	}
	a := s.follow(checkout.Verify{AllowedSigners: signers, Every: true})
	list("", keys...)
	for _, key := range keys {
		tip := s.commit(filepath.Base(key), with(key)...)
		if !s.verdict(with(key)...) {
			t.Fatalf("git does not take %s itself", key)
		}
		a.accept(tip)
	}
	// What git says of a bound, the agent says too.
	for _, row := range []struct {
		options string
		good    bool
	}{{`valid-before="20200101Z" `, false}, {`valid-after="20200101" `, true}, {`namespaces="file" `, false}, {`namespaces="git,file" `, true}} {
		list(row.options, keys...)
		tip := s.commit(row.options, with(keys[0])...)
		if git := s.verdict(with(keys[0])...); git != row.good {
			t.Errorf("%s: git says %t", row.options, git)
		}
		b := s.follow(checkout.Verify{AllowedSigners: signers})
		if row.good {
			b.accept(tip)
		} else {
			b.fails(checkout.ErrUntrusted)
		}
	}
	list("", keys[0])
	s.run("git", append(with(keys[0]), "commit", "-q", "--amend", "--allow-empty", "--no-edit", "-S")...)
	s.follow(checkout.Verify{AllowedSigners: signers}).accept(s.run("git", "rev-parse", "HEAD"))
	stranger := s.commit("by a key that is not listed", with(keys[2])...)
	b := s.follow(checkout.Verify{AllowedSigners: signers})
	want := strings.Fields(s.run("ssh-keygen", "-l", "-f", keys[2]))[1]
	b.distrusts(stranger, stranger, want, "which is none of the allowed signers")
}

func TestRealGPGSignatures(t *testing.T) {
	s := newSigning(t)
	fingerprint := regexp.MustCompile(`[0-9A-F]{40}`)
	generate := func(who, lasts string, options ...string) string {
		t.Helper()
		args := append([]string{"--batch", "--pinentry-mode", "loopback", "--passphrase", ""}, options...)
		s.run("gpg", append(args, "--quick-gen-key", who, "ed25519", "sign", lasts)...)
		return fingerprint.FindString(s.run("gpg", "--with-colons", "--list-keys", "="+who))
	}
	export := func(name string, options ...string) string {
		t.Helper()
		file := filepath.Join(s.home, name)
		s.run("gpg", append([]string{"--batch", "--yes", "--output", file}, options...)...)
		return file
	}
	with := func(key string) []string {
		return []string{"-c", "user.signingkey=" + key, "-c", "commit.gpgsign=true"}
	}
	ada := generate("Ada <ada@example.com>", "never")
	armored, plain := export("ada.asc", "--armor", "--export", ada), export("ada.gpg", "--export", ada)
	tip := s.commit("by Ada", with(ada)...)
	for _, file := range []string{armored, plain} {
		s.follow(checkout.Verify{GPGKeys: []string{file}}).accept(tip)
	}

	// A key that had an end, used before it and, with a clock set back, after it.
	past := []string{"--faked-system-time", "20250101T000000!"}
	eve := generate("Eve <eve@example.com>", "1d", past...)
	old := writeFile(t, filepath.Join(s.home, "gpg-in-2025"), "#!/bin/sh\nexec gpg --faked-system-time 20250101T010000! \"$@\"\n")
	if err := os.Chmod(old, 0o700); err != nil {
		t.Fatal(err)
	}
	keys := []string{armored, export("eve.asc", "--armor", "--export", eve)}
	s.follow(checkout.Verify{GPGKeys: keys}).accept(s.commit("in time", append(with(eve), "-c", "gpg.program="+old)...))

	// Revoked afterwards, which the agent hears by an export.
	revoke := filepath.Join(s.home, "openpgp-revocs.d", ada+".rev")
	text, err := os.ReadFile(revoke)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, revoke, strings.Replace(string(text), ":-----BEGIN", "-----BEGIN", 1))
	tip = s.commit("before it is revoked", with(ada)...)
	s.run("gpg", "--batch", "--import", revoke)
	a := s.follow(checkout.Verify{GPGKeys: []string{armored}})
	a.fetch(tip)
	export("ada.asc", "--armor", "--export", ada)
	a.distrusts(tip, tip, ada, "of Ada <ada@example.com>, which is revoked")

	unsignedTip := s.commit("not signed")
	a.distrusts(unsignedTip, unsignedTip, "", "it is not signed")
}

// What git itself says of a tag, the agent says too.
func TestRealSignedTags(t *testing.T) {
	s := newSigning(t)
	key, other := filepath.Join(s.home, "ed25519"), filepath.Join(s.home, "other")
	for _, file := range []string{key, other} {
		s.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	signers := writeFile(t, filepath.Join(s.home, "allowed_signers"), "ada@example.com "+string(public))
	s.run("gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-gen-key", "Ada <ada@example.com>", "ed25519", "sign", "never")
	pgp := filepath.Join(s.home, "ada.asc")
	s.run("gpg", "--batch", "--armor", "--output", pgp, "--export", "ada@example.com")
	with := func(key string) []string {
		return []string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + key, "-c", "gpg.ssh.allowedSignersFile=" + signers}
	}
	verify := checkout.Verify{AllowedSigners: signers, GPGKeys: []string{pgp}, Every: true, Tags: true}
	a := s.follow(verify)
	for _, row := range []struct {
		name    string
		options []string
		args    []string
		good    bool
	}{
		{"v1", with(key), []string{"tag", "-s", "-m", "Release 1\n\nwith notes", "v1"}, true},
		{"rel/2", nil, []string{"tag", "-s", "-m", "by GPG", "rel/2"}, true},
		{"v3", with(key), []string{"tag", "-s", "-m", "", "v3"}, true},
		{"v4", with(other), []string{"tag", "-s", "-m", "by another", "v4"}, false},
		{"v5", nil, []string{"tag", "-a", "-m", "not signed", "v5"}, false},
		{"v6", nil, []string{"tag", "v6"}, false},
	} {
		tip := s.commit(row.name)
		b := s.follow(verify)
		b.fails(checkout.ErrUntrusted)
		s.run("git", append(row.options, row.args...)...)
		if git := s.command("git", append(with(key), "verify-tag", row.name)...).Run() == nil; git != row.good {
			t.Errorf("%s: git says %t", row.name, git)
		}
		if !row.good {
			b.fails(checkout.ErrUntrusted)
			continue
		}
		b.accept(tip)
		a.accept(tip)
	}
	// By the same way as a forge: packed, as deltas, through git's own server.
	s.run("git", append(with(key), "tag", "-f", "-s", "-m", "signed after all", "v4", "v4^{}")...)
	s.run("git", append(with(key), "tag", "-f", "-s", "-m", "signed after all", "v5", "v5^{}")...)
	s.run("git", append(with(key), "tag", "-f", "-s", "-m", "signed after all", "v6", "v6^{}")...)
	s.run("git", "repack", "-q", "-a", "-d", "-f")
	s.run("git", "pack-refs", "--all")
	a.accept(s.run("git", "rev-parse", "HEAD"))
	verify.Since = s.run("git", "rev-list", "--max-parents=0", "HEAD")
	src := s.serve()
	src.Verify = &verify
	follow(t, src).accept(s.run("git", "rev-parse", "HEAD"))
	s.run("git", "tag", "-d", "v5")
	follow(t, src).fails(checkout.ErrUntrusted)
}

// serve has git itself serve the repository over SSH.
func (s *signing) serve() checkout.Source {
	s.t.Helper()
	f := newSSHForge(s.t)
	f.set(func() {
		f.run = func(_ string, c ssh.Channel) bool {
			git := s.command("git", "upload-pack", s.dir)
			git.Stdout, git.Stderr = c, c.Stderr()
			in, err := git.StdinPipe()
			if err == nil {
				err = git.Start()
			}
			if err != nil {
				s.t.Error(err)
				return true
			}
			go func() { _, _ = io.Copy(in, c) }() // It ends with the connection.
			_ = git.Wait()                        // A client that only looks goes away.
			return true
		}
	})
	return f.source()
}
