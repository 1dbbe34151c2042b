package main

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/hiddeco/sshsig"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
)

// sign puts a signed commit in the place of the newest, as `git commit --amend -S` does,
// by the key that a word stands for. The line of allowed signers goes to the file of that
// name.
func (w *testWorld) sign(ts *testscript.TestScript, args []string) error {
	seed := bytes.Repeat([]byte(args[0][:1]), ed25519.SeedSize)
	signer, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return err
	}
	repo, err := git.PlainOpen(filepath.Join(w.dir, "fleet.git"))
	if err != nil {
		return err
	}
	main, err := repo.Reference("refs/heads/main", true)
	if err != nil {
		return err
	}
	stored, err := repo.Storer.EncodedObject(plumbing.CommitObject, main.Hash())
	if err != nil {
		return err
	}
	from, err := stored.Reader()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(from)
	if err := errors.Join(err, from.Close()); err != nil {
		return err
	}
	sig, err := sshsig.Sign(bytes.NewReader(text), signer, sshsig.HashSHA512, "git")
	if err != nil {
		return err
	}
	head, message, _ := strings.Cut(string(text), "\n\n")
	armored := strings.ReplaceAll(strings.TrimSpace(string(sshsig.Armor(sig))), "\n", "\n ")
	object := repo.Storer.NewEncodedObject()
	object.SetType(plumbing.CommitObject)
	into, err := object.Writer()
	if err != nil {
		return err
	}
	_, err = io.WriteString(into, head+"\ngpgsig "+armored+"\n\n"+message)
	if err := errors.Join(err, into.Close()); err != nil {
		return err
	}
	hash, err := repo.Storer.SetEncodedObject(object)
	if err != nil {
		return err
	}
	if err := repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", hash)); err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[0]), append([]byte(args[0]+"@example.com "), ssh.MarshalAuthorizedKey(signer.PublicKey())...), 0o600)
}
