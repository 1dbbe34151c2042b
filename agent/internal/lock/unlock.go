package lock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"berth/desired"
)

// The delay after a wrong passphrase: a second, doubled by each further one.
const (
	firstDelay = time.Second
	maxDelay   = time.Minute
)

// maxFile bounds the identity's file, in bytes: one has some 400.
const maxFile = 64 << 10

// WrongPassphraseError is that a passphrase does not open the identity.
type WrongPassphraseError struct {
	// Delay is how long no other is tried.
	Delay time.Duration
	// Changed tells that the file is another than was made, so that it may be
	// damaged rather than the passphrase wrong.
	Changed bool
	file    string
}

// Error says when the next one is tried.
func (e *WrongPassphraseError) Error() string {
	text := fmt.Sprintf("wrong passphrase: the next one is tried in %v", e.Delay)
	if e.Changed {
		text += fmt.Sprintf("; if it was right, %s is damaged, since it is not as it was made: bring it back from a backup", e.file)
	}
	return text
}

func (l *Lock) locked() error { return &desired.LockedError{} }

// Unlock opens the identity with the passphrase, which is wiped in any case, and holds
// it in memory until [Lock.Lock]. A wrong passphrase is a [WrongPassphraseError]; the
// next call waits as long as that says, or until ctx ends. What is unlocked already
// stays so, whatever the passphrase.
func (l *Lock) Unlock(ctx context.Context, passphrase []byte) error {
	defer clear(passphrase)
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return fmt.Errorf("unlock: another passphrase is being tried: %w", ctx.Err())
	}
	switch l.State() {
	case Unlocked:
		return nil
	case New:
		return ErrNew
	case Locked:
	}
	if wait := time.Until(l.next); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("unlock: no passphrase is tried for another %v, after %d wrong ones: %w", time.Until(l.next).Round(time.Second), l.wrong, ctx.Err())
		}
	}
	err := l.unlock(passphrase)
	if wrong, is := errors.AsType[*WrongPassphraseError](err); is {
		wrong.Delay = min(firstDelay<<min(l.wrong, 10), maxDelay)
		l.wrong++
		l.next = time.Now().Add(wrong.Delay)
	} else if err == nil {
		l.wrong, l.next = 0, time.Time{}
	}
	return err
}

func (l *Lock) unlock(passphrase []byte) error {
	text, err := l.read()
	if err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	// Scrypt leaves its 128 MiB to the collector.
	defer debug.FreeOSMemory()
	plain, err := l.decrypt(text, passphrase)
	defer clear(plain)
	if err != nil {
		return err
	}
	secret := bytes.TrimSpace(plain)
	identity, err := age.ParseX25519Identity(string(secret))
	if err != nil {
		return l.damaged("what is encrypted in it is no age identity of the kind AGE-SECRET-KEY-1")
	}
	recipient := identity.Recipient().String()
	if known, as := l.public(); known != recipient || as != digestOf(text) {
		// Lost, damaged, or the passphrase was changed by hand.
		if err := l.publish(recipient, text); err != nil {
			return fmt.Errorf("unlock: write the public half: %w", err)
		}
	}
	held, err := newPage(secret)
	if err != nil {
		return fmt.Errorf("unlock: take memory that is never swapped: %w: give the service LimitMEMLOCK=1M", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.page = held
	return nil
}

// read reads the identity's file.
func (l *Lock) read() ([]byte, error) {
	file, err := os.Open(l.IdentityPath())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = l.damaged("it is far too large")
	}
	return text, err
}

// decrypt opens the identity's file. The errors of age may quote what it holds, and
// are not passed on.
func (l *Lock) decrypt(text, passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("the passphrase is empty: type the one that `agent bootstrap` was given")
	}
	identity, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("unlock: %w", err)
	}
	identity.SetMaxWorkFactor(maxWork)
	var in io.Reader = bytes.NewReader(text)
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte(armor.Header)) {
		in = armor.NewReader(in)
	}
	opened, err := age.Decrypt(in, identity)
	var mismatch *age.NoIdentityMatchError
	switch {
	case errors.As(err, &mismatch) && len(mismatch.StanzaTypes) == 1 && mismatch.StanzaTypes[0] == "scrypt":
		_, as := l.public()
		return nil, &WrongPassphraseError{Changed: as != "" && as != digestOf(text), file: l.IdentityPath()}
	case errors.As(err, &mismatch):
		return nil, l.damaged("it is not encrypted with a passphrase")
	case err != nil:
		return nil, l.damaged("it is no age file, or its beginning is damaged")
	}
	plain, err := io.ReadAll(io.LimitReader(opened, maxFile))
	if err != nil {
		clear(plain)
		return nil, l.damaged("it is cut off, or its end is damaged")
	}
	return plain, nil
}

// damaged says what is wrong with the identity's file, and the ways out.
func (l *Lock) damaged(what string) error {
	return fmt.Errorf("%s: %s: bring the file back from a backup; without one, move it away, run `agent bootstrap` and encrypt the secrets anew for the new identity",
		l.IdentityPath(), what)
}
