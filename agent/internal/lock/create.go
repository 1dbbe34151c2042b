package lock

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"filippo.io/age"
	"filippo.io/age/armor"

	"berth/agent/internal/durable"
)

const (
	// maxWork is what an identity's file may ask for: the age tool writes 18.
	maxWork = 18
	// MinPassphrase is how many bytes a passphrase has at least.
	MinPassphrase = 8
	// MaxPassphrase is how many it has at most: what is longer nobody could hand to a
	// running agent.
	MaxPassphrase = 1<<10 - 1
)

// digestComment begins the line of the public half's file by which damage to the
// identity's file is told from a wrong passphrase.
const digestComment = "# identity.age was made with the SHA-256 "

// Create makes an identity and writes it to the directory, encrypted with the
// passphrase, which is wiped. An identity that is there already is never overwritten.
// The lock is locked afterwards.
func (l *Lock) Create(passphrase []byte) error {
	defer clear(passphrase)
	if len(passphrase) < MinPassphrase {
		return fmt.Errorf("the passphrase is shorter than %d bytes: take a longer one, such as five words", MinPassphrase)
	}
	if len(passphrase) > MaxPassphrase {
		return fmt.Errorf("the passphrase is longer than %d bytes: take a shorter one, such as five words", MaxPassphrase)
	}
	if err := l.create(passphrase); err != nil {
		return fmt.Errorf("create the identity: %w", err)
	}
	return nil
}

func (l *Lock) create(passphrase []byte) error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	alone, err := os.OpenFile(filepath.Join(l.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer alone.Close()
	// Two at once would leave the identity of one and the public half of the other.
	if err := syscall.Flock(int(alone.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	switch made, err := l.made(); {
	case err != nil:
		return err
	case made:
		return l.exists()
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	text, err := encrypt(identity.String(), passphrase, l.work)
	if err != nil {
		return err
	}
	// The public half first: what decides whether there is an identity comes last.
	if err := l.publish(identity.Recipient().String(), text); err != nil {
		return err
	}
	if err := durable.Create(l.IdentityPath(), text); errors.Is(err, fs.ErrExist) {
		return l.exists()
	} else if err != nil {
		return err
	}
	return nil
}

func (l *Lock) exists() error {
	return fmt.Errorf("there is one already, %s, and what was encrypted for it needs it: `agent unlock` opens it; to begin anew, move it away yourself", l.IdentityPath())
}

// encrypt makes the text of the identity's file.
func encrypt(identity string, passphrase []byte, work int) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(work)
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	plain, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	_, err = plain.Write([]byte(identity + "\n"))
	if err := errors.Join(err, plain.Close(), armored.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// publish writes the public half of the identity whose file has this text.
func (l *Lock) publish(recipient string, text []byte) error {
	public := "# The public half of this agent's identity: age -R " + RecipientFile + " encrypts for it.\n" +
		digestComment + digestOf(text) + "\n" + recipient + "\n"
	return durable.Replace(filepath.Join(l.dir, RecipientFile), []byte(public), 0o644)
}
