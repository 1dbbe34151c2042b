package main

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
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
	signer, err := signerOf(args[0])
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
	if err := store(repo, plumbing.CommitObject, head+"\ngpgsig "+armored+"\n\n"+message, main.Name()); err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[0]), append([]byte(args[0]+"@example.com "), ssh.MarshalAuthorizedKey(signer.PublicKey())...), 0o600)
}

// signerOf is the key that a word stands for.
func signerOf(word string) (ssh.Signer, error) {
	seed := bytes.Repeat([]byte(word[:1]), ed25519.SeedSize)
	return ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(seed))
}

// store keeps an object and has a name lead to it.
func store(repo *git.Repository, kind plumbing.ObjectType, text string, name plumbing.ReferenceName) error {
	object := repo.Storer.NewEncodedObject()
	object.SetType(kind)
	into, err := object.Writer()
	if err != nil {
		return err
	}
	_, err = io.WriteString(into, text)
	if err := errors.Join(err, into.Close()); err != nil {
		return err
	}
	hash, err := repo.Storer.SetEncodedObject(object)
	if err != nil {
		return err
	}
	return repo.Storer.SetReference(plumbing.NewHashReference(name, hash))
}

// tag puts a signed tag on the newest commit, as `git tag -s` does, by the key that a word
// stands for.
func (w *testWorld) tag(_ *testscript.TestScript, args []string) error {
	signer, err := signerOf(args[0])
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
	text := fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger %s <%[3]s@example.com> 1790000000 +0000\n\nRelease\n", main.Hash(), args[1], args[0])
	sig, err := sshsig.Sign(strings.NewReader(text), signer, sshsig.HashSHA512, "git")
	if err != nil {
		return err
	}
	return store(repo, plumbing.TagObject, text+string(sshsig.Armor(sig)), plumbing.NewTagReferenceName(args[1]))
}
