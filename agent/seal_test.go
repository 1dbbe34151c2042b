package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"berth/agent/internal/lock"
)

// seal encrypts a file for an identity: that of a file, which is made if it is not
// there, or that of a lock's directory, which is created with the passphrase "correct
// horse".
//
//	seal token identity.txt fleet/token.age
//	seal token state/lock fleet/token.age
func (w *testWorld) seal(_ *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("seal FILE IDENTITY OUT, not %q", args)
	}
	file, who, out := filepath.Join(w.dir, args[0]), filepath.Join(w.dir, args[1]), filepath.Join(w.dir, args[2])
	recipient, err := recipientOf(who)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	plain, err := age.Encrypt(&sealed, to)
	if err == nil {
		_, err = plain.Write(text)
	}
	if err == nil {
		err = plain.Close()
	}
	if err != nil {
		return err
	}
	return os.WriteFile(out, sealed.Bytes(), 0o600)
}

func recipientOf(who string) (string, error) {
	if filepath.Base(who) == "lock" {
		l, err := lock.Open(who)
		if err == nil && l.State() == lock.New {
			err = l.Create([]byte("correct horse"))
		}
		if err != nil {
			return "", err
		}
		return l.Recipient(), nil
	}
	text, err := os.ReadFile(who)
	if os.IsNotExist(err) {
		made, err := age.GenerateX25519Identity()
		if err != nil {
			return "", err
		}
		return made.Recipient().String(), os.WriteFile(who, []byte(made.String()+"\n"), 0o600)
	}
	if err != nil {
		return "", err
	}
	identity, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		return "", err
	}
	return identity.Recipient().String(), nil
}
