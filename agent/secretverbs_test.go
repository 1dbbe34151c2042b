package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/rogpeppe/go-internal/testscript"
)

// encrypt encrypts a file for a public half, as the age tool does.
func (w *testWorld) encrypt(ts *testscript.TestScript, args []string) error {
	recipients, err := age.ParseRecipients(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	plain, err := age.Encrypt(armored, recipients...)
	if err != nil {
		return err
	}
	_, err = plain.Write([]byte(ts.ReadFile(args[1])))
	if err := errors.Join(err, plain.Close(), armored.Close()); err != nil {
		return err
	}
	path := ts.MkAbs(args[2])
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, sealed.Bytes(), 0o600))
}

// answers runs a command until what it prints matches.
func (w *testWorld) answers(ts *testscript.TestScript, args []string) error {
	want, err := regexp.Compile("(?s)" + args[0])
	if err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		failed := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if want.MatchString(out) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("it does not answer %q: %w, %s", args[0], failed, out)
		}
	}
}
