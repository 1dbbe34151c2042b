package checkout_test

import (
	"bytes"
	"crypto/dsa" //nolint:staticcheck // What is refused is made here.
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"golang.org/x/crypto/ssh"

	"berth/agent/internal/checkout"
)

// Headers of signatures are not signed. Whoever has no key must not be able to hide
// others by them: who was merged, or when it was committed.
func TestSignatureThatHidesHeaders(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	ada := newEd25519(t)
	by := bySSH(ada)
	a := f.verifying(checkout.Verify{AllowedSigners: writeFile(t, "allowed_signers", "ada "+line(ada)), Every: true})
	first := f.signed("first", by)
	a.accept(first)
	stranger := f.signed("stranger", by)
	tree := &object.Tree{Entries: []object.TreeEntry{{Name: "a.yaml", Mode: filemode.Regular, Hash: f.blob("merged")}}}
	who := fmt.Sprintf("Ada <ada@example.com> %d +0000\n", committed.Unix())
	lines := []string{"tree " + f.write(plumbing.TreeObject, tree.Encode).String() + "\n", "parent " + first + "\n", "parent " + stranger + "\n", "author " + who, "committer " + who}
	message := "\nmerge\n"
	signature := "gpgsig " + strings.ReplaceAll(strings.TrimSuffix(by([]byte(strings.Join(lines, "")+message)), "\n"), "\n", "\n ") + "\n"
	for _, header := range []string{"gpgsig-sha256 x\n y\n", signature} {
		for at := 2; at < len(lines); at++ {
			commit := strings.Join(lines[:at], "") + header + strings.Join(lines[at:], "") + message
			if header != signature {
				commit = strings.Join(lines[:at], "") + header + strings.Join(lines[at:], "") + signature + message
			}
			tip := f.point(f.write(plumbing.CommitObject, raw(commit)).String())
			a.refuses(tip, "its headers are in another order than Git's")
		}
	}
	// Of the committer the same, where all that was merged is signed.
	one := append([]string{lines[0], lines[1]}, lines[3:]...)
	signature = "gpgsig " + strings.ReplaceAll(strings.TrimSuffix(by([]byte(strings.Join(one, "")+message)), "\n"), "\n", "\n ") + "\n"
	for at := 2; at < len(one); at++ {
		tip := f.point(f.write(plumbing.CommitObject, raw(strings.Join(one[:at], "")+"gpgsig-sha256 x\n"+strings.Join(one[at:], "")+signature+message)).String())
		a.refuses(tip, "its headers are in another order than Git's")
	}
	a.accept(f.point(f.write(plumbing.CommitObject, raw(strings.Join(one, "")+"gpgsig-sha256 x\n y\n"+signature+message)).String()))
}

// refuses holds that a commit is not taken: whose it is may be hidden, too.
func (f *follower) refuses(tip, want string) {
	f.t.Helper()
	if text := f.fails(checkout.ErrUntrusted); !strings.Contains(text, want) || !strings.Contains(text, tip[:7]) {
		f.t.Errorf("of %s it says %q, want %q", tip, text, want)
	}
}

// Of two signatures in one armor the first must not say for the second by whom it is,
// and when it was made.
func TestSignatureBehindAnother(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	day := 24 * time.Hour
	ada, eve := gpgFrom(t, committed.Add(-day), 0), gpgFrom(t, committed.Add(-day), 0)
	if err := eve.entity.RevokeKey(packet.KeyRetired, "", &packet.Config{Time: func() time.Time { return committed.Add(day) }}); err != nil {
		t.Fatal(err)
	}
	// The key that Ada encrypts by is known, and not for signing.
	other := ada.entity.Subkeys[0].PublicKey
	behind := func(payload []byte) string {
		lure := unarmored(t, ada.sign([]byte("x")))
		lure = bytes.Replace(lure, ada.entity.PrimaryKey.Fingerprint, other.Fingerprint, 1)
		var was, is [8]byte
		putID(&was, ada.entity.PrimaryKey.KeyId)
		putID(&is, other.KeyId)
		lure = bytes.ReplaceAll(lure, was[:], is[:])
		return armoredAs(t, "PGP SIGNATURE", append(lure, unarmored(t, gpgUnrevoked(eve).sign(payload))...))
	}
	tip := f.signed("behind", behind)
	a := f.verifying(checkout.Verify{GPGKeys: []string{writeFile(t, "keys.asc", ada.public(t, true)+eve.public(t, true))}})
	a.distrusts(tip, tip, "", "its GPG signature can't be read")
}

func putID(into *[8]byte, id uint64) {
	for i := range into {
		into[i] = byte(id >> (8 * (7 - i)))
	}
}

func unarmored(t *testing.T, text string) []byte {
	t.Helper()
	block, err := armor.Decode(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(block.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// DSA signs by SHA-1 alone, as OpenSSH did until it was taken out.
func TestSignaturesByDSA(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	var private dsa.PrivateKey
	if err := dsa.GenerateParameters(&private.Parameters, rand.Reader, dsa.L1024N160); err != nil {
		t.Fatal(err)
	}
	if err := dsa.GenerateKey(&private, rand.Reader); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(&private)
	if err != nil {
		t.Fatal(err)
	}
	tip := f.signed("by DSA", bySSH(key))
	f.verifying(checkout.Verify{AllowedSigners: writeFile(t, "allowed_signers", "ada "+line(key))}).refuses(tip, "SHA-1")
}

// A few large proposals fill no disk either.
func TestLargeProposalsDoNotFillTheClone(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	first := f.side("refs/heads/main", "start", tree{"a": "1\n"})
	a := follow(t, f.source())
	a.SetMaxProposed(100_000)
	onto := a.accept(first)
	for i := range 6 {
		noise := make([]byte, 60_000)
		if _, err := rand.Read(noise); err != nil {
			t.Fatal(err)
		}
		f.side("refs/pull/1/head", "again", tree{"a": string(noise)}, first)
		if _, err := a.Propose(t.Context(), "refs/pull/1/head", onto); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		// The one that is planned, and what was left when it came.
		if n := len(a.packFiles("*.pack")); n > 3 {
			t.Errorf("%d packs after %d", n, i+1)
		}
	}
	if got := a.file(onto, "a"); got != "1\n" {
		t.Errorf("the accepted commit holds %q", got)
	}
}
