package checkout_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"berth/agent/internal/checkout"
)

// signWith makes a signature of what is to be committed; "" is none.
type signWith func(payload []byte) string

func unsigned([]byte) string { return "" }

// committed is when commits of these tests are made.
var committed = time.Date(2026, 9, 21, 14, 13, 20, 0, time.UTC)

// signed stores a commit that is signed, and makes main name it.
func (f *forge) signed(message string, sign signWith, parents ...string) string {
	f.t.Helper()
	tree := &object.Tree{Entries: []object.TreeEntry{{Name: "a.yaml", Mode: filemode.Regular, Hash: f.blob(message)}}}
	lines := "tree " + f.write(plumbing.TreeObject, tree.Encode).String() + "\n"
	if len(parents) > 0 {
		lines += "parent " + strings.Join(parents, "\nparent ") + "\n"
	}
	who := fmt.Sprintf("Ada <ada@example.com> %d +0200", committed.Unix())
	lines += "author " + who + "\ncommitter " + who + "\nencoding UTF-8\nx-unknown to go-git\n  and more\n"
	message = "\n" + message + "\n"
	header := ""
	if signature := sign([]byte(lines + message)); signature != "" {
		header = "gpgsig " + strings.ReplaceAll(strings.TrimSuffix(signature, "\n"), "\n", "\n ") + "\n"
	}
	return f.point(f.write(plumbing.CommitObject, raw(lines+header+message)).String())
}

// raw stores an object as it is.
func raw(text string) func(plumbing.EncodedObject) error {
	return func(o plumbing.EncodedObject) error {
		w, err := o.Writer()
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, text)
		return errors.Join(err, w.Close())
	}
}

func newEd25519(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer(t, key)
}

func line(signer ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// bySSH signs as `git commit -S` with gpg.format ssh.
func bySSH(signer ssh.Signer) signWith { return bySSHFor(signer, "git") }

func bySSHFor(signer ssh.Signer, namespace string) signWith {
	return func(payload []byte) string {
		sig, err := sshsig.Sign(bytes.NewReader(payload), signer, sshsig.HashSHA512, namespace)
		if err != nil {
			panic(err)
		}
		return string(sshsig.Armor(sig))
	}
}

// byOldRSA signs by SHA-1, as ssh-rsa does.
type byOldRSA struct{ ssh.AlgorithmSigner }

func (s byOldRSA) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, ssh.KeyAlgoRSA)
}

func (s byOldRSA) SignWithAlgorithm(rand io.Reader, data []byte, _ string) (*ssh.Signature, error) {
	return s.AlgorithmSigner.SignWithAlgorithm(rand, data, ssh.KeyAlgoRSA)
}

// writeFile writes a file that belongs to a test.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(t.TempDir(), name)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// verifying follows a forge by a list of signers.
func (f *forge) verifying(verify checkout.Verify) *follower {
	f.t.Helper()
	src := f.source()
	src.Verify = &verify
	return follow(f.t, src)
}

func (f *follower) distrusts(tip, commit, key, want string) {
	f.t.Helper()
	text := f.fails(checkout.ErrUntrusted)
	if !strings.Contains(text, want) {
		f.t.Errorf("it says %q, want %q", text, want)
	}
	_, err := f.Fetch(f.t.Context())
	untrusted, ok := errors.AsType[*checkout.UntrustedError](err)
	if !ok || untrusted.Tip.Hash != tip || untrusted.Commit.Hash != commit || untrusted.Key != key || untrusted.Commit.Author != "Ada" {
		f.t.Errorf("fetch again: %+v, want tip %s, commit %s, key %q", untrusted, tip, commit, key)
	}
}

func TestSignaturesBySSH(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	ed := newEd25519(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := signer(t, curve)
	other, pgp := newEd25519(t), gpgOf(t)
	for _, row := range []struct {
		name, file string
		sign       signWith
		key        ssh.Signer // By whom it is refused; nil is taken.
		want       string
	}{
		{"ed25519", "ada@example.com " + line(ed), bySSH(ed), nil, ""},
		{"ecdsa", "# keys\n\n  ada@example.com,eve@example.com " + line(ec) + " of the laptop\n", bySSH(ec), nil, ""},
		{"quoted principals", `"Ada L, *@example.com" ` + line(ed), bySSH(ed), nil, ""},
		{"for git and files", `ada namespaces="file,g?t" ` + line(ed), bySSH(ed), nil, ""},
		{"in time", `ada valid-after="20260921Z",valid-before="20260922Z" ` + line(ed), bySSH(ed), nil, ""},
		{"a former and a new line", "ada valid-before=\"20200101\" " + line(ed) + "\nada valid-after=\"20200101\" " + line(ed), bySSH(ed), nil, ""},
		{"none is listed", "# nobody\n", bySSH(ed), ed, "signed by the SSH key SHA256:"},
		{"another is listed", "eve " + line(other), bySSH(ed), ed, "which is none of the allowed signers; if that key may sign, add it to the allowed signers"},
		{"not yet", `ada valid-after="20260921141321Z" ` + line(ed), bySSH(ed), ed, "of ada, which is valid from 2026-09-21T14:13:21Z on only"},
		{"no longer", `ada valid-before="202609211413Z" ` + line(ed), bySSH(ed), ed, "which was valid until 2026-09-21T14:13:00Z"},
		{"for files alone", `ada namespaces="file" ` + line(ed), bySSH(ed), ed, "which may not sign for git"},
		{"for all but git", `ada namespaces="*,!git" ` + line(ed), bySSH(ed), ed, "which may not sign for git"},
		{"signed as a file", "ada " + line(ed), bySSHFor(ed, "file"), ed, `its signature is for "file", and not for git`},
		{"of something else", "ada " + line(ed), func([]byte) string { return bySSH(ed)([]byte("x")) }, ed, "does not fit what is in it"},
		{"not signed", "ada " + line(ed), unsigned, nil, "by Ada: it is not signed; push a commit in its place that is signed: git commit --amend --no-edit -S"},
		{"by X.509", "ada " + line(ed), func([]byte) string { return "-----BEGIN SIGNED MESSAGE-----\nx\n-----END SIGNED MESSAGE-----\n" }, nil, "of a kind that is not supported"},
		{"unreadable", "ada " + line(ed), func([]byte) string { return "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n" }, nil, "its SSH signature can't be read"},
		{"twice", "ada " + line(ed), bySSH(ed), nil, "it has two signatures"},
		{"by GPG", "ada " + line(ed), pgp.sign, nil, "it is signed by the GPG key "},
		{"an authority", "ada cert-authority " + line(ed), bySSH(ed), nil, ":1: cert-authority is not supported"},
		{"an unknown option", "\nada no-touch " + line(ed) + "\nada", bySSH(ed), nil, ":2: the option no-touch is not known: there are namespaces, valid-after and valid-before; :3: not understood: write PRINCIPALS"},
		{"no time", `ada valid-after="tomorrow" ` + line(ed), bySSH(ed), nil, `"tomorrow" is no time: write YYYYMMDD`},
		{"a key alone", line(ed), bySSH(ed), nil, ":1: not understood"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f.t = t
			tip := f.signed(row.name, row.sign)
			if row.name == "twice" {
				tip = f.twice(ed, other)
			}
			a := f.verifying(checkout.Verify{AllowedSigners: writeFile(t, "allowed_signers", row.file)})
			if row.want == "" {
				a.accept(tip)
				return
			}
			key := ""
			if row.key != nil {
				key = ssh.FingerprintSHA256(row.key.PublicKey())
			}
			if row.name == "by GPG" {
				key = pgp.fingerprint
			}
			a.distrusts(tip, tip, key, row.want)
			if err := a.Accept(t.Context(), checkout.Commit{Hash: tip, Path: "."}); !errors.Is(err, checkout.ErrUntrusted) {
				t.Errorf("it is accepted nevertheless: %v", err)
			}
		})
	}
}

// twice is a commit with two signatures, both of them good.
func (f *forge) twice(one, other ssh.Signer) string {
	f.t.Helper()
	tree := &object.Tree{Entries: []object.TreeEntry{{Name: "a.yaml", Mode: filemode.Regular, Hash: f.blob("twice")}}}
	who := fmt.Sprintf("Ada <ada@example.com> %d +0000\n", committed.Unix())
	head, tail := "tree "+f.write(plumbing.TreeObject, tree.Encode).String()+"\nauthor "+who+"committer "+who, "\ntwice\n"
	by := func(signer ssh.Signer) string {
		return "gpgsig " + strings.ReplaceAll(strings.TrimSuffix(bySSH(signer)([]byte(head+tail)), "\n"), "\n", "\n ") + "\n"
	}
	header := by(one) + by(other)
	return f.point(f.write(plumbing.CommitObject, raw(head+header+tail)).String())
}

func TestSignaturesByRSA(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := signer(t, private)
	a := f.verifying(checkout.Verify{AllowedSigners: writeFile(t, "allowed_signers", "ada "+line(key))})
	old := f.signed("SHA-1", bySSH(byOldRSA{key.(ssh.AlgorithmSigner)}))
	if text := a.fails(checkout.ErrUntrusted); !strings.Contains(text, "SHA-1") && !strings.Contains(text, "can't be read") {
		t.Errorf("%s: %s", old, text)
	}
	a.accept(f.signed("SHA-2", bySSH(key)))
}

// Of several commits each must be signed, or the newest alone.
func TestWhichCommitsMustBeSigned(t *testing.T) {
	t.Parallel()
	ada, eve := newEd25519(t), newEd25519(t)
	by, foreign := bySSH(ada), bySSH(eve)
	eveKey := ssh.FingerprintSHA256(eve.PublicKey())
	signers := writeFile(t, "allowed_signers", "ada@example.com "+line(ada))
	tip, every := checkout.Verify{AllowedSigners: signers}, checkout.Verify{AllowedSigners: signers, Every: true}

	t.Run("in a line", func(t *testing.T) {
		f := newForge(t)
		f.signed("old", unsigned)
		first := f.signed("first", by, f.signed("older", unsigned))
		a, b := f.verifying(tip), f.verifying(every)
		a.accept(first)
		b.accept(first)
		bad := f.signed("bad", foreign, first)
		last := f.signed("last", by, f.signed("worse", unsigned, f.signed("between", by, bad)))
		a.accept(last)
		b.distrusts(last, bad, eveKey, `"bad" by Ada: it is signed by the SSH key `+eveKey)
		if c, _ := b.Accepted(); c.Hash != first {
			t.Errorf("accepted is %s", c.Hash)
		}
		// Taken out of the branch, which was never accepted with it.
		b.accept(f.signed("again", by, f.signed("first again", by, first)))
	})
	t.Run("through merges", func(t *testing.T) {
		f := newForge(t)
		root := f.signed("root", unsigned)
		fork := f.signed("fork", unsigned, root)
		first := f.signed("first", by, fork)
		b := f.verifying(every)
		b.accept(first)
		old := f.signed("old branch", unsigned, root)
		merge := f.signed("merge", by, f.signed("second", by, first), old)
		b.distrusts(merge, old, "", `"old branch" by Ada: it is not signed; push the branch anew from the accepted commit on, all of it signed: git rebase --force-rebase -S`)
		a := f.verifying(tip)
		a.accept(merge)
		good := f.signed("merge", by, f.signed("second", by, first), f.signed("branch", by, root))
		b.accept(good)
		// What is merged once more was judged.
		again := f.signed("merge again", by, good, f.signed("later branch", by, fork), fork)
		b.accept(again)
		evil := f.signed("evil merge", unsigned, again, fork)
		b.distrusts(evil, evil, "", "it is not signed")
	})
	t.Run("rewritten", func(t *testing.T) {
		f := newForge(t)
		root := f.signed("root", unsigned)
		first := f.signed("first", by, root)
		src := f.source()
		src.Verify, src.AllowRewrite = &every, true
		b := follow(t, src)
		b.accept(first)
		// Gone back to before anything was signed, and replaced by another history.
		f.point(root)
		b.distrusts(root, root, "", "it is not signed")
		b.accept(f.signed("instead", by, root))
		other := f.signed("another root", foreign)
		b.distrusts(f.signed("on it", by, other), other, eveKey, "another root")
	})
	t.Run("since", func(t *testing.T) {
		f := newForge(t)
		root := f.signed("root", unsigned)
		begin := f.signed("begin", unsigned, root)
		bad := f.signed("bad", unsigned, begin)
		last := f.signed("last", by, bad)
		from := every
		from.Since = root
		f.verifying(from).distrusts(last, begin, "", `"begin" by Ada: it is not signed`)
		from.Since = begin
		f.verifying(from).distrusts(last, bad, "", `"bad" by Ada: it is not signed`)
		from.Since = bad
		a := f.verifying(from)
		a.accept(last)
		from.Since = f.signed("elsewhere", by)
		f.point(last)
		f.verifying(from).distrusts(last, last, "", "its history does not hold the commit that repository.verify.since names")
		f.verifying(every).accept(last)
	})
}

// The list is read at every fetch; what was accepted is not judged again.
func TestAllowedSignersChange(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	ada, eve := newEd25519(t), newEd25519(t)
	list := writeFile(t, "allowed_signers", "ada "+line(ada))
	a := f.verifying(checkout.Verify{AllowedSigners: list, Every: true})
	first := f.signed("first", bySSH(ada))
	a.accept(first)
	second := f.signed("second", bySSH(eve), first)
	key := ssh.FingerprintSHA256(eve.PublicKey())
	a.distrusts(second, second, key, "none of the allowed signers")
	writeFile(t, list, "ada "+line(ada)+"\neve "+line(eve))
	a.fetch(second)
	writeFile(t, list, "ada "+line(ada))
	a.distrusts(second, second, key, "none of the allowed signers")
	writeFile(t, list, "eve "+line(eve))
	a.accept(second)
	for _, text := range []string{"ada " + line(ada), "nonsense"} {
		writeFile(t, list, text)
		a.fetch(second)
	}
	third := f.signed("third", bySSH(ada), second)
	a.distrusts(third, third, "", "nobody is known who may sign; read allowed signers: "+list+":1: not understood")
	if err := os.Chmod(list, 0o602); err != nil {
		t.Fatal(err)
	}
	a.distrusts(third, third, "", "lets every user of this machine change it; run chmod o-w on it")
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	a.distrusts(third, third, "", "there is no file "+list+": write there the keys of those who may sign")
	if c, _ := a.Accepted(); c.Hash != second {
		t.Errorf("accepted is %s, want %s", c.Hash, second)
	}
	// Without the setting nothing is asked.
	followIn(t, a.dir, f.source()).accept(third)
}
